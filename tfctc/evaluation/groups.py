"""Metrics of single patients and sites."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from tfctc.evaluation.intervals import binomial_interval
from tfctc.evaluation.metrics import confusion
from tfctc.evaluation.predictions import Predictions


@dataclass(frozen=True)
class GroupMetrics:
    """Counts and metrics of one patient or site at the threshold of the evaluation.

    Args:
        name: the patient or the site.
        site: the site of a patient; several are joined by " + ".
        patients: number of patients.
        confusion: ``[[TN, FP], [FN, TP]]``.
        recall, specificity: (value, low, high); None without a cell of the class. The interval is exact binomial: it
            counts cells and says nothing about other patients.
        auroc: None if a class is missing.
    """

    name: str
    site: str
    patients: int
    confusion: list[list[int]]
    recall: tuple[float, float, float] | None
    specificity: tuple[float, float, float] | None
    auroc: float | None

    @property
    def cells(self) -> int:
        """Number of cells."""
        return sum(map(sum, self.confusion))

    @property
    def positives(self) -> int:
        """Number of positive cells."""
        return sum(self.confusion[1])

    @property
    def calls(self) -> int:
        """Number of cells called positive."""
        return self.confusion[0][1] + self.confusion[1][1]

    def __str__(self) -> str:
        """One line: counts and metrics."""
        (tn, fp), (fn, tp) = self.confusion
        parts = [f"{self.cells} cells"] + ([f"{self.patients} patients"] if self.patients > 1 else [])
        for name, value, part, whole in (
            ("recall", self.recall, tp, tp + fn),
            ("specificity", self.specificity, tn, tn + fp),
        ):
            if value:
                parts.append(f"{name} {value[0]:.3f} ({part} of {whole})")
        return ", ".join(parts + ([f"AUROC {self.auroc:.3f}"] if self.auroc is not None else []))


def by_patient(predictions: Predictions, threshold: float) -> tuple[GroupMetrics, ...]:
    """Metrics of every patient, in sorted order."""
    return tuple(_groups(predictions, predictions.patient_id, threshold))


def by_site(predictions: Predictions, threshold: float) -> tuple[GroupMetrics, ...]:
    """Metrics of every site, in sorted order; none if all cells are of one site."""
    sites = predictions.sites
    return tuple(_groups(predictions, sites, threshold)) if len(np.unique(sites)) > 1 else ()


def _groups(predictions: Predictions, groups: np.ndarray, threshold: float) -> Iterator[GroupMetrics]:
    order = np.argsort(groups, kind="stable")
    names, first = np.unique(groups[order], return_index=True)
    for name, cells in zip(names.tolist(), np.split(order, first[1:]), strict=True):
        chosen = predictions.of(cells)
        matrix = confusion(chosen.label, chosen.probability, threshold)
        (tn, fp), (fn, tp) = matrix
        both = 0 < chosen.label.sum() < len(chosen)
        yield GroupMetrics(
            name=name,
            site=" + ".join(np.unique(chosen.sites).tolist()),
            patients=len(np.unique(chosen.patient_id)),
            confusion=matrix,
            recall=_share(tp, tp + fn),
            specificity=_share(tn, tn + fp),
            auroc=float(roc_auc_score(chosen.label, chosen.probability)) if both else None,
        )


def _share(part: int, whole: int) -> tuple[float, float, float] | None:
    return (part / whole, *binomial_interval(part, whole)) if whole else None
