"""Whole channels hidden or mixed: oracles are NumPy's arithmetic and the share of the cells that changed."""

import numpy as np
import pytest
import tensorflow as tf

from tfctc.augment.channels import DapiAsBrightfield, DapiDropout

#: Channel -> mean and standard deviation of its pixels over the training cells.
STATISTICS = {"brightfield": (0.6, 0.1), "dapi": (0.2, 0.05)}
CELLS = 400


@pytest.fixture
def x():
    """Channels of 400 cells; the last 200 have no DAPI image, so theirs is blank."""
    rng = np.random.default_rng(0)
    x = {name: rng.normal(*values, (CELLS, 8, 8, 1)).astype(np.float32) for name, values in STATISTICS.items()}
    x["dapi"][CELLS // 2 :] = 0
    return x | {"dapi_present": np.repeat([1.0, 0.0], CELLS // 2).astype(np.float32)}


def changed(change, x, done, seed=3):
    """The channels after `change`; labels and weights must come back as they were."""
    y, weights = np.arange(CELLS, dtype=np.int32) % 2, np.linspace(0, 1, CELLS, dtype=np.float32)
    channels, *others = change.transform(STATISTICS, seed)(x, y, weights, tf.constant(done))
    for found, given in zip(others, (y, weights), strict=True):
        np.testing.assert_array_equal(found, given)
    assert channels.keys() == x.keys()
    np.testing.assert_array_equal(channels["dapi_present"], x["dapi_present"])
    return {name: np.asarray(channels[name]) for name in STATISTICS}


def test_dapi_is_left_out_of_its_share_of_the_cells(x):
    hidden = []
    for done in (0.1, 0.2):
        shown = changed(DapiDropout(0.25), x, done)
        np.testing.assert_array_equal(shown["brightfield"], x["brightfield"])
        blank = (shown["dapi"] == np.float32(0.2)).all(axis=(1, 2, 3))
        np.testing.assert_array_equal(shown["dapi"][~blank], x["dapi"][~blank])
        # Three standard deviations of a share of 400 cells.
        assert blank.mean() == pytest.approx(0.25, abs=0.065)
        hidden.append(blank)
    assert (hidden[0] != hidden[1]).any()


def test_dapi_images_are_shown_less_and_less_and_look_like_brightfield(x):
    shares = []
    for done in (0.0, 0.3, 0.6, 1.0):
        shown = changed(DapiAsBrightfield(0.5, 0.6), x, done)
        np.testing.assert_array_equal(shown["dapi"], x["dapi"])
        as_dapi = (shown["brightfield"] != x["brightfield"]).any(axis=(1, 2, 3))
        assert not as_dapi[CELLS // 2 :].any(), "a cell without DAPI has none to show"
        shares.append(as_dapi[: CELLS // 2].mean())
        expected = (x["dapi"][as_dapi] - 0.2) / 0.05 * 0.1 + 0.6
        np.testing.assert_allclose(shown["brightfield"][as_dapi], expected, atol=1e-5)
    assert shares[0] == pytest.approx(0.5, abs=0.1) and shares[1] == pytest.approx(0.25, abs=0.1)
    assert shares[2:] == [0, 0]


@pytest.mark.parametrize(
    ("change", "channel"), [(DapiDropout(0.5), "dapi"), (DapiAsBrightfield(0.5, 1.0), "brightfield")]
)
def test_the_seed_and_the_step_decide_which_cells_change(x, change, channel):
    def cells(done, seed):
        return (changed(change, x, done, seed)[channel] != x[channel]).any(axis=(1, 2, 3))

    first = cells(0.25, 3)
    np.testing.assert_array_equal(first, cells(0.25, 3))
    for other in (cells(0.25, 4), cells(0.2501, 3)):
        assert (first != other).any()
