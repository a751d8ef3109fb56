"""Cautions: each appears where it must, and a good evaluation has none."""

from dataclasses import replace

import numpy as np
import pytest

from tfctc.evaluation.evaluate import evaluate
from tfctc.evaluation.predictions import Predictions


def cells(shift=1.5, patients=8):
    rng = np.random.default_rng(0)
    labels = np.tile([0, 1], 20 * patients)
    ids = np.repeat(np.arange(patients), 40).astype(str)
    odds = shift * (2 * labels - 1) + rng.normal(size=len(labels))
    sites = np.where(np.arange(len(labels)) // 2 % 2, "A", "B")
    return Predictions(np.arange(len(labels)).astype(str), ids, labels, 1 / (1 + np.exp(-odds)), sites)


def cautions(test, threshold=0.5):
    return evaluate(test, threshold, rule="f1", validation_cells=9, classes=("leukocyte", "ctc")).cautions


def test_a_good_evaluation_has_none():
    assert cautions(cells()) == ()


@pytest.mark.parametrize(
    ("test", "threshold", "text"),
    [
        (cells(shift=-0.03), 0.5, "The interval of the AUROC holds 0.5"),
        (cells(shift=-2), 0.5, "The AUROC is below 0.5: ctc cells get lower probabilities"),
        (cells(), 0.9999, "The threshold is above every probability: no cell is called ctc"),
        (cells(), 1e-9, "The threshold is below every probability: all cells are called ctc"),
        (
            replace(cells(), label=np.where((cells().patient_id > "3") & (np.arange(320) % 40 > 4), 0, cells().label))
            .of(np.arange(320) // 40 % 8 > 2),
            0.5,
            "One patient holds",
        ),
        (replace(cells(), site=np.where(cells().label == 1, "A", "B")), 0.5, "The site predicts the label"),
    ],
)  # fmt: skip
def test_what_may_mislead_is_told(test, threshold, text):
    assert any(text in caution for caution in cautions(test, threshold)), cautions(test, threshold)


def test_a_third_class_that_is_not_tested_or_not_found_is_told():
    found = replace(cells(), is_other=np.full(320, False))
    truth = np.where(found.label == 1, "ctc", "leukocyte").astype("<U9")
    (text,) = cautions(replace(found, truth=truth))
    assert text == "No tested cell is other: how many such images are called ctc is not known."
    truth[:20:2] = "other"
    (text,) = cautions(replace(found, truth=truth))
    assert text.startswith("No other cell is recognised as such")
    assert cautions(replace(found, truth=truth, is_other=truth == "other")) == ()
