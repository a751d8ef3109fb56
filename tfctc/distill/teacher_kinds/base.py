"""Classes and registry of the kinds of teachers that give soft labels: from cell images and labels to logits."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfctc.registry import Registry


@dataclass(frozen=True)
class TeachingCells:
    """N cells that teachers are asked about.

    Args:
        batches: function from channels to the batches of all cells in order, ``{channel: float32 (B, H, W, 1)}`` in
            [0, 1].
        label: class index of a training cell whose label a teacher may use, int ``(N,)``; -1 for any other cell.
        group: group of each cell, text ``(N,)``: its patient, or its site. Groups are kept together in cross-fitting.
        fold: number of each training cell's fold, int ``(N,)``; -1 for a cell of no fold.
        classes: number of classes K.
        networks: trained teacher networks, one or one for each fold: channels by name -> logits ``(B, K)``.
        seed: seed of the kinds that are trained here.
    """

    batches: Callable[[tuple[str, ...]], Iterable[Mapping[str, Any]]]
    label: np.ndarray
    group: np.ndarray
    fold: np.ndarray
    classes: int
    networks: Sequence[Any] = ()
    seed: int = 0


@dataclass(frozen=True)
class Opinion:
    """Logits of one kind of teacher for N cells.

    Args:
        logits: float64 ``(N, K)``.
        unseen: whether the teacher that gave a cell's logits was trained without the cell, bool ``(N,)``.
    """

    logits: np.ndarray
    unseen: np.ndarray


@dataclass(frozen=True)
class TeacherKind:
    """A kind of teacher. It helps to train the student and is never exported.

    Args:
        ask: function from the cells to the logits.
        network: whether it needs the trained teacher networks.
        channels: channels that it reads, bright-field first; () for networks, which read those of `teacher.channels`.
    """

    ask: Callable[[TeachingCells], Opinion]
    network: bool = False
    channels: tuple[str, ...] = ()


TEACHER_KINDS: Registry[TeacherKind] = Registry(
    "kind of teacher", package="tfctc.distill.teacher_kinds", group="teacher_kinds"
)
