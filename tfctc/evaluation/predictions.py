"""Predictions for labelled cells, with the labels, patients and sites that an evaluation needs. No TensorFlow."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Predictions:
    """Predictions for N cells.

    Args:
        cell_id, patient_id: ids, text ``(N,)``.
        label: true class, ``(N,)`` 0 or 1.
        probability: probability of the positive class, ``(N,)`` in [0, 1].
        site: laboratory or instrument of each cell, text ``(N,)``, empty where unknown; None if no site is known.
    """

    cell_id: np.ndarray
    patient_id: np.ndarray
    label: np.ndarray
    probability: np.ndarray
    site: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.label)

    @property
    def sites(self) -> np.ndarray:
        """Site of each cell, text ``(N,)``; empty where unknown."""
        return np.full(len(self), "") if self.site is None else self.site

    def of(self, chosen: np.ndarray) -> "Predictions":
        """Predictions for some cells, by a bool or integer index ``(M,)``."""
        columns = (self.cell_id, self.patient_id, self.label, self.probability)
        cell_id, patient_id, label, probability = (one[chosen] for one in columns)
        site = None if self.site is None else self.site[chosen]
        return Predictions(cell_id, patient_id, label, probability, site)
