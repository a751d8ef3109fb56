"""The bootstrap by patient against closed forms."""

import numpy as np
import pytest

from tfctc.errors import SplitError
from tfctc.evaluation.intervals import bootstrap


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def mean_of(values):
    return lambda w: {"mean": float(np.sum(w * values) / np.sum(w))}


def test_the_interval_of_a_mean_has_the_normal_width(rng):
    values = rng.normal(size=400)
    low, high = bootstrap(mean_of(values), np.arange(400), seed=1, resamples=2000)["mean"]
    half = 1.96 * values.std() / np.sqrt(400)
    np.testing.assert_allclose([low, high], [values.mean() - half, values.mean() + half], atol=0.15 * half)


def test_patients_are_drawn_not_cells(rng):
    """Identical cells within a patient carry one patient's information: the width is that of the patients' mean."""
    patients = rng.normal(size=30)
    values, groups = np.repeat(patients, 50), np.repeat(np.arange(30), 50)
    by_patient = np.diff(bootstrap(mean_of(values), groups, seed=1)["mean"])[0]
    by_cell = np.diff(bootstrap(mean_of(values), np.arange(1500), seed=1)["mean"])[0]
    assert by_patient == pytest.approx(2 * 1.96 * patients.std() / np.sqrt(30), rel=0.15)
    assert by_patient > 5 * by_cell


def test_resamples_without_a_value_are_left_out():
    def sometimes(w):
        return {"mean": float("nan") if w[0] else 1.0, "never": float("nan")}

    found = bootstrap(sometimes, np.arange(5), seed=0, resamples=100)
    assert found["mean"] == (1.0, 1.0) and np.isnan(found["never"]).all()


def test_the_seed_decides(rng):
    values = rng.normal(size=40)
    one, same, other = (bootstrap(mean_of(values), np.arange(40) // 4, seed=s) for s in (1, 1, 2))
    assert one == same != other


def test_one_patient_has_no_interval():
    with pytest.raises(SplitError, match="two patients"):
        bootstrap(mean_of(np.ones(5)), np.zeros(5), seed=0)
