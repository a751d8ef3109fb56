"""Which cells are chosen, and which labels are kept."""

import csv
import shutil

import numpy as np
import pytest

from tfctc.config import SplitConfig
from tfctc.data import pipeline
from tfctc.data.budget import keep_labels
from tfctc.data.builder import build
from tfctc.data.manifest import Manifest
from tfctc.data.selection import Selection
from tfctc.data.splits import deal
from tfctc.errors import ConfigError


@pytest.fixture(scope="module")
def rows(tiny_dataset):
    """The manifest's rows; every third without a label, every fourth without DAPI."""
    found = list(csv.DictReader((tiny_dataset / "manifest.csv").open()))
    for i, row in enumerate(found):
        row["label"] = "" if i % 3 == 0 else row["label"]
        row["dapi"] = "" if i % 4 == 0 else row["dapi"]
    return found


@pytest.fixture(scope="module")
def assignment(tiny_dataset):
    manifest = Manifest.open(tiny_dataset)
    return deal(manifest.groups("patient_id"), manifest.facts, SplitConfig(), 0)


@pytest.fixture(scope="module")
def builder(tiny_dataset, rows, assignment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("selection") / "data"
    shutil.copytree(tiny_dataset, folder, ignore=shutil.ignore_patterns("tfrecords"))
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return build(Manifest.open(folder), assignment, "patient_id")


@pytest.fixture(scope="module")
def training(rows, assignment):
    return [row for row in rows if assignment[row["patient_id"]] == "train"]


def chosen(builder, selection):
    return list(pipeline.records(builder, "train", (), selection=selection).as_numpy_iterator())


def names(records):
    return sorted(record["cell_id"].decode() for record in records)


@pytest.mark.parametrize("pairs", [False, True])
@pytest.mark.parametrize(
    ("labels", "takes"), [("labelled", bool), ("unlabelled", lambda label: not label), ("all", lambda label: True)]
)
def test_labels_and_pairs(builder, training, labels, takes, pairs):
    expected = sorted(r["cell_id"] for r in training if takes(r["label"]) and (r["dapi"] or not pairs))
    selection = Selection(labels, pairs=pairs)
    assert names(chosen(builder, selection)) == expected and expected
    assert pipeline.count(builder, "train", selection) == len(expected)


def test_folds_are_read_from_the_group_and_one_is_left_out(builder, training):
    groups = sorted({row["patient_id"] for row in training})
    folds = tuple((group, i % 2) for i, group in enumerate(groups))
    home, patients = dict(folds), {row["cell_id"]: row["patient_id"] for row in training}
    records = chosen(builder, Selection("all", folds=folds))
    assert {r["cell_id"].decode(): int(r["fold"]) for r in records} == {c: home[p] for c, p in patients.items()}
    left = names(chosen(builder, Selection("all", folds=folds, outside=1)))
    assert left == sorted(cell for cell, patient in patients.items() if home[patient] == 0)


def test_ids_that_only_the_selection_reads_do_not_go_further(builder, training):
    folds = tuple((row["patient_id"], 0) for row in training)
    record = next(
        pipeline.records(builder, "train", (), ids=False, selection=Selection(folds=folds)).as_numpy_iterator()
    )
    assert set(record) == {"label", "dapi_present", "fold"}


def test_a_budget_keeps_so_many_labels_in_their_share_and_hides_the_others(builder, training):
    truth = {row["cell_id"]: row["label"] for row in training if row["label"]}
    share = sum(label == "ctc" for label in truth.values()) / len(truth)
    kept = {}
    for budget in (4, 9):
        selection = {"known": keep_labels(builder, budget, seed=5), "seed": 5}
        labelled = chosen(builder, Selection(**selection))
        kept[budget] = set(names(labelled))
        assert all(truth[r["cell_id"].decode()] == ("leukocyte", "ctc")[r["label"]] for r in labelled)
        assert len(labelled) == budget and sum(r["label"] for r in labelled) == round(budget * share)
        hidden = chosen(builder, Selection("unlabelled", **selection))
        assert names(hidden) == sorted({row["cell_id"] for row in training} - kept[budget])
    assert kept[4] < kept[9]
    other = Selection(known=keep_labels(builder, 9, seed=6), seed=6)
    assert set(names(chosen(builder, other))) != kept[9]


@pytest.mark.parametrize("budget", [1, 10_000])
def test_a_budget_that_cannot_be_kept_is_refused(builder, budget):
    with pytest.raises(ConfigError, match=f"label_budget .* got {budget}"):
        keep_labels(builder, budget, seed=0)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match="labelled, unlabelled, all"):
        Selection("some")


def test_batches_hold_so_many_of_each(builder):
    known = {"known": keep_labels(builder, 4, seed=5), "seed": 5}
    draw = [(Selection(**known), 3), (Selection("unlabelled", **known), 5)]
    stream = pipeline.train_batches(builder, ("brightfield",), draw=draw, seed=1, augment=lambda x, seed: x)
    for _, _, weight in stream.take(4).as_numpy_iterator():
        np.testing.assert_array_equal(weight, [1, 1, 1, 0, 0, 0, 0, 0])
    later = pipeline.train_batches(
        builder, ("brightfield",), draw=draw, seed=1, augment=lambda x, seed: x, start_step=2
    )
    for (x, _, _), (y, _, _) in zip(stream.skip(2).take(3), later.take(3), strict=True):
        np.testing.assert_array_equal(x["brightfield"], y["brightfield"])
