"""Soft labels in the stream: each cell has its own, and is drawn as often as they say."""

import itertools
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from tfctc.config import RunConfig
from tfctc.data import pipeline
from tfctc.data.builder import build
from tfctc.data.label_budget import keep_labels
from tfctc.data.manifest import Manifest
from tfctc.data.selection import Selection
from tfctc.data.soft_labels import SoftLabels, repeated
from tfctc.data.splits import Splits

CHANNELS = ("brightfield",)


@pytest.fixture(scope="module")
def builder(tiny_dataset):
    manifest = Manifest.open(tiny_dataset)
    return build(manifest, Splits.make(manifest, RunConfig()))


@pytest.fixture(scope="module")
def kept(builder):
    """Eight of the 24 training cells keep their label."""
    splits = Splits.make(builder.manifest, RunConfig())
    return keep_labels(builder.manifest, splits.mask(builder.manifest, "train"), 8, 0)


@pytest.fixture(scope="module")
def pool(builder, kept):
    """Soft labels of the 16 other training cells but the last: cell i is drawn i modulo 4 times."""
    selection = Selection("unlabelled", kept_labels=kept)
    ids = [one["cell_id"].decode() for one in records(builder, ("brightfield",), selection)]
    probability = np.linspace(0.1, 0.9, len(ids) - 1)
    return SoftLabels(np.array(ids[:-1]), np.stack([1 - probability, probability], 1), np.arange(len(ids) - 1) % 4)


def records(builder, channels, selection, **options):
    return list(pipeline.records(builder, "train", channels, selection=selection, **options).as_numpy_iterator())


def test_each_record_has_the_soft_label_of_its_cell(builder, kept, pool):
    found = records(builder, CHANNELS, Selection("all", kept_labels=kept), soft_labels=pool)
    expected = dict(zip(pool.cell_id, zip(pool.probability, pool.draws, strict=True), strict=True))
    assert len(found) == 24
    for record in found:
        probability, draws = expected.get(record["cell_id"].decode(), (np.zeros(2), 0))
        np.testing.assert_allclose(record["soft_label"], probability, rtol=1e-6)
        assert record["draws"] == draws


def test_a_record_is_repeated_as_often_as_it_says():
    found = repeated(tf.data.Dataset.from_tensor_slices({"draws": tf.constant([2, 0, 1], tf.int64), "x": [5, 6, 7]}))
    assert [int(one["x"]) for one in found] == [5, 5, 7]


def test_a_pass_over_the_cells_draws_each_as_often_as_it_says_and_labelled_ones_once(builder, kept, pool):
    labelled, unlabelled = Selection(kept_labels=kept), Selection("unlabelled", kept_labels=kept)
    assert pipeline.pass_length(builder, labelled, pool) == 8 and pipeline.pass_length(builder, unlabelled) == 16
    length = pipeline.pass_length(builder, unlabelled, pool)
    assert length == pool.draws.sum() == 21

    def drawn(count, start=0):
        stream = pipeline.train_batches(
            builder, CHANNELS, draw=[(labelled, 1), (unlabelled, 1)], seed=3, augment=lambda x, seed: x,
            soft_labels=pool, start_step=start,
        )  # fmt: skip
        return [batch[0] for batch in itertools.islice(stream.as_numpy_iterator(), count)]

    batches = drawn(2 * length)
    for half in (batches[:length], batches[length:]):
        counts = Counter(round(float(x["soft_label"][1, 1]), 4) for x in half)
        assert counts == {round(float(p), 4): n for (_, p), n in zip(pool.probability, pool.draws, strict=True) if n}
    assert all((x["soft_label"][0] == 0).all() for x in batches)
    # A training that is resumed goes on with the same cells.
    later = drawn(4, start=length + 2)
    for one, other in zip(later, batches[length + 2 :], strict=False):
        np.testing.assert_array_equal(one["brightfield"], other["brightfield"])
        np.testing.assert_array_equal(one["soft_label"], other["soft_label"])


@pytest.mark.parametrize("draws", [[1, 0, 1], [2, 0, 1]])
def test_cells_are_drawn_as_their_draws_say_also_if_none_is_drawn_twice(draws):
    soft = SoftLabels(np.array(["a", "b", "c"]), np.zeros((3, 2)), np.array(draws))
    records = tf.data.Dataset.from_tensor_slices({"draws": tf.constant(draws, tf.int64), "x": [5, 6, 7]})
    assert [int(one["x"]) for one in soft.drawn(records)] == np.repeat([5, 6, 7], draws).tolist()
