"""Kinds of teachers "dapi-forest" and "brightfield-forest": random forests on measurements of a cell's images.

Breiman 2001, "Random forests", Machine Learning 45, with scikit-learn. A forest trains in seconds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from tfctc.cells import BRIGHTFIELD, DAPI
from tfctc.distill.morphometry import measure_dapi
from tfctc.distill.teacher_kinds.base import TEACHER_KINDS, Opinion, TeacherKind, TeachingCells
from tfctc.distill.texture import measure_brightfield

#: Trees of a forest, smallest number of cells in a leaf, and largest number of folds for cross-fitting.
TREES, LEAST_LEAF, FOLDS = 500, 2, 5


def ask_dapi(cells: TeachingCells) -> Opinion:
    """Logits of forests on the size, intensity, shape and texture of the stained object."""
    return cross_fitted([measure_dapi(_images(batch, DAPI)) for batch in cells.batches((DAPI,))], cells)


def ask_brightfield(cells: TeachingCells) -> Opinion:
    """Logits of forests on the texture of the bright-field image in the stained object and around it."""
    measured = [
        measure_brightfield(_images(batch, BRIGHTFIELD), _images(batch, DAPI))
        for batch in cells.batches((BRIGHTFIELD, DAPI))
    ]
    return cross_fitted(measured, cells)


def cross_fitted(batches: Sequence[np.ndarray], cells: TeachingCells) -> Opinion:
    """Logits of forests on measurements, which are given in batches ``(B, M)``.

    A labelled cell is judged by a forest that was trained without the cell's group (cross-fitting), any other cell by
    the forest of all labelled cells.
    """
    measured = np.concatenate(batches)
    known = np.flatnonzero(cells.label >= 0)
    label, group = cells.label[known], cells.group[known]
    logits = _logits(measured[known], label, measured, cells.classes, cells.seed)
    unseen = cells.label < 0
    for train, held_out in _folds(label, group, cells.seed):
        rest = known[held_out]
        logits[rest] = _logits(measured[known[train]], label[train], measured[rest], cells.classes, cells.seed)
        unseen[rest] = True
    return Opinion(logits, unseen)


def _logits(measured: np.ndarray, label: np.ndarray, others: np.ndarray, classes: int, seed: int) -> np.ndarray:
    """Log-probabilities ``(N, K)`` of `others` by a forest; one more tree for each class keeps them finite."""
    forest = RandomForestClassifier(TREES, min_samples_leaf=LEAST_LEAF, class_weight="balanced", random_state=seed)
    forest.fit(measured, label)
    votes = np.ones((len(others), classes))
    votes[:, forest.classes_] += TREES * forest.predict_proba(others)
    return np.log(votes / (TREES + classes))


def _folds(label: np.ndarray, group: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Training and held-out cells of each fold.

    Groups are kept together where each fold then trains on all classes; otherwise cells are dealt one by one. With a
    class of one cell there are no folds.
    """
    most = min(FOLDS, int(np.bincount(label)[np.unique(label)].min()))
    if most < 2:
        return []
    if (groups := len(np.unique(group))) > 1:
        splitter = StratifiedGroupKFold(min(most, groups), shuffle=True, random_state=seed)
        folds = list(splitter.split(label, label, group))
        if all(len(held_out) and set(label[train]) == set(label) for train, held_out in folds):
            return folds
    return list(StratifiedKFold(most, shuffle=True, random_state=seed).split(label, label))


def _images(batch: Mapping[str, Any], channel: str) -> np.ndarray:
    return np.asarray(batch[channel])[..., 0]


TEACHER_KINDS.register("dapi-forest")(TeacherKind(ask_dapi, channels=(DAPI,)))
TEACHER_KINDS.register("brightfield-forest")(TeacherKind(ask_brightfield, channels=(BRIGHTFIELD, DAPI)))
