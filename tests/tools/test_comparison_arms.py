"""Metrics by arm and budget: AUROC within groups, paired differences, and the runs that they come from."""

import numpy as np
import pytest
from common import CheckError
from comparison_arms import auroc_within, compare_arms, runs_with
from scipy import stats
from sklearn.metrics import roc_auc_score

from tfctc.comparison.results import Job, Outcome, write_results


def test_within_patients_a_shift_between_patients_has_no_effect():
    rng = np.random.default_rng(0)
    patient, positive = np.repeat(["a", "b", "c"], [30, 50, 20]), rng.random(100) < 0.4
    score = rng.normal(positive, 1.0)
    offset = np.select([patient == "a", patient == "b"], [0.0, 5.0], -5.0)
    pairs = [
        float(score[i] > score[j])
        for i in np.flatnonzero(positive)
        for j in np.flatnonzero(~positive)
        if patient[i] == patient[j]
    ]
    assert auroc_within(patient, positive, score + offset) == pytest.approx(np.mean(pairs))
    assert roc_auc_score(positive, score + offset) < np.mean(pairs) - 0.05


def test_differences_are_paired_by_seed():
    own, base = {0: 0.8, 1: 0.9, 2: 0.7}, {0: 0.7, 1: 0.85}
    found = {(arm, 8): {s: {"auroc": v} for s, v in values.items()} for arm, values in (("b", base), ("d", own))}
    baseline, distilled = compare_arms(found, "b", {"auroc": "AUROC"})
    assert baseline["auroc_difference"] is None and baseline["auroc"]["mean"] == pytest.approx(0.775)
    difference = distilled["auroc_difference"]
    theirs = stats.ttest_rel([0.8, 0.9], [0.7, 0.85]).confidence_interval()
    assert (difference["low"], difference["high"]) == pytest.approx((theirs.low, theirs.high))
    assert distilled["auroc"]["seeds"] == 3 and difference["seeds"] == 2


def test_only_runs_with_with_the_file_count(tmp_path):
    tested, untested, deleted = (Job("arm", 8, seed, 1e-3) for seed in range(3))
    results = {tested: (0.7, 0.6), untested: (), deleted: (0.7, 0.6)}
    write_results(tmp_path, {job: Outcome("", 0.8, 1, 1, 1.0, *metrics) for job, metrics in results.items()})
    for job in (tested, untested):
        (tmp_path / job.path).mkdir(parents=True)
        (tmp_path / job.path / "run.json").touch()
    assert list(runs_with(tmp_path, "run.json")) == [(tested, tmp_path / tested.path)]


def test_a_comparison_without_run_folders_is_one_line():
    with pytest.raises(CheckError, match="no tested run whose run folder is there"):
        compare_arms({}, "brightfield", {"auroc": "AUROC"})
