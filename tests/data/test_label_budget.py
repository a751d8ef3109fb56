"""The label budget: which labels are kept, by the manifest and in the stream of records alike."""

import numpy as np
import pytest
import tensorflow as tf

from tfctc.cells import Cell, DatasetFacts
from tfctc.config import RunConfig, TrainingConfig
from tfctc.data import pipeline
from tfctc.data.builder import build
from tfctc.data.label_budget import RANKS, KeptLabels, keep_labels, rank, ranks
from tfctc.data.manifest import Manifest, write_manifest
from tfctc.data.selection import Selection
from tfctc.data.splits import Splits
from tfctc.errors import ConfigError

SEED = 5


@pytest.fixture(scope="module")
def manifest(partly):
    return partly.manifest


@pytest.fixture(scope="module")
def training(manifest):
    return Splits.make(manifest, RunConfig()).mask(manifest, "train")


@pytest.fixture(scope="module")
def labels(manifest, training):
    """Cell id -> label of the labelled training cells."""
    cells = zip(manifest.cells(), training, strict=True)
    return {cell.cell_id: cell.label for cell, trains in cells if trains and cell.label}


def kept_by_the_manifest(manifest, labels, kept):
    """Ids of the labelled training cells whose rank is low enough, by a comparison in Python."""
    numbers = ranks(np.array(list(labels)), kept.seed).tolist()
    limits = dict(zip(manifest.facts.classes, kept.highest, strict=True))
    return {name for (name, label), number in zip(labels.items(), numbers, strict=True) if number <= limits[label]}


@pytest.mark.parametrize("budget", [2, 5, 9])
def test_the_records_keep_the_labels_that_the_manifest_says(partly, manifest, training, labels, budget):
    kept = keep_labels(manifest, training, budget, SEED)
    expected = kept_by_the_manifest(manifest, labels, kept)
    assert len(expected) == budget
    records = list(pipeline.records(partly, "train", (), selection=Selection("all", kept_labels=kept)))
    classes = manifest.facts.classes
    found = {r["cell_id"].numpy().decode(): classes[int(r["label"])] for r in records if int(r["label"]) >= 0}
    assert found == {name: labels[name] for name in expected}
    assert len(records) == training.sum(), "a cell stays when its label is hidden"


@pytest.mark.parametrize("budget", [2, 5, 9])
def test_the_kept_labels_are_those_of_the_lowest_ranks_in_the_share_of_their_class(manifest, training, labels, budget):
    kept = keep_labels(manifest, training, budget, SEED)
    positives = sum(label == "ctc" for label in labels.values())
    counts = {"ctc": round(budget * positives / len(labels))}
    counts["leukocyte"] = budget - counts["ctc"]
    expected = set()
    for label, count in counts.items():
        names = np.array([name for name, own in labels.items() if own == label])
        expected |= set(names[np.argsort(ranks(names, SEED))[:count]].tolist())
    assert kept_by_the_manifest(manifest, labels, kept) == expected and kept.seed == SEED


def test_the_labels_of_a_small_budget_are_among_those_of_a_large_one(manifest, training, labels):
    kept = [kept_by_the_manifest(manifest, labels, keep_labels(manifest, training, b, SEED)) for b in (2, 4, 9, 12)]
    assert all(small < large for small, large in zip(kept, kept[1:], strict=False))
    other = keep_labels(manifest, training, 9, SEED + 1)
    assert kept_by_the_manifest(manifest, labels, other) != kept[2]


def test_all_labels_may_be_kept(manifest, training, labels):
    kept = keep_labels(manifest, training, len(labels), SEED)
    assert kept_by_the_manifest(manifest, labels, kept) == set(labels)


def test_a_rank_is_the_same_in_a_graph_and_evenly_spread():
    names = np.array([f"cell {i} ü" for i in range(1000)])
    found = ranks(names, 3)
    assert found.dtype == np.int64 and found.min() >= 0 and found.max() < RANKS
    graph = tf.data.Dataset.from_tensor_slices(names.tolist()).map(lambda name: rank(name, 3))
    np.testing.assert_array_equal(list(graph.as_numpy_iterator()), found)
    counts = np.bincount(found // (RANKS // 8), minlength=8)
    # Five standard deviations of a count of 125.
    assert np.abs(counts - 125).max() < 5 * np.sqrt(1000 * 1 / 8 * 7 / 8)
    assert (ranks(names, 4) != found).all()


@pytest.mark.parametrize("budget", [-1, 0, 1, 10_000])
def test_a_budget_that_cannot_be_kept_is_refused(manifest, training, labels, budget):
    message = f"label_budget must leave both classes a label and be at most the {len(labels)} labelled .* got {budget}"
    with pytest.raises(ConfigError, match=message):
        keep_labels(manifest, training, budget, SEED)


def test_a_run_keeps_the_labels_of_its_training_cells(partly_dataset, manifest, training, labels):
    config = RunConfig(training=TrainingConfig(label_budget=9))
    made = Splits.make(manifest, config, label_seed=SEED)
    assert made.kept_labels == keep_labels(manifest, training, 9, SEED) != Splits.make(manifest, config).kept_labels
    assert Splits.make(manifest, RunConfig()).kept_labels is None
    builder = build(manifest, made)
    assert pipeline.label_counts(builder, "train", Selection().on(made))[3] == 0
    assert sum(pipeline.label_counts(builder, "train", Selection().on(made))) == 9


def test_a_rank_at_the_limit_is_kept(partly, manifest, labels):
    """The limit is the highest rank that is kept, not the first that is not."""
    name = next(name for name, label in labels.items() if label == "ctc")
    (limit,) = ranks(np.array([name]), SEED).tolist()
    for highest, known in (((-1, limit), True), ((-1, limit - 1), False)):
        selection = Selection(kept_labels=KeptLabels(highest, SEED))
        records = pipeline.records(partly, "train", (), selection=selection).as_numpy_iterator()
        assert (name in [record["cell_id"].decode() for record in records]) == known


def test_a_third_class_keeps_its_share_of_the_labels(tmp_path):
    facts = DatasetFacts("three", image_size=(4, 4), other=True)
    kinds = ["leukocyte"] * 12 + ["ctc"] * 6 + ["other"] * 6
    write_manifest(tmp_path, facts, [Cell(f"c{i}", "p", "", f"{i}.png", "", kind) for i, kind in enumerate(kinds)])
    opened = Manifest.open(tmp_path)
    kept = keep_labels(opened, np.full(24, True), 8, SEED)
    numbers = ranks(opened.index.texts["cell_id"], SEED)
    classes = np.array([facts.class_index(kind) for kind in kinds])
    assert [int((numbers[classes == i] <= kept.highest[i]).sum()) for i in range(3)] == [4, 2, 2]
    with pytest.raises(ConfigError, match="at most the 18 labelled training cells, got 2"):
        keep_labels(opened, classes != 1, 2, SEED)
