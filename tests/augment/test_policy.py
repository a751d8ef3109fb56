"""The policy: which operations act, in which order, on what randomness."""

import subprocess
import sys
import zlib

import numpy as np
import pytest
import tensorflow as tf

from tfctc.augment import AUGMENTATIONS, Policy
from tfctc.augment.operation import Stage
from tfctc.errors import ConfigError, UnknownNameError

#: Every registered operation at its defaults. XLA compiles it anew for each shape: most tests use the same `cells`.
DEFAULT = Policy.from_config(None)


@pytest.fixture(scope="module")
def cells(cell):
    """Four cells, all alike."""
    return {channel: tf.repeat(images, 4, axis=0) for channel, images in cell.items()}


def test_none_is_everything_and_an_empty_table_nothing(cell):
    assert set(DEFAULT.operations) == set(AUGMENTATIONS)
    assert DEFAULT.to_config()["rotate"] == {"degrees": 180.0}
    unchanged = Policy.from_config({})(cell, (1, 2))
    for channel, image in cell.items():
        np.testing.assert_array_equal(unchanged[channel], tf.clip_by_value(image, 0.0, 1.0))


def test_every_strength_at_zero_is_the_exact_identity_compiled_too():
    still = Policy.from_config({name: dict.fromkeys(parts, 0.0) for name, parts in DEFAULT.to_config().items()})
    images = np.random.default_rng(3).uniform(size=(2, 24, 20, 1)).astype(np.float32)
    images[:, 5:9, 5:9], images[:, 12:, :8] = 0.0, 1.0
    for channel, result in still({"brightfield": images, "dapi": images[::-1]}, (1, 2)).items():
        np.testing.assert_array_equal(result, images if channel == "brightfield" else images[::-1])


def test_compiled_equals_one_operation_after_the_other(cells):
    names = [name for name, operation in DEFAULT.operations.items() if operation.stage != Stage.GEOMETRY]
    together = Policy.from_config({name: {} for name in names})(cells, (7, 1))
    alone = cells
    for name in names:
        alone = AUGMENTATIONS[name]()(alone, tf.random.fold_in((7, 1), zlib.crc32(name.encode()) & 0x7FFFFFFF))
    for channel in cells:
        np.testing.assert_allclose(together[channel], tf.clip_by_value(alone[channel], 0.0, 1.0), atol=1e-6)


def test_the_order_is_fixed_by_stage_whatever_the_configuration_says():
    names = list(AUGMENTATIONS)
    policies = [Policy.from_config({name: {} for name in order}) for order in (names, names[::-1])]
    assert list(policies[0].operations) == list(policies[1].operations)
    stages = [operation.stage for operation in policies[0].operations.values()]
    assert stages == sorted(stages) and stages[0] == Stage.GEOMETRY and stages[-1] == Stage.READOUT


def test_configuration_round_trip():
    policy = Policy.from_config({"gain": {"log": 0.25}, "flip": {"vertical": 0}, "dapi_shot": {}})
    assert policy.to_config() == {
        "flip": {"horizontal": 0.5, "vertical": 0.0},
        "dapi_shot": {"contrasts": 0.03},
        "gain": {"log": 0.25},
    }
    for one in (policy, DEFAULT):
        assert Policy.from_config(one.to_config()) == one
    assert "Gain(log=0.25)" in repr(policy)


def test_mistakes_are_named():
    with pytest.raises(UnknownNameError, match="unknown augmentation 'rotation'; choose one of: .*rotate.*vignette"):
        Policy.from_config({"rotation": {}})
    with pytest.raises(ConfigError, match="unknown key augment.rotate.angle; known keys: degrees"):
        Policy.from_config({"rotate": {"angle": 3}})
    with pytest.raises(ConfigError, match="augment.rotate.degrees must be a number, got 'much'"):
        Policy.from_config({"rotate": {"degrees": "much"}})
    with pytest.raises(ConfigError, match="horizontal must be 0 to 1.0, got 2.0"):
        Policy.from_config({"flip": {"horizontal": 2}})
    with pytest.raises(ConfigError, match="^augment.gain must be a table of keys, got 0.3"):
        Policy.from_config({"gain": 0.3})


