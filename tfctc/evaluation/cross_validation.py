"""Metrics of a cross-validation: over all patients, from out-of-fold predictions, and their spread over the folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tfctc.cells import BRIGHTFIELD, DatasetFacts
from tfctc.config.schema import PATIENT
from tfctc.evaluation.cautions import find_cautions
from tfctc.evaluation.evaluate import Evaluation, confusion_lines, evaluate, number_text
from tfctc.evaluation.metrics import METRICS, compute_metrics
from tfctc.evaluation.operating_points import OperatingPoint, choose_operating_point
from tfctc.evaluation.original_labels import by_label
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
    def verdict(self) -> str:
        """Result in one sentence."""
        return self.evaluation.verdict

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
        _, positive = found.classes
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
            f"{'':21} value   {100 * found.level:.0f} % interval by {one}   folds: mean, SD, lowest to highest",
        ]
        for name, estimate in found.metrics.items():
            value, low_, high_ = map(number_text, (estimate.value, estimate.low, estimate.high))
            row = f"{name.replace('_', ' '):21} {value}   {f'{low_} to {high_}':{len(one) + 17}}"
            if name in self.spread:
                mean, sd, lowest, highest = (
                    number_text(self.spread[name][key]) for key in ("mean", "sd", "low", "high")
                )
                row += f"   {mean}, {sd}, {lowest} to {highest}"
            lines.append(row.rstrip() + (f"   {estimate.reason}" if estimate.low is None else ""))
        for name, estimate in found.calibration.items():
            value, low_, high_ = map(number_text, (estimate.value, estimate.low, estimate.high))
            lines.append(f"{name.replace('_', ' '):21} {value}   {estimate.reason or f'{low_} to {high_}'}")
        lines += confusion_lines(found.confusion, found.classes)
        lines += [f"label {one}" for one in found.by_label]
        if self.repeats > 1:
            lines.append(f"The confusion matrix and calls count each cell {self.repeats} times, once in each repeat.")
        lines.append(
            f"The final model was trained on all {plural(one)}. Its threshold {found.threshold:.4f} was chosen on "
            "these predictions."
        )
        if found.promise:
            rule, chance, reached = (found.promise[key] for key in ("rule", "confidence", "reached"))
            lines.append(f"promised: {rule} with a chance of {chance:.0%} on new {plural(one)}; {reached:.3f} on these")
        lines += [f"Caution: {caution}" for caution in found.cautions]
        return "\n".join(lines)


def cross_validated(
    predictions: OutOfFold,
    facts: DatasetFacts,
    scheme: int | str,
    folds: Sequence[Mapping[str, Any]],
    *,
    point: OperatingPoint | None = None,
) -> CrossValidation:
    """Metrics of a cross-validation, from its out-of-fold predictions.

    Args:
        predictions: the predictions of all folds.
        facts: facts of the data set.
        scheme: number of folds, "patient" or "site".
        folds: `repeat`, `fold`, `seconds` and further entries of each fold; its metrics are added.
        point: operating point of the final model; None chooses that of best F1 on the predictions.
    """
    repeats = int(predictions.repeat.max()) + 1
    by_fold = [
        out_of_fold_metrics(
            predictions.rows((predictions.repeat == fold["repeat"]) & (predictions.fold == fold["fold"]))
        )
        for fold in folds
    ]
    by_repeat = [out_of_fold_metrics(predictions.rows(predictions.repeat == repeat)) for repeat in range(repeats)]
    once = predictions.rows(predictions.repeat == 0)
    point = point or choose_operating_point(predictions, "f1")
    found = _evaluation(predictions, facts)
    evaluation = replace(
        found,
        threshold=point.threshold,
        rule=point.rule,
        promise=point.to_dict() if point.confidence is not None else {},
        # The calls of the folds tell what calls of new patients are worth.
        rates={**found.rates, "threshold": point.threshold} if found.rates else None,
        validation_cells=len(once),
        cells=len(once),
        positives=int(once.label.sum()),
        by_label=by_label(predictions, predictions.threshold, facts, repeats),
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


def _evaluation(predictions: OutOfFold, facts: DatasetFacts) -> Evaluation:
    """Metrics with intervals by patient; those that need a threshold use the one of each cell's fold."""
    options: dict[str, Any] = {
        "rule": "0.5",
        "validation_cells": None,
        "channels": (BRIGHTFIELD,),
        "data": facts.name,
        "simulated": facts.simulated,
        "classes": facts.compared,
        "interval_by": facts.group,
        "kind": "out-of-fold",
    }
    # A probability of 1 for each cell that its fold calls positive, and 0 for the others: whatever the thresholds of
    # the folds, a threshold of 0.5 gives their calls.
    calls = replace(predictions, probability=predictions.called.astype(np.float32))
    repeats = int(predictions.repeat.max()) + 1
    called = evaluate(calls, 0.5, repeats=repeats, **options)
    ranked = evaluate(predictions, 0.5, repeats=repeats, **options)
    if repeats > 1:  # What counts the cells of a patient has each cell once.
        first = predictions.repeat == 0
        once, ranked_once = (
            evaluate(calls.rows(first), 0.5, **options),
            evaluate(predictions.rows(first), 0.5, **options),
        )
        called = replace(called, by_patient=once.by_patient, by_site=once.by_site, rates=once.rates)
        ranked = replace(ranked, by_patient=ranked_once.by_patient, by_site=ranked_once.by_site)
    aurocs = {group.name: group.auroc for group in (*ranked.by_patient, *ranked.by_site)}
    found = replace(
        called,
        metrics=dict(called.metrics) | {name: ranked.metrics[name] for name in RANKING},
        calibration=ranked.calibration,
        by_patient=tuple(replace(group, auroc=aurocs[group.name]) for group in called.by_patient),
        by_site=tuple(replace(group, auroc=aurocs[group.name]) for group in called.by_site),
        cautions=(),
    )
    return replace(found, cautions=tuple(find_cautions(found, calls)))


def out_of_fold_metrics(rows: OutOfFold) -> dict[str, float | None]:
    """Metrics of out-of-fold predictions; those that need a threshold use the one of each cell's fold.

    Returns:
        Metric -> value, None where it is not defined.
    """
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
