"""Evaluation of a model on patients that it does not know: a threshold that is held fixed, and intervals by patient."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from tfctc.evaluation.calibration_metrics import METRICS as CALIBRATION_METRICS
from tfctc.evaluation.calibration_metrics import calibration_metrics
from tfctc.evaluation.cautions import find_cautions
from tfctc.evaluation.groups import GroupMetrics, by_patient, by_site
from tfctc.evaluation.intervals import LEVEL, Estimate, leave_one_out, linear_interval, share_interval
from tfctc.evaluation.metrics import METRICS, Basis, basis_of, compute_metrics, confusion
from tfctc.evaluation.operating_points import predictive_values
from tfctc.evaluation.original_labels import LabelMetrics
from tfctc.evaluation.predictions import Predictions
from tfctc.evaluation.rates import measure_rates
from tfctc.io.names import counted, plural

#: Most lines about sites in the text of an evaluation; evaluation.json has all of them.
MOST_SITES = 12
#: Metrics of calibration that are never below 0.
LOSSES = ("brier_score", "log_loss")
#: Numbers of negative cells to one positive cell for which predictive values are given.
PREVALENCES = (10, 100, 1000, 10_000, 100_000)


@dataclass(frozen=True)
class Evaluation:
    """Metrics of one model on the test cells of one data set.

    Args:
        threshold: a cell is called positive if its probability is this number or higher.
        rule: rule that chose the threshold: "f1", "youden", or the number itself as text.
        validation_cells: number of cells that the threshold was chosen on; None if it was given.
        cells, positives, patients: size of the test set.
        metrics: metric -> its value with interval.
        calibration: metric of calibration -> its value with interval.
        confusion: ``[[TN, FP], [FN, TP]]``.
        holders: class name -> number of patients that hold such a cell.
        by_patient, by_site: metrics of every patient, and of every site if there are several.
        by_label: recall of each original label; () if each of two classes has one label.
        level: confidence level of the intervals.
        interval: method of the intervals.
        model: name of the model.
        channels: channels that it reads.
        data: name of the data set.
        simulated: whether the cells are simulated.
        classes: names of what is not positive and of what is positive, as of `DatasetFacts.compared`.
        interval_by: what the intervals count: "patient", or the data set's own name for such a group.
        kind: words for the cells: "test", or for another data set "external".
        rates: sensitivity and false-positive rate for counts of new patients, as `Rates.to_dict`; None if unknown.
        cautions: reasons why the metrics may mislead, one sentence each.
        origin: the model and the data set, if it is not that of the model's run.
        promise: what the operating point promises, on which cells it was chosen, and what was reached there; {} without
            a promise. Keys as in operating_point.json.
        predictive_values: prevalence "1:N" -> "ppv" and "npv", each value, low and high.
    """

    threshold: float
    rule: str
    validation_cells: int | None
    cells: int
    positives: int
    patients: int
    metrics: Mapping[str, Estimate]
    confusion: list[list[int]]
    calibration: Mapping[str, Estimate] = field(default_factory=dict)
    holders: Mapping[str, int] = field(default_factory=dict)
    by_patient: tuple[GroupMetrics, ...] = ()
    by_site: tuple[GroupMetrics, ...] = ()
    by_label: tuple[LabelMetrics, ...] = ()
    level: float = LEVEL
    interval: str = "jackknife over patients, Student's t, threshold fixed"
    model: str = "student"
    channels: tuple[str, ...] = ()
    data: str = ""
    simulated: bool = False
    classes: tuple[str, str] = ("negative", "positive")
    interval_by: str = "patient"
    kind: str = "test"
    rates: Mapping[str, float] | None = None
    cautions: tuple[str, ...] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)
    promise: Mapping[str, Any] = field(default_factory=dict)
    predictive_values: Mapping[str, Mapping[str, tuple[float, float, float]]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for evaluation.json."""
        return asdict(self)

    def __str__(self) -> str:
        """Table of the metrics, the confusion matrix, and the reason for each interval that is missing."""
        negative, positive = self.classes
        (tn, fp), (fn, tp) = self.confusion
        cells = "SIMULATED cells" if self.simulated else "cells"
        origin = "given"
        if self.validation_cells is not None:
            origin = f"{self.rule}, from {self.validation_cells} validation cells"
        elif self.origin and self.origin.get("frozen_threshold"):
            origin = f"the model's own, {self.rule}"
        lines = [
            f"{self.model} on {' + '.join(self.channels)}: {self.cells} {self.kind} {cells} of {self.data} "
            f"({self.positives} {positive}), {counted(self.patients, self.interval_by)}",
            f"threshold {self.threshold:.4f} ({origin}), held fixed by the intervals",
            f"{'':21} value   {100 * self.level:.0f} % interval by {self.interval_by}",
        ]
        estimates = [*self.metrics.items(), *self.calibration.items()]
        lines += [f"{name.replace('_', ' '):21} {_words(estimate)}" for name, estimate in estimates]
        lines += confusion_lines(self.confusion, self.classes)
        lines += [f"label {one}" for one in self.by_label]
        for site in self.by_site[:MOST_SITES]:
            lines.append(f"site {site.name or 'not named'}: {site}")
        if check := self.origin.get("leak_check"):
            lines.append(f"leak check: {check}")
        lines += self._promise()
        if self.predictive_values:
            rest = f"cells not called {positive} that are {negative}"
            lines.append(f"{f'{positive} to {negative}':21} calls that are right           {rest}")
        for prevalence, values in self.predictive_values.items():
            (ppv, *ends), (npv, *_) = values["ppv"], values["npv"]
            lines.append(f"{prevalence:21} {f'{ppv:.2g} ({ends[0]:.2g} to {ends[1]:.2g})':30} {npv:.6f}")
        lines += [f"Caution: {caution}" for caution in self.cautions]
        return "\n".join(lines)

    @property
    def reached(self) -> Estimate | None:
        """Value of the promised quantity on the test cells, with its interval; None without a promise.

        The number of false calls of a patient has no interval.
        """
        if not self.promise:
            return None
        name = str(self.promise["rule"]).partition("=")[0]
        if name == "false-calls":
            return Estimate(self.confusion[0][1] / max(self.patients, 1), None, None, "no interval of such a number")
        return self.metrics["recall" if name == "sensitivity" else name]

    def _promise(self) -> list[str]:
        """Line with the promise, and with the value reached on the test cells; no line without a promise."""
        if (estimate := self.reached) is None:
            return []
        if str(self.promise["rule"]).startswith("false-calls"):
            reached = f"{estimate.value:.2f} on these {plural(self.interval_by)}"
            seen = f"{self.promise['reached']:.2f}"
        else:
            reached = f"{_words(estimate)} on these cells".strip()
            seen = f"{self.promise['reached']:.3f}"
        chance = f"with a chance of {self.promise['confidence']:.0%} on new {plural(self.interval_by)}"
        return [f"promised: {self.promise['rule']} {chance}; {seen} where it was chosen, {reached}"]

    @property
    def verdict(self) -> str:
        """Result in one sentence."""
        recall, specificity = (self.metrics[name] for name in ("recall", "specificity"))
        (tn, fp), (fn, tp) = self.confusion
        negative, positive = self.classes
        parts = []
        if recall.value is not None:
            parts.append(f"{tp} of {tp + fn} {positive} cells were found ({_share(recall)})")
        if specificity.value is not None:
            parts.append(
                f"{fp} of {tn + fp} {negative} cells were called {positive} (specificity {_share(specificity)})"
            )
        return f"{'; '.join(parts) or 'No labelled cell'}."


