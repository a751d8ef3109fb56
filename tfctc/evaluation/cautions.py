"""Cautions: reasons why the metrics of an evaluation may mislead, one sentence each."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfctc.cells import OTHER
from tfctc.data.inspect.shortcuts import ASSOCIATION, FEWEST, cramers_v, label_counts
from tfctc.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from tfctc.evaluation.evaluate import Evaluation

#: Share of the positive cells above which one patient holds most of them; with two patients, `MOST_OF_TWO`.
MOST, MOST_OF_TWO = 0.5, 0.75


def find_cautions(evaluation: "Evaluation", test: Predictions) -> list[str]:
    """Cautions about an evaluation and the predictions behind it, the gravest first."""
    _, positive = evaluation.classes
    group = evaluation.interval_by
    found = []
    auroc = evaluation.metrics["auroc"]
    if auroc.low is not None and auroc.high is not None and auroc.low <= 0.5 <= auroc.high:
        found.append("The interval of the AUROC holds 0.5: the model may be no better than a guess.")
    elif auroc.value is not None and auroc.value < 0.5:
        found.append(f"The AUROC is below 0.5: {positive} cells get lower probabilities than the others.")
    probability = np.asarray(test.probability, np.float64)
    if len(test) and evaluation.threshold > probability.max():
        found.append(f"The threshold is above every probability: no cell is called {positive}.")
    elif len(test) and evaluation.threshold <= probability.min():
        found.append(f"The threshold is below every probability: all cells are called {positive}.")
    by_patient = np.unique(test.patient_id[test.label == 1], return_counts=True)[1]
    limit = MOST_OF_TWO if len(by_patient) == 2 else MOST
    if len(by_patient) > 1 and by_patient.max() > limit * by_patient.sum():
        share = by_patient.max() / by_patient.sum()
        found.append(f"One {group} holds {share:.0%} of the {positive} cells: the recall is mostly that {group}'s.")
    return [*found, *_of_other(evaluation, test), *_of_sites(evaluation, test)]


def _of_other(evaluation: "Evaluation", test: Predictions) -> Sequence[str]:
    if test.is_other is None or test.truth is None or not len(test):
        return []
    others = test.truth == OTHER
    if not others.any():
        return [f"No tested cell is {OTHER}: how many such images are called {evaluation.classes[1]} is not known."]
    if not test.is_other[others].any():
        return [f"No {OTHER} cell is recognised as such: perhaps the training had none or too few of them."]
    return []


def _of_sites(evaluation: "Evaluation", test: Predictions) -> Sequence[str]:
    if len(evaluation.by_site) < 2 or np.bincount(test.label, minlength=2).min() < FEWEST:
        return []
    association = cramers_v(label_counts(test.sites, test.label)[1])
    if association < ASSOCIATION:
        return []
    return [f"The site predicts the label (Cramer's V {association:.2f}): a model of sites would look good."]