def test_clips_once_and_only_at_the_end(cell):
    policy, image = Policy.from_config({"gain": {"log": 3.0}}), cell["brightfield"].numpy()
    dim, bright = image * np.float32(1e-4), image * np.float32(8)
    assert bright.min() > 1
    clipped = []
    for i in range(20):
        factor = np.median(policy({"brightfield": dim}, (i, 0))["brightfield"] / dim)
        result = policy({"brightfield": bright}, (i, 0))["brightfield"]
        np.testing.assert_allclose(result, np.clip(bright * factor, 0, 1), rtol=1e-5)
        clipped.append(np.all(result == 1))
    assert 0 < sum(clipped) < 20


def test_an_operation_draws_the_same_whatever_stands_beside_it(cell):
    alone = Policy.from_config({"gain": {}})(cell, (4, 4))["brightfield"] / cell["brightfield"]
    beside = Policy.from_config(
        {"gain": {}, "dapi_gain": {}, "flip": {"horizontal": 0, "vertical": 0}, "blur": {"pixels": 0}}
    )
    np.testing.assert_allclose(beside(cell, (4, 4))["brightfield"] / cell["brightfield"], alone, rtol=1e-6)
    # Two gains of one strength are two draws, not one.
    both = Policy.from_config({"gain": {"log": 0.3}, "dapi_gain": {"log": 0.3}})(cell, (4, 4))
    factors = [np.median(both[channel] / cell[channel]) for channel in cell]
    assert abs(factors[0] - factors[1]) > 1e-3


def test_brightfield_does_not_depend_on_dapi(cells):
    """Not compiled, which would take seconds."""
    tf.config.run_functions_eagerly(True)
    try:
        together, alone = DEFAULT(cells, (9, 9)), DEFAULT({"brightfield": cells["brightfield"]}, (9, 9))
    finally:
        tf.config.run_functions_eagerly(False)
    np.testing.assert_allclose(alone["brightfield"], together["brightfield"], atol=1e-6)


def test_eager_equals_tf_data(cells):
    seeds = tf.constant([[1, 2], [3, 4], [5, 6]])
    eager = [DEFAULT(cells, seed) for seed in seeds]
    stream = tf.data.Dataset.from_tensor_slices(seeds).map(lambda seed: DEFAULT(cells, seed), num_parallel_calls=2)
    mapped = list(stream)
    for channel, images in cells.items():
        assert mapped[0][channel].shape == images.shape
        for i in range(3):
            np.testing.assert_allclose(mapped[i][channel], eager[i][channel], atol=1e-5)
        assert np.abs(eager[0][channel] - eager[1][channel]).max() > 0.01


def test_cells_of_a_batch_differ_and_a_seed_decides_them_all(cells):
    results, again = DEFAULT(cells, (5, 6)), DEFAULT(cells, (5, 6))
    for channel, images in results.items():
        differences = [np.abs(images[i] - images[j]).max() for i in range(4) for j in range(i)]
        assert min(differences) > 0.005
        np.testing.assert_array_equal(again[channel], images)


def test_a_missing_dapi_is_harmless(cells):
    result = DEFAULT({"brightfield": cells["brightfield"], "dapi": tf.zeros_like(cells["dapi"])}, (2, 2))
    assert not np.any(result["dapi"]) and np.isfinite(result["brightfield"]).all()


def test_the_package_is_imported_without_tensorflow():
    code = "import sys, tfctc.augment; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
    with pytest.raises(AttributeError, match="no attribute 'Polices'"):
        import tfctc.augment

        tfctc.augment.Polices  # noqa: B018
