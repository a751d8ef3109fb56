"""What is chosen on validation, and what is said of it."""

import numpy as np
import pytest

from tfctc.evaluation import evaluate as module
from tfctc.evaluation.evaluate import evaluate
from tfctc.evaluation.metrics import choose_threshold
from tfctc.evaluation.predictions import Predictions


def predictions(seed, n=40):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    ids = np.arange(n).astype(str)
    return Predictions(ids, np.char.add("p", (np.arange(n) % 7).astype(str)), labels, rng.random(n) * (1 + labels) / 2)


@pytest.mark.parametrize(("rule", "validation_cells"), [("f1", 30), ("youden", 30), ("0.7", None)])
def test_the_threshold_is_of_validation_unless_it_is_given(monkeypatch, rule, validation_cells):
    monkeypatch.setattr(module, "RESAMPLES", 10)
    validation, test = predictions(0, 30), predictions(1)
    result = evaluate(validation, test, rule=rule, seed=0)
    expected = 0.7 if rule == "0.7" else choose_threshold(validation.label, validation.probability, rule)
    assert result.threshold == expected and result.validation_cells == validation_cells
    assert (result.cells, result.patients, result.positives) == (40, 7, 20)
