"""The stream: one seed, one stream, whatever the parallelism; other epochs, other pixels."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tfctc.augment.policy import Policy
from tfctc.config import RunConfig
from tfctc.data import pipeline
from tfctc.data.builder import build
from tfctc.data.manifest import Manifest
from tfctc.data.selection import Selection
from tfctc.data.splits import Splits

CHANNELS = ("brightfield", "dapi")
#: An operation for each channel, one of them random for every pixel; the whole policy takes seconds to compile.
POLICY = Policy.from_config({"gain": {}, "dapi_shot": {}})


@pytest.fixture(scope="module")
def builder(tiny_dataset):
    manifest = Manifest.open(tiny_dataset)
    return build(manifest, Splits.make(manifest, RunConfig()))


def stream(builder, n, channels=CHANNELS, augment=POLICY, **options):
    options = {"draw": [(pipeline.LABELLED, 8)], "seed": 3, **options}
    batches = pipeline.train_batches(builder, channels, augment=augment, **options)
    return list(itertools.islice(batches.as_numpy_iterator(), n))


@pytest.fixture(scope="module")
def reference(builder):
    """Seven batches; a stream of its own takes a second to compile."""
    return stream(builder, 7)


def unchanged(channels, seed):
    return channels


def same(a, b):
    return all(np.array_equal(p, q) for p, q in zip(tf.nest.flatten(a), tf.nest.flatten(b), strict=True))


def test_one_seed_one_stream_whatever_the_parallelism_cache_and_global_seed(builder, reference):
    for parallelism, cache_mb, global_seed in ((1, 1024, 1), (8, 0, 2)):
        tf.random.set_seed(global_seed)
        assert same(stream(builder, 7, parallelism=parallelism, cache_mb=cache_mb), reference)
    assert not same(stream(builder, 1, seed=4), reference[:1])


def test_epochs_differ_in_order_and_augmentation_and_hold_every_cell_once(builder, reference):
    """24 training cells in batches of 8; unaugmented pixels tell which cell it is."""
    raw = stream(builder, 6, augment=unchanged)
    originals = pipeline.labelled_batches(builder, "train", ("brightfield",), 64)
    names = {x.tobytes(): i for batch in originals.as_numpy_iterator() for i, x in enumerate(batch["brightfield"])}
    orders = [[names[x.tobytes()] for b in raw[e : e + 3] for x in b[0]["brightfield"]] for e in (0, 3)]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(24)) and orders[0] != orders[1]
    augmented = reference[:6]
    by_cell = [
        dict(zip(order, (x.tobytes() for b in augmented[e : e + 3] for x in b[0]["brightfield"]), strict=True))
        for order, e in zip(orders, (0, 3), strict=True)
    ]
    assert all(by_cell[0][cell] != by_cell[1][cell] for cell in range(24))


@pytest.mark.parametrize(("channels", "held"), [(CHANNELS, 5), (("brightfield",), 10)])
def test_cells_held_to_be_shuffled_are_bounded_in_bytes(builder, monkeypatch, channels, held):
    """A cell of 16 x 16 px takes 512 bytes a channel. What comes as the i-th is one of the first i + held."""
    monkeypatch.setattr(pipeline, "SHUFFLE_BYTES", 5 * 1024 + 100)
    originals = pipeline.records(builder, "train", ("brightfield",)).as_numpy_iterator()
    place = {(x["brightfield"] / np.float32(4095)).tobytes(): i for i, x in enumerate(originals)}
    raw = stream(builder, 12, channels, unchanged)
    order = np.reshape([place[x.tobytes()] for batch in raw for x in batch[0]["brightfield"]], (4, 24))
    assert (np.sort(order) == np.arange(24)).all()
    assert (order - np.arange(24)).max() == held - 1


@pytest.mark.parametrize("step", [1, 3, 5])
def test_starting_later_is_the_same_as_passing_over(builder, reference, step):
    assert same(stream(builder, 2, start_step=step), reference[step : step + 2])


def test_values_are_the_files_divided_by_the_full_scale(builder, tiny_dataset):
    paths = {cell.cell_id: cell for cell in Manifest.open(tiny_dataset).cells()}
    checked = 0
    for batch in pipeline.labelled_batches(builder, "test", CHANNELS, 5).as_numpy_iterator():
        for i, cell_id in enumerate(batch["cell_id"]):
            for channel in CHANNELS:
                file = np.asarray(Image.open(getattr(paths[cell_id.decode()], channel)))
                np.testing.assert_array_equal(batch[channel][i, ..., 0], file.astype(np.float32) / np.float32(4095))
                checked += 1
    assert checked == 24


def test_cells_without_a_label_weigh_nothing_or_are_left_out(partly):
    negative, positive, _, unlabelled = pipeline.label_counts(partly, "train")
    assert unlabelled and pipeline.count(partly, "train") == negative + positive
    batches = stream(
        partly, pipeline.count(partly, "train", pipeline.ALL) // 8, augment=unchanged, draw=[(pipeline.ALL, 8)]
    )
    weights = np.concatenate([weight for _, _, weight in batches])
    assert (weights == 0).sum() == unlabelled and (weights == 1).sum() == negative + positive
    assert all((weight == 1).all() for _, _, weight in stream(partly, 6, augment=unchanged))
    for split in ("validation", "test"):
        labelled = pipeline.count(partly, split)
        assert sum(len(y) for _, y, _ in pipeline.eval_batches(partly, split, CHANNELS, 5)) == labelled
        assert labelled < pipeline.count(partly, split, pipeline.ALL)


def test_cells_without_dapi_say_so_and_are_left_out_where_dapi_is_asked_for(partly):
    batches = pipeline.eval_batches(partly, "test", CHANNELS, 50).as_numpy_iterator()
    x, _, _ = next(batches)
    without = x["dapi_present"] == 0
    assert without.any() and (x["dapi"][without] == 0).all() and (x["dapi"][~without].max((1, 2, 3)) > 0).all()
    sizes = {
        channels: sum(len(b["label"]) for b in pipeline.labelled_batches(partly, "test", channels, 5))
        for channels in (("brightfield",), CHANNELS)
    }
    assert sizes[("brightfield",)] - sizes[CHANNELS] == without.sum()


def test_class_weights_are_scikit_learns(partly):
    from sklearn.utils.class_weight import compute_class_weight

    y = np.concatenate([b["label"] for b in pipeline.labelled_batches(partly, "train", ("brightfield",), 5)])
    expected = compute_class_weight("balanced", classes=np.array([0, 1]), y=y)
    np.testing.assert_allclose(pipeline.class_weights(partly), expected)
    for _, y, weight in stream(partly, 2, augment=unchanged, class_weights=(0.25, 4.0)):
        np.testing.assert_array_equal(weight, np.where(y == 1, 4.0, 0.25))


def test_a_channel_not_asked_for_does_not_arrive(builder):
    (x, _, _), *_ = stream(builder, 1, ("brightfield",), unchanged)
    assert set(x) == {"brightfield", "dapi_present"}
    record = next(pipeline.records(builder, "train", ("brightfield",)).as_numpy_iterator())
    assert set(record) == {"cell_id", "patient_id", "site", "label", "dapi_present", "brightfield"}


def test_the_images_without_augmentation_are_those_that_the_batch_has_without_it(builder):
    changed, plain = stream(builder, 2, plain=True), stream(builder, 2, augment=unchanged)
    for (x, _, _), (expected, _, _) in zip(changed, plain, strict=True):
        np.testing.assert_array_equal(x["plain_brightfield"], expected["brightfield"])
        assert not np.array_equal(x["brightfield"], expected["brightfield"])


def test_missing_classes_are_those_that_no_selected_cell_has(builder, partly):
    assert pipeline.missing_classes(builder, "train") == []
    assert pipeline.missing_classes(partly, "train", Selection("unlabelled")) == ["leukocyte", "ctc"]


def test_records_are_cached_only_where_they_fit(builder, monkeypatch):
    """24 training cells of 512 bytes a channel, and so many bytes beside that they fit into a megabyte, or just not."""
    cells = pipeline.count(builder, "train", pipeline.ALL)
    cached, real = [], tf.data.Dataset.cache
    monkeypatch.setattr(tf.data.Dataset, "cache", lambda self: cached.append(True) or real(self))
    monkeypatch.setattr(pipeline, "RECORD_BYTES", 2**20 // cells - 512)
    for cache_mb, expected in ((0, 0), (1, 1)):
        cached.clear()
        pipeline.records(builder, "train", ("brightfield",), cache_mb=cache_mb)
        assert len(cached) == expected
    monkeypatch.setattr(pipeline, "RECORD_BYTES", 2**20 // cells - 511)
    cached.clear()
    pipeline.records(builder, "train", ("brightfield",), cache_mb=1)
    assert not cached
