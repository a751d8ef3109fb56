"""Evaluation of a model on the patients of the test split: threshold from validation, intervals by patient."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tfctc.evaluation.intervals import bootstrap
from tfctc.evaluation.metrics import METRICS, choose_threshold, compute_metrics, confusion, fixed_threshold
from tfctc.evaluation.predictions import Predictions

RESAMPLES, LEVEL = 1000, 0.95
#: Number of patients below which the text of an evaluation calls its intervals uncertain.
ENOUGH_PATIENTS = 10


@dataclass(frozen=True)
class Estimate:
    """A metric and the ends of its interval; None where undefined. With one patient there is no interval."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one model on the test cells of one data set.

    Args:
        threshold: a cell is called positive if its probability is this number or higher.
        rule: rule that chose the threshold: "f1", "youden", or the number itself as text.
        validation_cells: number of cells that the threshold was chosen on; None if it was given.
        cells, positives, patients: size of the test set.
        metrics: metric -> its value with interval.
        confusion: ``[[TN, FP], [FN, TP]]``.
        level: confidence level of the intervals.
        resamples: bootstrap resamples behind them.
        model: name of the model.
        channels: channels that it reads.
        data: name of the data set.
        simulated: whether the cells are simulated.
        classes: negative and positive class.
        interval_by: unit that the bootstrap resamples: "patient", or the data set's own name for such a group.
    """

    threshold: float
    rule: str
    validation_cells: int | None
    cells: int
    positives: int
    patients: int
    metrics: Mapping[str, Estimate]
    confusion: list[list[int]]
    level: float = LEVEL
    resamples: int = RESAMPLES
    model: str = "student"
    channels: tuple[str, ...] = ()
    data: str = ""
    simulated: bool = False
    classes: tuple[str, str] = ("negative", "positive")
    interval_by: str = "patient"

    def to_dict(self) -> dict[str, Any]:
        """Plain values for evaluation.json."""
        return asdict(self)

    def __str__(self) -> str:
        """Table of the metrics, the confusion matrix, and a warning if there are few patients."""
        negative, positive = self.classes
        (tn, fp), (fn, tp) = self.confusion
        kind = "SIMULATED cells" if self.simulated else "cells"
        origin = "given"
        if self.validation_cells is not None:
            origin = f"{self.rule}, from {self.validation_cells} validation cells"
        width = max(len(negative), len(positive))
        lines = [
            f"{self.model} on {' + '.join(self.channels)}: {self.cells} test {kind} of {self.data} "
            f"({self.positives} {positive}), {self.patients} groups by {self.interval_by}",
            f"threshold {self.threshold:.4f} ({origin})",
            f"{'':18} value   {100 * self.level:.0f} % interval by {self.interval_by}",
        ]
        for name, estimate in self.metrics.items():
            parts = (estimate.value, estimate.low, estimate.high)
            value, low, high = ("  n/a" if part is None else f"{part:.3f}" for part in parts)
            lines.append(f"{name.replace('_', ' '):18} {value}   {low} to {high}")
        lines += [
            f"{'true / called':>{width + 6}} {negative:>{width}} {positive:>{width}}",
            f"{negative:>{width + 6}} {tn:>{width}} {fp:>{width}}",
            f"{positive:>{width + 6}} {fn:>{width}} {tp:>{width}}",
        ]
        if self.patients == 1:
            lines.append(f"No interval: the test split holds one {self.interval_by}; a larger split.test gives more.")
        elif self.patients < ENOUGH_PATIENTS:
            lines.append(f"Few groups: an interval from {self.patients} of them is itself uncertain.")
        return "\n".join(lines)


def evaluate(validation: Predictions, test: Predictions, *, rule: str, seed: int, **description: Any) -> Evaluation:
    """Evaluation of the predictions `test`, at the threshold that `rule` chooses on the predictions `validation`.

    Args:
        validation: predictions on the validation split.
        test: predictions on the test split.
        rule: "f1", "youden", or a number in (0, 1) as text.
        seed: seed of the bootstrap.
        description: further fields of `Evaluation`: model, channels, data set and so on.

    Raises:
        ConfigError: an unknown rule.
    """
    threshold = choose_threshold(validation.label, validation.probability, rule)
    point = compute_metrics(test.label, test.probability, threshold)
    patients = len(np.unique(test.patient_id))
    intervals = dict.fromkeys(METRICS, (np.nan, np.nan))
    if patients > 1:
        intervals = bootstrap(
            lambda weights: compute_metrics(test.label, test.probability, threshold, weights),
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
        metrics={name: Estimate(*map(_defined, (point[name], *intervals[name]))) for name in METRICS},
        confusion=confusion(test.label, test.probability, threshold),
        level=LEVEL,
        resamples=RESAMPLES,
        **description,
    )


def _defined(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None
