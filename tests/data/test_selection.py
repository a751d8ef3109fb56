"""Selections: which records are chosen, against the rows of the manifest."""

import csv

import numpy as np
import pytest

from tfctc.config import RunConfig
from tfctc.data import pipeline
from tfctc.data.label_budget import keep_labels
from tfctc.data.selection import Selection, visible_to
from tfctc.data.splits import Splits
from tfctc.errors import ConfigError


@pytest.fixture(scope="module")
def splits(partly):
    return Splits.make(partly.manifest, RunConfig(), folds=2)


@pytest.fixture(scope="module")
def training(partly_dataset, splits):
    """The manifest's rows of the training split."""
    with (partly_dataset / "manifest.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if splits.assignment[row["patient_id"]] == "train"]


def chosen(builder, selection):
    return list(pipeline.records(builder, "train", (), selection=selection).as_numpy_iterator())


def names(records):
    return sorted(record["cell_id"].decode() for record in records)


@pytest.mark.parametrize("with_dapi", [False, True])
@pytest.mark.parametrize(
    ("labels", "takes"), [("labelled", bool), ("unlabelled", lambda label: not label), ("all", lambda label: True)]
)
def test_labels_and_dapi(partly, training, labels, takes, with_dapi):
    expected = sorted(r["cell_id"] for r in training if takes(r["label"]) and (r["dapi"] or not with_dapi))
    selection = Selection(labels, with_dapi=with_dapi)
    assert names(chosen(partly, selection)) == expected and expected
    assert pipeline.count(partly, "train", selection) == len(expected)


def test_a_network_is_shown_the_labelled_cells_that_have_its_channels():
    assert visible_to(("brightfield",)) == Selection()
    assert visible_to(("brightfield", "dapi")) == visible_to(("dapi",)) == Selection(with_dapi=True)


def test_folds_are_read_from_the_group_and_one_is_left_out(partly, splits, training):
    patients = {row["cell_id"]: row["patient_id"] for row in training}
    records = chosen(partly, Selection("all").on(splits))
    assert {r["cell_id"].decode(): int(r["fold"]) for r in records} == {c: splits.folds[p] for c, p in patients.items()}
    left = names(chosen(partly, Selection("all", without_fold=1).on(splits)))
    assert left == sorted(cell for cell, patient in patients.items() if splits.folds[patient] == 0) != []


def test_ids_that_only_the_selection_reads_do_not_go_further(partly, splits):
    selection = Selection().on(splits)
    assert selection.ids == {"patient_id"} and Selection().ids == set()
    record = next(pipeline.records(partly, "train", (), ids=False, selection=selection).as_numpy_iterator())
    assert set(record) == {"label", "dapi_present", "fold"}


def test_a_budget_keeps_so_many_labels_in_their_share_and_hides_the_others(partly, splits, training):
    truth = {row["cell_id"]: row["label"] for row in training if row["label"]}
    share = sum(label == "ctc" for label in truth.values()) / len(truth)
    mask = splits.mask(partly.manifest, "train")
    for budget in (4, 9):
        kept = keep_labels(partly.manifest, mask, budget, seed=5)
        labelled = chosen(partly, Selection(kept_labels=kept))
        assert all(truth[r["cell_id"].decode()] == ("leukocyte", "ctc")[r["label"]] for r in labelled)
        assert len(labelled) == budget and sum(r["label"] for r in labelled) == round(budget * share)
        hidden = chosen(partly, Selection("unlabelled", kept_labels=kept))
        assert names(hidden) == sorted({row["cell_id"] for row in training} - set(names(labelled)))


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match="labels must be one of labelled, unlabelled, all, got 'some'"):
        Selection("some")


def test_a_selection_reads_as_a_sentence(splits):
    assert str(Selection()) == "labelled cells"
    assert str(Selection("all", with_dapi=True, without_fold=1).on(splits)) == "all cells with DAPI without fold 1"


def test_batches_hold_so_many_of_each(partly, splits):
    kept = keep_labels(partly.manifest, splits.mask(partly.manifest, "train"), 4, seed=5)
    draw = [(Selection(kept_labels=kept), 3), (Selection("unlabelled", kept_labels=kept), 5)]
    options = {"draw": draw, "seed": 1, "augment": lambda x, seed: x}
    stream = pipeline.train_batches(partly, ("brightfield",), **options)
    for _, _, weight in stream.take(4).as_numpy_iterator():
        np.testing.assert_array_equal(weight, [1, 1, 1, 0, 0, 0, 0, 0])
    later = pipeline.train_batches(partly, ("brightfield",), **options, start_step=2)
    for (x, _, _), (y, _, _) in zip(stream.skip(2).take(3), later.take(3), strict=True):
        np.testing.assert_array_equal(x["brightfield"], y["brightfield"])
