"""A model's figures on patients never seen: threshold from validation, intervals by patient."""

from dataclasses import dataclass

import numpy as np

from tfctc.evaluation.intervals import bootstrap
from tfctc.evaluation.metrics import FIGURES, choose_threshold, confusion, figures, fixed_threshold
from tfctc.evaluation.predictions import Predictions

RESAMPLES, LEVEL = 1000, 0.95


@dataclass(frozen=True)
class Evaluation:
    """`figures` maps each figure to {"value", "low", "high"}; None where it is undefined, as an interval is
    of one patient.

    `validation_cells` is how many the threshold was chosen on, None if it was given.
    """

    threshold: float
    rule: str
    validation_cells: int | None
    cells: int
    positives: int
    patients: int
    figures: dict[str, dict[str, float | None]]
    confusion: list[list[int]]
    level: float = LEVEL
    resamples: int = RESAMPLES


def evaluate(validation: Predictions, test: Predictions, *, rule: str, seed: int) -> Evaluation:
    """Chooses the threshold on `validation` by `rule`, then reads `test` once.

    Raises:
        ConfigError: an unknown rule.
    """
    threshold = choose_threshold(validation.label, validation.probability, rule)
    point = figures(test.label, test.probability, threshold)
    patients = len(np.unique(test.patient_id))
    intervals = dict.fromkeys(FIGURES, (np.nan, np.nan))
    if patients > 1:
        intervals = bootstrap(
            lambda weights: figures(test.label, test.probability, threshold, weights),
            test.patient_id,
            seed=seed,
            resamples=RESAMPLES,
            level=LEVEL,
        )
    return Evaluation(
        threshold=threshold,
        rule=rule,
        validation_cells=len(validation) if fixed_threshold(rule) is None else None,
        cells=len(test),
        positives=int(test.label.sum()),
        patients=patients,
        figures={name: _with_interval(point[name], *intervals[name]) for name in FIGURES},
        confusion=confusion(test.label, test.probability, threshold),
    )


def _with_interval(value: float, low: float, high: float) -> dict[str, float | None]:
    named = {"value": value, "low": low, "high": high}
    return {name: number if np.isfinite(number) else None for name, number in named.items()}
