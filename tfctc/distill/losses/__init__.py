"""Distillation losses by name. Each file registers one; each compares taps of student and teacher, a number a cell."""

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import keras
from keras import ops

from tfctc.cells import DAPI, DAPI_PRESENT
from tfctc.errors import ConfigError
from tfctc.registry import Registry

Taps = Mapping[str, Any]
#: What a loss may read among its teacher's taps beside those: the cells' own images ``(B, H, W, 1)``, and which cells
#: count ``(B,)``: 1 for those with DAPI, for all where the teacher does not see it.
GIVEN = (DAPI, DAPI_PRESENT)


class DistillationLoss(keras.layers.Layer):
    """A Keras layer, so that a projector's weights train with the student and stay out of its export.

    Subclasses name the taps they read in `student_taps` and `teacher_taps`, implement
    ``call({tap: (B, ...)}, {tap: (B, ...)}) -> (B,)`` in float32, and make weights, if any, in `prepare`.
    Beside the teacher's own taps there are "dapi" and "dapi_present" (`GIVEN`).

    A cell's number depends on that cell alone, unless `of_batch`. Then it depends on the other cells that count too,
    those of the same replica, and is 0 for a cell that does not.

    Args:
        weight: factor in the total loss, 0 or more.
    """

    student_taps: tuple[str, ...] = ()
    teacher_taps: tuple[str, ...] = ()
    of_batch = False

    @property
    def asks_teacher(self) -> bool:
        """Whether it reads a teacher's taps, and not only what is shown of the cell itself."""
        return bool(set(self.teacher_taps).difference(GIVEN))

    def __init__(self, weight: float = 1.0):
        super().__init__(dtype="float32")
        self.weight = number("weight", weight, zero=True)
        self.built = True

    def prepare(self, student_shapes: Mapping[str, tuple], teacher_shapes: Mapping[str, tuple]) -> None:
        """Makes the weights a loss needs, once the shapes of the taps are known."""

    def __call__(self, student: Taps, teacher: Taps):
        # Whatever the caller's tape watches, nobody teaches the teacher.
        return super().__call__(student, {tap: ops.stop_gradient(value) for tap, value in teacher.items()})


LOSSES: Registry[type[DistillationLoss]] = Registry("distillation loss")


def number(argument: str, value: Any, *, zero: bool = False, kind: type = Real) -> Any:
    """`value`, if it is a finite number of `kind` above 0, or 0 where `zero` allows it.

    Raises:
        ConfigError: it is not.
    """
    fits = isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)
    if not fits or value < 0 or (value == 0 and not zero):
        whole = "a whole number " if kind is Integral else ""
        raise ConfigError(f"{argument} must be {whole}{'0 or more' if zero else 'above 0'}, got {value!r}")
    return value


def same_size(loss: str, tap: str, student_shapes: Mapping[str, tuple], teacher_shapes: Mapping[str, tuple]) -> None:
    """Refuses a tap that is not a map ``(B, h, w, c)`` of one h and w.

    Raises:
        ConfigError: it is not.
    """
    student, teacher = student_shapes[tap], teacher_shapes[tap]
    if len(student) != 4 or student[1:3] != teacher[1:3]:
        raise ConfigError(
            f"distillation loss {loss}: tap {tap} must be a map of one size, got student {student[1:]}, "
            f"teacher {teacher[1:]}"
        )


from tfctc.distill.losses import (  # noqa: E402, F401
    alignment,
    attention,
    contrastive,
    embedding,
    feature,
    logits,
    relational,
    staining,
)


def build_losses(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, DistillationLoss]:
    """Losses from a configuration ``{name: {"weight": ..., ...}}``.

    Raises:
        ConfigError: an unknown loss or argument, or a value that an argument cannot have.
    """
    losses = {}
    for name, arguments in parts.items():
        kind = LOSSES[name]
        try:
            losses[name] = kind(**arguments)
        except (TypeError, ConfigError) as error:
            raise ConfigError(f"distillation loss {name}: {error}") from None
        if not all(isinstance(tap, str) for tap in losses[name].student_taps):
            raise ConfigError(f"distillation loss {name}: tap must be a name, got {arguments['tap']!r}")
    return losses
