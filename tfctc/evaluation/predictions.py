"""Predictions for labelled cells, with the labels, patients and sites that an evaluation needs. No TensorFlow."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from tfctc.cells import OTHER, DatasetFacts, is_other
from tfctc.data.manifest import Manifest

#: Column of a table: class that a cell is called if its probability is below the threshold; of models with `OTHER`.
BELOW = "below_threshold"


@dataclass(frozen=True)
class Predictions:
    """Predictions for N cells.

    Args:
        cell_id, patient_id: ids, text ``(N,)``.
        label: ``(N,)`` 1 for a cell of the positive class, 0 for any other.
        probability: probability of the positive class, ``(N,)`` in [0, 1].
        site: laboratory or instrument of each cell, text ``(N,)``, empty where unknown; None if no site is known.
        is_other: whether a cell that is not called positive is called other, bool ``(N,)``; None without such a class.
        truth: class of each cell, text ``(N,)``; None if not known.
        original_label: label that each cell was imported with, text ``(N,)``; None if not known.
    """

    cell_id: np.ndarray
    patient_id: np.ndarray
    label: np.ndarray
    probability: np.ndarray
    site: np.ndarray | None = None
    is_other: np.ndarray | None = None
    truth: np.ndarray | None = None
    original_label: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.label)

    @property
    def sites(self) -> np.ndarray:
        """Site of each cell, text ``(N,)``; empty where unknown."""
        return np.full(len(self), "") if self.site is None else self.site

    def of(self, chosen: np.ndarray) -> "Predictions":
        """Predictions for some cells, by a bool or integer index ``(M,)``."""
        names = [field.name for field in fields(Predictions)]
        columns = {name: getattr(self, name) for name in names}
        kept: dict[str, Any] = {name: None if one is None else one[chosen] for name, one in columns.items()}
        return Predictions(**kept)

    def calls(self, threshold: float | np.ndarray, facts: DatasetFacts) -> np.ndarray:
        """Name of the class that each cell is called, text ``(N,)``.

        Args:
            threshold: a cell is called positive if its probability is this number or higher; one, or ``(N,)``.
            facts: facts of the model's data set, for the names.
        """
        positive = np.asarray(self.probability, np.float64) >= threshold
        return np.where(positive, facts.positive, self.below(facts))

    def below(self, facts: DatasetFacts) -> np.ndarray:
        """Name of the class that each cell is called if it is not called positive, text ``(N,)``."""
        return np.where(np.full(len(self), False) if self.is_other is None else self.is_other, OTHER, facts.negative)


def split_outputs(outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """`Predictions.probability` and `Predictions.is_other` of the outputs of a model, ``(N,)`` or ``(N, 3)``."""
    if outputs.ndim == 1:
        return outputs, None
    return outputs[:, 1], is_other(outputs)


def described(predictions: Predictions, manifest: Manifest) -> Predictions:
    """The predictions with the site, the class and the original label of each cell, as the manifest has them."""
    wanted = {cell_id: i for i, cell_id in enumerate(predictions.cell_id.tolist())}
    known = [("", "", "")] * len(wanted)
    for cell in manifest.index:
        if (i := wanted.get(cell.cell_id)) is not None:
            known[i] = cell.site, cell.label, cell.original_label
    site, truth, original = np.array(known, dtype=str).reshape(-1, 3).T
    return replace(predictions, site=site, truth=truth, original_label=original)
