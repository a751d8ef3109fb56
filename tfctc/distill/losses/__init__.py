"""Distillation losses by name. Each file registers one; each compares taps of student and teacher, cell by cell."""

from collections.abc import Mapping
from typing import Any

import keras

from tfctc.cells import DAPI, DAPI_PRESENT
from tfctc.errors import ConfigError
from tfctc.registry import Registry

Taps = Mapping[str, Any]
#: Taps of the teacher's side that are no network's: the cell's own DAPI image, and whether it has one.
SHOWN = {DAPI, DAPI_PRESENT}


class DistillationLoss(keras.layers.Layer):
    """A Keras layer, so that a projector's weights train with the student and stay out of its export.

    Subclasses name the taps they read in `student_taps` and `teacher_taps`, implement
    ``call({tap: (B, ...)}, {tap: (B, ...)}) -> (B,)`` in float32, and make weights, if any, in `prepare`.

    Args:
        weight: factor in the total loss.
    """

    student_taps: tuple[str, ...] = ()
    teacher_taps: tuple[str, ...] = ()

    @property
    def asks_teacher(self) -> bool:
        """Whether it reads a teacher's taps, and not only what is shown of the cell itself."""
        return bool(set(self.teacher_taps) - SHOWN)

    def __init__(self, weight: float = 1.0):
        super().__init__(dtype="float32")
        self.weight = weight
        self.built = True

    def prepare(self, student_shapes: Mapping[str, tuple], teacher_shapes: Mapping[str, tuple]) -> None:
        """Makes the weights a loss needs, once the shapes of the taps are known."""


LOSSES: Registry[type[DistillationLoss]] = Registry("distillation loss")

from tfctc.distill.losses import feature, logits  # noqa: E402, F401


def build_losses(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, DistillationLoss]:
    """Losses from a configuration ``{name: {"weight": ..., ...}}``.

    Raises:
        ConfigError: an unknown loss or argument, or a negative weight.
    """
    losses = {}
    for name, arguments in parts.items():
        try:
            losses[name] = LOSSES[name](**arguments)
        except TypeError as error:
            raise ConfigError(f"distillation loss {name}: {error}") from None
        if losses[name].weight < 0:
            raise ConfigError(f"distillation loss {name}: weight must be 0 or more, got {losses[name].weight}")
    return losses