def evaluate(
    test: Predictions,
    threshold: float,
    *,
    rule: str,
    validation_cells: int | None,
    repeats: int = 1,
    **description: Any,
) -> Evaluation:
    """Evaluation of predictions at a threshold that was chosen before.

    Args:
        test: predictions for cells of patients that the model does not know.
        threshold: a cell is called positive if its probability is this number or higher.
        rule, validation_cells: origin of the threshold.
        repeats: times that each cell is in `test`; an interval counts it once.
        description: further fields of `Evaluation`: model, channels, data set and so on.
    """
    described = Evaluation(
        threshold=threshold,
        rule=rule,
        validation_cells=validation_cells,
        cells=len(test),
        positives=int(test.label.sum()),
        patients=len(np.unique(test.patient_id)),
        metrics={},
        confusion=confusion(test.label, test.probability, threshold),
        **description,
    )
    negative, positive = described.classes
    names = {"negative": negative, "positive": positive, "called": f"called {positive}"}
    names["groups"] = plural(described.interval_by)
    holders = {name: len(np.unique(test.patient_id[test.label == i])) for i, name in enumerate(described.classes)}
    values = vars(described) | {
        "metrics": estimates(test, threshold, names, repeats),
        "calibration": calibration_estimates(test, names),
        "holders": holders,
        "by_patient": by_patient(test, threshold),
        "by_site": by_site(test, threshold),
        "rates": rates.to_dict() if (rates := measure_rates(test, threshold)) else None,
    }
    values["predictive_values"] = _predictive_values(values["metrics"])
    found = Evaluation(**values)
    return replace(found, cautions=(*found.cautions, *find_cautions(found, test)))


