"""Shortcuts against independent calculations: scikit-learn, SciPy, and a bootstrap over patients."""

import numpy as np
import pytest
from discs import disc
from patient_bootstrap import bootstrap
from scipy.stats.contingency import association
from sklearn.metrics import roc_auc_score

from tfctc.cells import DatasetFacts
from tfctc.data.inspect.shortcuts import Shortcuts, _patient_findings, _site_findings, clustered_auroc, cramers_v


def test_the_interval_of_an_auroc_is_that_of_a_bootstrap_over_patients():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 25)
    labels = (rng.random(1000) < 0.4).astype(int)
    values = rng.normal(labels, 1) + rng.normal(0, 0.8, 40)[groups]
    auroc, low, high = clustered_auroc(labels, values, groups)
    assert auroc == pytest.approx(roc_auc_score(labels, values))
    drawn = bootstrap(lambda w: roc_auc_score(labels, values, sample_weight=w), groups, seed=0)
    np.testing.assert_allclose((low, high), drawn, atol=0.012)


def test_an_auroc_without_an_interval_has_none():
    labels, values = np.array([0, 0, 1, 1]), np.array([1.0, 2, 3, 4])
    assert clustered_auroc(labels, values, np.arange(4))[0] == 1
    assert np.isnan(clustered_auroc(labels, values[::-1], np.zeros(4))[1:]).all()


def test_cramers_v_is_that_of_scipy_for_many_cells_and_0_for_chance():
    counts = np.array([[30_000, 10_000], [15_000, 25_000], [20_000, 20_000]])
    assert cramers_v(counts) == pytest.approx(association(counts, method="cramer"), abs=1e-3)
    assert cramers_v(np.array([[50, 0], [0, 50]])) == pytest.approx(1, abs=0.02)
    chance = np.random.default_rng(0).multinomial(10, (0.5, 0.5), 60)
    assert cramers_v(chance) < 0.15 < association(chance, method="cramer")


@pytest.mark.parametrize(
    ("counts", "named"),
    [
        ([[40, 30], [50, 0]], ["A"]),
        ([[0, 60], [60, 3]], ["B"]),
        ([[5, 60], [60, 3]], None),
        ([[40, 30], [50, 25]], []),
        ([[9, 3], [4, 0]], []),
    ],
)
def test_a_site_is_named_if_it_tells_the_label(counts, named):
    """None: named without a site, because none of them holds a whole class."""
    counts = np.array(counts)
    found = _site_findings(np.array(["A", "B"]), counts, cramers_v(counts), ("leukocyte", "ctc"))
    assert [list(one.groups) for one in found] == ([named] if named else [] if named == [] else [[]])


def test_patients_with_one_class_are_named():
    facts = DatasetFacts("made-up", group="block of cells")
    (found,) = _patient_findings(np.array(["a", "b", "c"]), np.array([[50, 0], [0, 40], [4, 0]]), facts)
    assert found.problem.startswith("100% of the labelled cells are of blocks of cells with one class only")
    assert not _patient_findings(np.array(["a", "b"]), np.array([[50, 30], [20, 40]]), facts)


def test_size_and_background_are_told_apart(survey):
    rng = np.random.default_rng(0)
    labels = ["leukocyte", "ctc"] * 30
    larger = [(disc(radius=5 + 3 * (one == "ctc") + rng.normal(0, 0.5), seed=i), None) for i, one in enumerate(labels)]
    problems = [one.problem for one in Shortcuts().section(survey(larger, labels)).findings]
    assert any("One number alone" in problem and "cell size" in problem for problem in problems)

    level = [
        (disc(level=0.3 + 0.1 * (one == "ctc") + rng.normal(0, 0.03), seed=i), None) for i, one in enumerate(labels)
    ]
    problems = [one.problem for one in Shortcuts().section(survey(level, labels)).findings]
    assert any("The instrument" in problem and "background of bright-field" in problem for problem in problems)


def test_the_text_says_that_size_is_biology_too(survey):
    labels = ["leukocyte", "ctc"] * 4
    section = Shortcuts().section(survey([(disc(seed=i), None) for i in range(8)], labels))
    assert "biology as well as a shortcut" in section.text
