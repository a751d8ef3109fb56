"""The check of quality: damage composed from images, what it counts, when it fails."""

from types import SimpleNamespace

import check_quality
import numpy as np
import pytest
from damaged_images import Damage
from learnt_quality import simulated_cells
from scipy import ndimage

from tfctc.cells import DatasetFacts
from tfctc.data.simulate import DAMAGE

SIDE = 40
FACTS = DatasetFacts("discs", bit_depth=12, image_size=(SIDE, SIDE))


@pytest.fixture(scope="module")
def damage():
    """Damage of discs of radius 8 in the middle, 0.1 above a background of 0.3 with noise of 0.004."""
    rng = np.random.default_rng(0)
    disc = np.hypot(*(np.indices((SIDE, SIDE)) - (SIDE - 1) / 2)) < 8
    return Damage(0.3 + 0.1 * disc + rng.normal(0, 0.004, (30, SIDE, SIDE)), FACTS)


def test_images_have_the_levels_of_the_camera(damage):
    for kind in DAMAGE:
        image = damage(kind, np.random.default_rng(1))
        assert image.shape == (SIDE, SIDE) and image.dtype == np.float32 and 0 <= image.min() <= image.max() <= 1
        assert image * 4095 == pytest.approx(np.rint(image * 4095), abs=1e-3)
    with pytest.raises(ValueError, match="torn"):
        damage("torn", np.random.default_rng(1))


def test_empty_images_have_the_noise_of_the_camera_and_no_disc(damage):
    found = np.stack([damage("empty", np.random.default_rng(i)) for i in range(20)])
    assert found.std() == pytest.approx(0.004, rel=0.2) and found.mean() == pytest.approx(0.3, abs=0.002)
    assert found.max() < 0.33


def test_discs_are_where_the_damage_puts_them(damage):
    for i in range(10):
        cut, doubled = (damage(kind, np.random.default_rng(i)) for kind in ("cut", "doubled"))
        rows, columns = (np.nonzero(cut > 0.35)[axis].mean() - (SIDE - 1) / 2 for axis in (0, 1))
        assert max(abs(rows), abs(columns)) > 12
        assert 0.2 * np.pi * 64 < (cut > 0.35).sum() < 0.8 * np.pi * 64
        # Discs of radius 8 whose centres are 16 to 24 apart hardly overlap; the noise is that of one image.
        assert (doubled > 0.35).sum() == pytest.approx(2 * np.pi * 64, rel=0.1)
        assert doubled[:4, :4].std() < 0.008
        blurred, white = (damage(kind, np.random.default_rng(i)) for kind in ("blurred", "saturated"))
        # Over three pixels, the edge of a sharp disc is a step of 0.033 a pixel; blurred by 3 pixels or more, 0.013.
        assert np.abs(np.diff(ndimage.uniform_filter(blurred, 3), axis=1)).max() < 0.022 < 0.33 < blurred.max()
        assert (white == 1).mean() > 0.1


def test_qualities_are_counted_by_kind(monkeypatch):
    images, patients, others = simulated_cells()
    part = check_quality.Part(images, patients, {"good": others, "constant": np.full((3, 32, 32), 0.5, np.float32)})
    monkeypatch.setattr(check_quality, "simulated", lambda options: [part, part])
    found = check_quality.check(SimpleNamespace(data=None))
    assert found["damaged"] == {
        "constant": {"images": 6, "flagged": 1.0, "by_repetition": [1.0, 1.0], "names": {"flat": 1.0}}
    }
    good = found["good"]
    assert good["images"] == 2 * len(others) and good["by_repetition"] == [good["flagged"]] * 2
    assert 0 <= good["flagged"] < 0.1 and "ok" not in good["names"] and found["learnt_from"] == [len(images)] * 2
    assert check_quality.problem(found) == ""


def test_too_many_flagged_and_too_few_caught_are_problems():
    def result(flagged, caught):
        return {"good": {"flagged": flagged}, "damaged": {"cut": {"flagged": caught}, "empty": {"flagged": 1.0}}}

    assert check_quality.problem(result(0.05, 0.95)) == ""
    assert check_quality.problem(result(0.051, 1.0)).startswith("5.1% of the good images are flagged")
    assert check_quality.problem(result(0.04, 0.94)) == "less than 95% caught: cut 94.0%"
