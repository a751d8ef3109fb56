"""Metrics of a cross-validation: over all patients, from out-of-fold predictions, and their spread over the folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tfctc.cells import BRIGHTFIELD, DatasetFacts
from tfctc.config.schema import PATIENT
from tfctc.evaluation.evaluate import Evaluation, evaluate
from tfctc.evaluation.metrics import METRICS, choose_threshold, compute_metrics
from tfctc.evaluation.out_of_fold import OutOfFold
from tfctc.io.names import plural

#: Metrics that need no threshold.
RANKING = ("auroc", "average_precision")


@dataclass(frozen=True)
class CrossValidation:
    """Metrics of a cross-validation.

    Args:
        evaluation: metrics over all labelled cells, each predicted by the fold that tested its patient and called at
            the threshold of that fold. Its `threshold` is that of the final model, chosen on the same predictions; no
            metric here uses it.
        scheme: number of folds, "patient" or "site".
        repeats: number of repeats; each cell counts once in every repeat.
        folds: one entry for each fold: its numbers, patients and cells by split, threshold, metrics and seconds.
        spread: metric -> mean, standard deviation, lowest and highest value over the folds where it is defined.
        repeated: metric -> its value in each repeat, over all patients.
        thresholds: lowest and highest threshold of a fold.
    """

    evaluation: Evaluation
    scheme: int | str
    repeats: int
    folds: Sequence[Mapping[str, Any]]
    spread: Mapping[str, Mapping[str, float]]
    repeated: Mapping[str, Sequence[float | None]]
    thresholds: tuple[float, float]

    @property
    def threshold(self) -> float:
        """Threshold of the final model."""
        return self.evaluation.threshold

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Metric -> its value over all patients, with interval."""
        return self.evaluation.metrics

    @property
    def seconds(self) -> float:
        """Time of all folds together."""
        return float(sum(fold["seconds"] for fold in self.folds))

    def to_dict(self) -> dict[str, Any]:
        """Plain values: those of the evaluation, `source` "cross-validation", and the folds."""
        return self.evaluation.to_dict() | {
            "source": "cross-validation",
            "scheme": self.scheme,
            "repeats": self.repeats,
            "fold_thresholds": list(self.thresholds),
            "spread": {name: dict(values) for name, values in self.spread.items()},
            "repeated": {name: list(values) for name, values in self.repeated.items()},
            "folds": [dict(fold) for fold in self.folds],
            "seconds": round(self.seconds, 1),
        }

    def __str__(self) -> str:
        """Table of the metrics over all patients, beside their spread over the folds, and the confusion matrix."""
        found = self.evaluation
        negative, positive = found.classes
        one, each = found.interval_by, len(self.folds) // self.repeats
        unit = one if self.scheme == PATIENT else self.scheme
        scheme = f"{each} folds by {one}" if isinstance(self.scheme, int) else f"{each} folds of one {unit} each"
        again = f", {self.repeats} repeats" if self.repeats > 1 else ""
        kind = "SIMULATED cells" if found.simulated else "cells"
        low, high = self.thresholds
        lines = [
            f"cross-validation of the {found.model} on {' + '.join(found.channels)}: {scheme}{again}",
            f"{found.cells} {kind} of {found.data} ({found.positives} {positive}); each {one} of {found.patients} was "
            "tested by a model trained without it",
            f"threshold of each fold, from its validation cells: {low:.4f} to {high:.4f}",
            f"{'':18} value   {100 * found.level:.0f} % interval by {one}   folds: mean, SD, lowest to highest",
        ]
        for name, estimate in found.metrics.items():
            value, low_, high_ = map(_text, (estimate.value, estimate.low, estimate.high))
            row = f"{name.replace('_', ' '):18} {value}   {f'{low_} to {high_}':{len(one) + 17}}"
            if name in self.spread:
                mean, sd, lowest, highest = (_text(self.spread[name][key]) for key in ("mean", "sd", "low", "high"))
                row += f"   {mean}, {sd}, {lowest} to {highest}"
            lines.append(row.rstrip())
        width = max(len(negative), len(positive))
        (tn, fp), (fn, tp) = found.confusion
        lines += [
            f"{'true / called':>{width + 6}} {negative:>{width}} {positive:>{width}}",
            f"{negative:>{width + 6}} {tn:>{width}} {fp:>{width}}",
            f"{positive:>{width + 6}} {fn:>{width}} {tp:>{width}}",
        ]
        if self.repeats > 1:
            lines.append(f"The confusion matrix counts each cell {self.repeats} times, once in each repeat.")
        lines.append(
            f"The final model was trained on all {plural(one)}. Its threshold {found.threshold:.4f} was chosen on "
            "these predictions."
        )
        return "\n".join(lines)


