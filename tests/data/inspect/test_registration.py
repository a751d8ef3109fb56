"""Shifts of the channels against made-up shifts."""

import numpy as np
import pytest
from discs import disc

from tfctc.data.inspect.images import CellImages
from tfctc.data.inspect.registration import Registration, is_displaced, median_shift, shifted_cells


@pytest.mark.parametrize("shift", [(0, 0), (3, 0), (-2, 1)])
def test_the_shift_of_a_cell_is_that_of_its_nucleus(shift):
    down, right = shift
    pixels = {"brightfield": disc(radius=8), "dapi": disc(radius=4, down=down, right=right, level=0.02)}
    found = Registration().measure(CellImages({name: np.float32(image) for name, image in pixels.items()}))["shift"]
    np.testing.assert_allclose(found, shift, atol=0.15)


def test_the_error_of_a_median_is_that_of_repeated_samples():
    rng = np.random.default_rng(0)
    samples = [median_shift(rng.normal(0.5, 0.7, (200, 2))) for _ in range(400)]
    spread = np.std([median for median, _, _ in samples])
    assert np.mean([error for _, error, _ in samples]) == pytest.approx(spread, rel=0.1)


def test_a_group_is_named_from_one_pixel_with_confidence():
    assert is_displaced(np.array([0.0, 1.5]), 0.1, 100) and not is_displaced(np.array([0.0, 1.2]), 0.1, 100)
    assert not is_displaced(np.array([0.0, 3.0]), 0.1, 3)


@pytest.mark.parametrize("seed", range(20))
def test_nuclei_in_every_direction_are_not_shifted(seed):
    rng = np.random.default_rng(seed)
    shifts = rng.standard_t(2, (500, 2)) * 0.7  # Heavy tails: a second cell in some images.
    assert len(shifted_cells(shifts)[0]) == 0


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_cells_with_a_shift_in_common_are_told_from_the_others(share):
    rng = np.random.default_rng(0)
    shifts = rng.normal(0, 0.6, (600, 2))
    moved = np.flatnonzero(rng.random(600) < share)
    shifts[moved] += (0, 3)
    rows, direction = shifted_cells(shifts)
    assert len(set(rows) & set(moved)) > 0.75 * len(moved) and len(set(rows) - set(moved)) < 5
    np.testing.assert_allclose(direction, (0, 3), atol=0.5)


def test_a_patient_is_named_where_its_site_is_not(survey):
    def pair(i, right):
        return disc(radius=8, seed=i), disc(radius=4, right=right, level=0.02, seed=i + 1000)

    patients = [f"p{i % 4}" for i in range(48)]
    found = survey([pair(i, 3 * (name == "p2")) for i, name in enumerate(patients)], patients=patients)
    (finding,) = Registration().section(found).findings
    assert finding.groups == ["p2"] and "by 3.0 px" in finding.problem and "1 patient" in finding.problem