def _predictive_values(metrics: Mapping[str, Estimate]) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Predictive values at `PREVALENCES`; the ends come from the ends of recall and specificity, and are cautious."""
    recall, specificity = metrics["recall"], metrics["specificity"]
    pairs = [(recall.value, specificity.value), (recall.low, specificity.low), (recall.high, specificity.high)]
    if any(one is None or other is None for one, other in pairs):
        return {}
    found = {}
    for rarity in PREVALENCES:
        ppv, npv = zip(*(predictive_values(*pair, 1 / (1 + rarity)) for pair in pairs), strict=True)  # type: ignore[arg-type]
        if np.isfinite([*ppv, *npv]).all():
            found[f"1:{rarity:,}"] = {"ppv": ppv, "npv": npv}
    return found


def estimates(test: Predictions, threshold: float, names: Mapping[str, str], repeats: int = 1) -> dict[str, Estimate]:
    """Each of `METRICS` with its interval by patient.

    Args:
        test: predictions for labelled cells.
        threshold: a cell is called positive if its probability is this number or higher.
        names: "negative", "positive" and "called" -> words for such cells; "groups" -> word for the patients.
        repeats: times that each cell is in `test`.
    """
    # Presorted, because every metric is computed again without each patient.
    test = test.of(np.argsort(-np.asarray(test.probability, np.float64), kind="stable"))
    values, without = leave_one_out(
        lambda weights: compute_metrics(test.label, test.probability, threshold, weights), test.patient_id
    )
    found = {}
    for name, basis in basis_of(test.label, test.probability, threshold, test.patient_id).items():
        reason = missing_reason(basis, names)
        low: float | None = None
        high: float | None = None
        if not reason:
            low, high = share_interval(
                values[name],
                without[name],
                basis.weights,
                basis.holders,
                max(basis.cells // repeats, 1),
                of_one_class=basis.of_one_class,
            )
        value = values[name] if np.isfinite(values[name]) else None
        found[name] = Estimate(value, low, high, reason)
    return {name: found[name] for name in METRICS}


def calibration_estimates(test: Predictions, names: Mapping[str, str]) -> dict[str, Estimate]:
    """Each metric of calibration with its interval by patient; the calibration error has none. Arguments as above."""

    def metrics_of(weights):
        kept = weights > 0
        if not kept.any():  # Without the only patient.
            return dict.fromkeys(CALIBRATION_METRICS, np.nan)
        return calibration_metrics(test.label[kept], test.probability[kept])

    values, without = leave_one_out(metrics_of, test.patient_id)
    basis = basis_of(test.label, test.probability, 0.5, test.patient_id)["auroc"]
    reason, found = missing_reason(basis, names), {}
    for name, value in values.items():
        if not np.isfinite(value):
            found[name] = Estimate(None, None, None, reason or "no finite value fits best")
        elif name == "calibration_error":
            found[name] = Estimate(value, None, None, "no interval: chance makes it larger")
        elif reason:
            found[name] = Estimate(value, None, None, reason)
        else:
            low, high = linear_interval(value, without[name], basis.weights, basis.holders)
            found[name] = Estimate(value, max(low, 0.0) if name in LOSSES else low, high)
    return found


def missing_reason(basis: Basis, names: Mapping[str, str]) -> str:
    """Why a metric has no interval: fewer than two patients hold a kind of cells that it needs; "" if it has one."""
    for kind, counts in basis.needed.items():
        holders = int(np.count_nonzero(counts))
        if not holders:
            return f"no cell is {names[kind]}"
        if holders < 2:
            return f"{holders} of {len(counts)} {names['groups']} holds {names[kind]}, and an interval needs two"
    return ""


def _share(estimate: Estimate) -> str:
    interval = "no interval" if estimate.low is None else f"{estimate.low:.1%} to {estimate.high:.1%}"
    return f"{estimate.value:.1%}, {interval}"


def confusion_lines(confusion: list[list[int]], classes: tuple[str, str]) -> list[str]:
    """Table of a confusion matrix ``[[TN, FP], [FN, TP]]`` as text, line by line."""
    width = max(map(len, classes))
    rows = (("true / called", *classes), *((name, *row) for name, row in zip(classes, confusion, strict=True)))
    return [f"{name:>{width + 6}} {one:>{width}} {other:>{width}}" for name, one, other in rows]


def number_text(value: float | None) -> str:
    """A metric with three decimals; "n/a" for None."""
    return "  n/a" if value is None else f"{value:.3f}"


def _words(estimate: Estimate) -> str:
    value, low, high = map(number_text, (estimate.value, estimate.low, estimate.high))
    return f"{value}   {estimate.reason}" if estimate.low is None else f"{value}   {low} to {high}"
