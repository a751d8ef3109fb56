"""Recall of each original label: debris and doublets apart, or two kinds of tumor cell."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tfctc.cells import DatasetFacts
from tfctc.evaluation.intervals import Estimate, leave_one_out, share_interval
from tfctc.evaluation.predictions import Predictions
from tfctc.io.names import counted, plural


@dataclass(frozen=True)
class LabelMetrics:
    """Calls of the cells of one original label.

    Args:
        name: the label that the cells were imported with.
        truth: class that it became.
        cells, patients: numbers of its cells and of their patients.
        calls: class name -> number of its cells that are called so, once in every repeat.
        recall: share of its cells that are called `truth`, with interval by patient; if the model has no such class,
            the share that is not called positive.
    """

    name: str
    truth: str
    cells: int
    patients: int
    calls: Mapping[str, int]
    recall: Estimate

    @property
    def measure(self) -> str:
        """Words for `recall`."""
        _, positive, *_ = self.calls
        return "recall" if self.truth in self.calls else f"not called {positive}"

    def __str__(self) -> str:
        found, calls = self.recall, ", ".join(f"{count} {name}" for name, count in self.calls.items())
        interval = f"{found.low:.3f} to {found.high:.3f}" if found.low is not None else f"no interval: {found.reason}"
        cells = counted(self.cells, "cell")
        return f"{self.name} ({self.truth}): {self.measure} {found.value:.3f} ({interval}); {cells} called {calls}"


def by_label(
    predictions: Predictions, threshold: float | np.ndarray, facts: DatasetFacts, repeats: int = 1
) -> tuple[LabelMetrics, ...]:
    """Metrics of each original label, in the order of the classes; none if each of two classes has one label.

    Args:
        predictions: predictions for labelled cells, with `truth` and `original_label`.
        threshold: a cell is called positive if its probability is this number or higher; one, or ``(N,)``.
        facts: facts of the model's data set, for the names of the classes.
        repeats: times that each cell is in `predictions`; an interval counts it once.
    """
    truth, original = predictions.truth, predictions.original_label
    if truth is None or original is None:
        return ()
    labels, truths = set(zip(original.tolist(), truth.tolist(), strict=True)), set(truth.tolist())
    if len(labels) == len(truths) and truths <= set(facts.classes):
        return ()
    calls, found = predictions.calls(threshold, facts), []
    for name, label in sorted(labels):
        chosen = (original == name) & (truth == label)
        counts = {one: int((calls[chosen] == one).sum()) for one in facts.labels}
        patients = predictions.patient_id[chosen]
        right = calls == label if label in facts.labels else calls != facts.positive
        recall = _recall(right[chosen], patients, facts.group, repeats)
        cells = int(chosen.sum()) // repeats
        found.append(LabelMetrics(name, label, cells, len(np.unique(patients)), counts, recall))
    order = {name: i for i, name in enumerate(facts.labels)}
    return tuple(sorted(found, key=lambda one: (order.get(one.truth, len(order)), one.name)))


def _recall(right: np.ndarray, patients: np.ndarray, group: str, repeats: int) -> Estimate:
    """Share of the cells ``(N,)`` that are right, with its interval by patient."""

    def share(weights):
        return {"recall": float(np.average(right, weights=weights)) if weights.any() else np.nan}

    names, counts = np.unique(patients, return_counts=True)
    value = float(right.mean())
    if len(names) < 2:
        reason = f"all are of one {group}, and an interval needs two {plural(group)}"
        return Estimate(value, None, None, reason)
    without = leave_one_out(share, patients)[1]["recall"]
    low, high = share_interval(value, without, counts, len(names), len(right) // repeats, of_one_class=True)
    return Estimate(value, low, high)
