"""Promises of every registered augmentation. A new one enters by being registered."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tfctc.augment.geometric import GeometricOperation
from tfctc.augment.operation import AUGMENTATIONS, ChannelOperation, Stage
from tfctc.cells import CHANNELS
from tfctc.errors import ConfigError

SEEDS = [(0, 0), (12, 345), (-1, 2**31 - 1)]
every_augmentation = pytest.mark.parametrize("name", list(AUGMENTATIONS))


def equal(a, b):
    assert a.keys() == b.keys()
    return all(np.array_equal(a[name], b[name]) for name in a)


@every_augmentation
def test_zero_strength_is_the_exact_identity(name, cell):
    zeros = dict.fromkeys((f.name for f in dataclasses.fields(AUGMENTATIONS[name])), 0.0)
    assert zeros, "an operation needs a strength"
    for seed in SEEDS:
        assert equal(AUGMENTATIONS[name](**zeros)(cell, tf.constant(seed)), cell)


@every_augmentation
def test_default_strength_changes_the_image_by_its_seed_alone(name, cell):
    operation = AUGMENTATIONS[name]()
    results = [operation(cell, tf.constant((3, i))) for i in range(12)]
    assert equal(operation(cell, tf.constant((3, 0))), results[0])
    assert sum(equal(results[0], other) for other in results[1:]) < 8
    for result in results:
        for channel, image in result.items():
            assert image.shape == cell[channel].shape and image.dtype == tf.float32
            assert np.isfinite(image).all()


@every_augmentation
def test_only_its_own_channel_changes(name, cell):
    operation = AUGMENTATIONS[name]()
    changed = {
        channel
        for seed in range(12)
        for channel, image in operation(cell, tf.constant((seed, 1))).items()
        if not np.array_equal(image, cell[channel])
    }
    expected = {operation.channel} if isinstance(operation, ChannelOperation) else set(CHANNELS)
    assert changed == expected
    assert isinstance(operation, ChannelOperation) != isinstance(operation, GeometricOperation)
    assert (operation.stage == Stage.GEOMETRY) == isinstance(operation, GeometricOperation)
    alone = {"brightfield": cell["brightfield"]}
    assert operation(alone, tf.constant((0, 1))).keys() == alone.keys()


@every_augmentation
def test_each_cell_of_a_batch_changes_in_its_own_way(name, cell):
    batch = {channel: tf.repeat(images, 12, axis=0) for channel, images in cell.items()}
    results = AUGMENTATIONS[name]()(batch, tf.constant((3, 1)))
    assert results["dapi"].shape == (12, *cell["dapi"].shape[1:])
    versions = {tuple(images[i].numpy().tobytes() for images in results.values()) for i in range(12)}
    assert len(versions) >= (3 if name == "flip" else 12)


@every_augmentation
def test_a_missing_dapi_stays_all_zero(name, cell):
    missing = cell | {"dapi": tf.zeros_like(cell["dapi"])}
    for seed in SEEDS:
        assert not np.any(AUGMENTATIONS[name]()(missing, tf.constant(seed))["dapi"])


@every_augmentation
def test_nothing_is_clipped(name, cell):
    bright = {channel: image * 4 + 1.5 for channel, image in cell.items()}
    dark = {channel: image - 2.0 for channel, image in cell.items()}
    for seed in SEEDS:
        assert all(np.min(image) > 1 for image in AUGMENTATIONS[name]()(bright, tf.constant(seed)).values())
        assert all(np.max(image) < 0 for image in AUGMENTATIONS[name]()(dark, tf.constant(seed)).values())


@pytest.fixture(scope="module")
def streamed(cell):
    """Result of every operation for a cell in a stream: for each seed, name -> channels."""

    def apply(seed):
        return {name: AUGMENTATIONS[name]()(cell, seed) for name in AUGMENTATIONS}

    return list(tf.data.Dataset.from_tensor_slices(np.int32(SEEDS)).map(apply, num_parallel_calls=2))


@every_augmentation
def test_eager_equals_tf_data(name, cell, streamed):
    """Not compiled by XLA; `test_policy` compares the compiled operations, all of them at once."""
    for seed, results in zip(SEEDS, streamed, strict=True):
        eager = AUGMENTATIONS[name]()(cell, tf.constant(seed))
        for channel in CHANNELS:
            np.testing.assert_allclose(results[name][channel], eager[channel], atol=1e-6)


@every_augmentation
def test_empty_background_stays_background(name):
    flat = {channel: tf.fill((3, 16, 16, 1), 0.2) for channel in CHANNELS}
    for seed in SEEDS:
        for channel, image in AUGMENTATIONS[name]()(flat, tf.constant(seed)).items():
            # Only a change of light may show where there is nothing to see; 25 % is more than any default allows.
            lit = AUGMENTATIONS[name].stage == Stage.ILLUMINATION
            np.testing.assert_allclose(image, flat[channel], rtol=0.25 if lit else 1e-5)


@every_augmentation
@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_impossible_strengths_are_refused(name, value):
    for field in dataclasses.fields(AUGMENTATIONS[name]):
        with pytest.raises(ConfigError, match=f"{field.name} must be 0 "):
            AUGMENTATIONS[name](**{field.name: value})
