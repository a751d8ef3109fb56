"""Metrics of a cross-validation, compared with scikit-learn's, fold by fold."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score, recall_score, roc_auc_score

from tfctc.cells import DatasetFacts
from tfctc.errors import RunError
from tfctc.evaluation.cross_validation import cross_validated
from tfctc.evaluation.evaluate import evaluate
from tfctc.evaluation.metrics import choose_threshold
from tfctc.evaluation.operating_points import choose_operating_point
from tfctc.evaluation.out_of_fold import OutOfFold, read_out_of_fold

FACTS = DatasetFacts("few")


def predictions(repeats=1, seed=0):
    """12 patients of 10 cells in 3 folds; the patients of fold 2 are all negative."""
    rng = np.random.default_rng(seed)
    parts = []
    for repeat in range(repeats):
        for patient in range(12):
            fold = (patient + repeat) % 3
            label = rng.integers(0, 2, 10) * (patient % 3 != 2)
            p = np.clip(0.3 + 0.3 * label + rng.normal(0, 0.2, 10), 0.001, 0.999).astype(np.float32)
            parts.append((patient, label, p, fold, repeat))
    column = lambda i: np.concatenate([np.full(10, part[i]) for part in parts])  # noqa: E731
    fold = column(3)
    return OutOfFold(
        cell_id=np.array([f"c{i % 120}" for i in range(120 * repeats)]),
        patient_id=np.array([f"p{patient}" for patient in column(0)]),
        label=np.concatenate([part[1] for part in parts]),
        probability=np.concatenate([part[2] for part in parts]),
        site=np.full(120 * repeats, ""),
        fold=fold,
        repeat=column(4),
        threshold=np.array([0.3, 0.45, 0.6])[fold],
    )


def entries(found):
    pairs = sorted(set(zip(found.repeat.tolist(), found.fold.tolist(), strict=True)))
    return [{"repeat": repeat, "fold": fold, "seconds": 2.0} for repeat, fold in pairs]


@pytest.mark.parametrize("repeats", [1, 2])
def test_metrics_are_over_all_cells_at_the_threshold_of_each_fold(repeats):
    found = predictions(repeats)
    result = cross_validated(found, FACTS, 3, entries(found))
    called = found.probability.astype(float) >= found.threshold
    values = {name: estimate.value for name, estimate in result.metrics.items()}
    assert values["f1"] == pytest.approx(f1_score(found.label, called))
    assert values["recall"] == pytest.approx(recall_score(found.label, called))
    assert values["auroc"] == pytest.approx(roc_auc_score(found.label, found.probability))
    assert np.array_equal(result.evaluation.confusion, confusion_matrix(found.label, called))
    assert (result.evaluation.cells, result.evaluation.patients, result.repeats) == (120, 12, repeats)
    assert result.evaluation.positives == found.label[:120].sum()
    assert result.threshold == choose_threshold(found.label, found.probability)
    assert result.thresholds == (0.3, 0.6) and result.seconds == 6.0 * repeats
    for name, of_each in result.repeated.items():
        assert len(of_each) == repeats
        if name == "auroc":
            rows = found.repeat == 0
            assert of_each[0] == pytest.approx(roc_auc_score(found.label[rows], found.probability[rows]))


def test_the_spread_is_over_the_folds_where_a_metric_is_defined():
    found = predictions()
    result = cross_validated(found, FACTS, 3, entries(found))
    aurocs = [roc_auc_score(found.label[rows], found.probability[rows]) for rows in (found.fold == 0, found.fold == 1)]
    spread = result.spread["auroc"]
    assert spread["folds"] == 2 and result.spread["specificity"]["folds"] == 3
    assert (spread["mean"], spread["low"], spread["high"]) == pytest.approx((np.mean(aurocs), min(aurocs), max(aurocs)))
    assert spread["sd"] == pytest.approx(np.std(aurocs, ddof=1))
    found = [fold["metrics"]["auroc"] for fold in result.folds]
    assert found == [pytest.approx(aurocs[0]), pytest.approx(aurocs[1]), None]


def test_the_interval_is_the_one_of_an_evaluation_of_all_patients():
    found = predictions()
    result = cross_validated(found, FACTS, 3, entries(found))
    whole = evaluate(found, 0.5, rule="0.5", validation_cells=None).metrics["auroc"]
    assert result.metrics["auroc"] == whole


def test_the_table_shows_each_metric_beside_its_spread():
    found = predictions(2)
    text = str(cross_validated(found, FACTS, 3, entries(found)))
    lines = {line.split("  ")[0]: line for line in text.splitlines()}
    assert "3 folds by patient, 2 repeats" in text and "each patient of 12 was tested" in text
    auroc = roc_auc_score(found.label, found.probability)
    assert f"{auroc:.3f}" in lines["auroc"] and lines["auroc"].count(" to ") == 2
    assert "calls count each cell 2 times" in text
    alone = str(cross_validated(predictions(), FACTS, "patient", entries(predictions())))
    assert "3 folds of one patient each\n" in alone


def test_a_damaged_table_is_one_line(tmp_path):
    table = tmp_path / "out_of_fold.csv"
    for text in ("", "cell_id,truth\na,ctc\n", "cell_id,patient_id,site,truth,probability,fold,repeat,threshold\n"):
        table.write_text(text)
        with pytest.raises(RunError, match="out_of_fold.csv: .*; copy the run folder again"):
            read_out_of_fold(table, "ctc")


def test_repeats_do_not_make_an_interval_more_certain():
    """The same predictions twice: every cell counts once."""
    once, twice = predictions(), predictions()
    twice = OutOfFold(
        **{name: values if values is None else np.concatenate([values, values]) for name, values in vars(once).items()}
    )
    twice.repeat[120:] = 1
    one, two = (cross_validated(found, FACTS, 3, entries(found)) for found in (once, twice))
    for name, estimate in one.metrics.items():
        assert two.metrics[name].low == pytest.approx(estimate.low), name
        assert two.metrics[name].high == pytest.approx(estimate.high), name
    assert two.evaluation.by_patient == one.evaluation.by_patient


def test_an_operating_point_of_the_final_model_leaves_the_metrics_of_the_folds():
    found = predictions()
    point = choose_operating_point(found, "specificity=0.6", 0.7)
    plain, promised = (cross_validated(found, FACTS, 3, entries(found), point=one) for one in (None, point))
    assert promised.threshold == point.threshold != plain.threshold and promised.metrics == plain.metrics
    assert "promised: specificity=0.6 with a chance of 70% on new patients" in str(promised)
    assert promised.evaluation.rates["threshold"] == point.threshold