def cross_validated(
    predictions: OutOfFold,
    facts: DatasetFacts,
    scheme: int | str,
    folds: Sequence[Mapping[str, Any]],
    *,
    rule: str = "f1",
    seed: int = 0,
) -> CrossValidation:
    """Metrics of a cross-validation, from its out-of-fold predictions.

    Args:
        predictions: the predictions of all folds.
        facts: facts of the data set.
        scheme: number of folds, "patient" or "site".
        folds: `repeat`, `fold`, `seconds` and further entries of each fold; its metrics are added.
        rule: rule by which the threshold of the final model is chosen on the predictions.
        seed: seed of the intervals.
    """
    repeats = int(predictions.repeat.max()) + 1
    by_fold = [
        _metrics(predictions.rows((predictions.repeat == fold["repeat"]) & (predictions.fold == fold["fold"])))
        for fold in folds
    ]
    by_repeat = [_metrics(predictions.rows(predictions.repeat == repeat)) for repeat in range(repeats)]
    once = predictions.rows(predictions.repeat == 0)
    evaluation = replace(
        _evaluation(predictions, facts, seed),
        threshold=choose_threshold(predictions.label, predictions.probability, rule),
        rule=rule,
        validation_cells=len(once),
        cells=len(once),
        positives=int(once.label.sum()),
    )
    return CrossValidation(
        evaluation=evaluation,
        scheme=scheme,
        repeats=repeats,
        folds=[dict(fold) | {"metrics": values} for fold, values in zip(folds, by_fold, strict=True)],
        spread=_spread(by_fold),
        repeated={name: [values[name] for values in by_repeat] for name in METRICS},
        thresholds=(float(predictions.threshold.min()), float(predictions.threshold.max())),
    )


def _evaluation(predictions: OutOfFold, facts: DatasetFacts, seed: int) -> Evaluation:
    """Metrics with intervals by patient; those that need a threshold use the one of each cell's fold."""

    def evaluated(probability: np.ndarray) -> Evaluation:
        rows = replace(predictions, probability=probability)
        return evaluate(
            rows,
            rows,
            rule="0.5",
            seed=seed,
            model="student",
            channels=(BRIGHTFIELD,),
            data=facts.name,
            simulated=facts.simulated,
            classes=facts.classes,
            interval_by=facts.group,
        )

    # A probability of 1 for each cell that its fold calls positive, and 0 for the others: whatever the thresholds of
    # the folds, a threshold of 0.5 gives their calls.
    found, ranked = evaluated(predictions.called.astype(np.float32)), evaluated(predictions.probability)
    return replace(found, metrics={**found.metrics, **{name: ranked.metrics[name] for name in RANKING}})


def _metrics(rows: OutOfFold) -> dict[str, float | None]:
    called = compute_metrics(rows.label, rows.called.astype(float), 0.5)
    ranked = compute_metrics(rows.label, rows.probability, 0.5)
    values = called | {name: ranked[name] for name in RANKING}
    return {name: value if np.isfinite(value) else None for name, value in values.items()}


def _spread(folds: Sequence[Mapping[str, float | None]]) -> dict[str, dict[str, float]]:
    found = {}
    for name in METRICS:
        values = np.array([value for fold in folds if (value := fold[name]) is not None])
        if len(values) > 1:
            found[name] = {
                "mean": float(values.mean()),
                "sd": float(values.std(ddof=1)),
                "low": float(values.min()),
                "high": float(values.max()),
                "folds": len(values),
            }
    return found


def _text(value: float | None) -> str:
    return "  n/a" if value is None else f"{value:.3f}"
