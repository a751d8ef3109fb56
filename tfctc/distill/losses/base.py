"""Base class and registry of the distillation losses: from taps of student and teacher to one value for each cell."""

import inspect
import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import keras
from keras import ops

from tfctc.cells import DAPI
from tfctc.data.soft_labels import SOFT_LABEL
from tfctc.errors import ConfigError
from tfctc.registry import Registry

#: Name -> tensor, ``(B, ...)`` float32.
Tensors = Mapping[str, Any]
#: Inputs of a loss beside the taps. "dapi": the DAPI images ``(B, H, W, 1)`` in [0, 1]. "label": float32 ``(B,)``; 0 is
#: negative, 1 positive, 2 other, -1 unlabelled. "soft_label": float32 ``(B, K)``, probabilities of the classes, all 0
#: for a cell without a soft label. "own_logits": float32 ``(B, K)``, logits of the student itself, as an inference
#: gives them before this step, for the images without augmentation. "counts": float32 ``(B,)``; 1 for a cell that this
#: loss counts, 0 for a cell that lacks the DAPI image which the loss needs.
LABEL, OWN_LOGITS, COUNTS = "label", "own_logits", "counts"
INPUTS = (DAPI, LABEL, SOFT_LABEL, OWN_LOGITS, COUNTS)


class DistillationLoss(keras.layers.Layer):
    """A loss beside the label loss: the student imitates a teacher, or learns from the DAPI image or the label itself.

    A subclass names its inputs, implements `call`, and creates its weights, if any, in `prepare`. A loss is a Keras
    layer, so that the weights of a projector train with the student. They are never part of the exported student.

    The value of a cell depends on that cell alone. With `of_batch` it also depends on the other cells of the replica's
    batch that count, and is 0 for a cell that does not count.

    Attributes:
        student_taps: taps of the student that `call` reads.
        teacher_taps: taps of the teacher that `call` reads; () for a loss that needs no teacher.
        inputs: names from `INPUTS` that `call` reads.
        of_batch: whether cells of a batch are compared with each other.

    Args:
        weight: factor in the total loss, 0 or more.
    """

    student_taps: tuple[str, ...] = ()
    teacher_taps: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    of_batch: bool = False

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        keras.saving.register_keras_serializable("tfctc")(cls)

    def __init__(self, weight: float = 1.0):
        super().__init__(dtype="float32")
        self.weight = check_number("weight", weight, zero=True)
        self.built = True

    @property
    def needs_teacher(self) -> bool:
        """Whether the loss reads taps of a teacher."""
        return bool(self.teacher_taps)

    @property
    def needs_soft_labels(self) -> bool:
        """Whether the loss reads the soft labels of teachers."""
        return SOFT_LABEL in self.inputs

    @property
    def needs_own_logits(self) -> bool:
        """Whether the loss reads what the student gives for the images without augmentation."""
        return OWN_LOGITS in self.inputs

    @property
    def reads_dapi(self) -> bool:
        """Whether the loss reads the DAPI image itself."""
        return DAPI in self.inputs

    def prepare(
        self, student_shapes: Mapping[str, tuple], teacher_shapes: Mapping[str, tuple], image_shape: tuple
    ) -> None:
        """Creates the weights that the loss needs, if any.

        Args:
            student_shapes, teacher_shapes: shapes of the taps, ``(None, ...)``.
            image_shape: shape of the DAPI images, ``(None, H, W, 1)``.

        Raises:
            ConfigError: taps of shapes that the loss cannot compare.
        """

    def __call__(self, student: Tensors, teacher: Tensors, inputs: Tensors) -> Any:
        # A gradient tape of the caller must not reach the teacher.
        fixed = ({name: ops.stop_gradient(value) for name, value in given.items()} for given in (teacher, inputs))
        return super().__call__(student, *fixed)

    def call(self, student: Tensors, teacher: Tensors, inputs: Tensors) -> Any:
        """Loss of each cell, ``(B,)`` float32, 0 or more.

        Args:
            student: tap of `student_taps` -> feature of the student.
            teacher: tap of `teacher_taps` -> feature of the teacher.
            inputs: name in `inputs` -> tensor of the batch.
        """
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """Arguments of the constructor that create an equal loss."""
        _, *names = inspect.signature(type(self).__init__).parameters
        return {name: getattr(self, name) for name in names}

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


LOSSES: Registry[type[DistillationLoss]] = Registry("distillation loss", package="tfctc.distill.losses", group="losses")


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
        except TypeError as error:
            known = ", ".join(inspect.signature(kind).parameters)
            raise ConfigError(f"distillation loss {name}: {error}", fix=f"known arguments: {known}") from None
        except ConfigError as error:
            raise ConfigError(f"distillation loss {name}: {error}") from None
        if not all(isinstance(tap, str) for tap in losses[name].student_taps):
            raise ConfigError(f"distillation loss {name}: tap must be a name, got {arguments['tap']!r}")
        for unknown in set(losses[name].inputs) - set(INPUTS):
            raise ConfigError(f"distillation loss {name} reads {unknown!r}, known inputs are {', '.join(INPUTS)}")
    return losses


def check_number(argument: str, value: Any, *, zero: bool = False, kind: type = Real) -> Any:
    """`value`, after a check that it is a finite number above 0.

    Args:
        argument: name of the argument, for the message.
        value: the value.
        zero: whether 0 is allowed too.
        kind: `numbers.Real` or `numbers.Integral`.

    Raises:
        ConfigError: `value` is not such a number.
    """
    fits = isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)  # type: ignore[arg-type]
    if not fits or value < 0 or (value == 0 and not zero):
        whole = "a whole number " if kind is Integral else ""
        raise ConfigError(f"{argument} must be {whole}{'0 or more' if zero else 'above 0'}, got {value!r}")
    return value


def check_maps(loss: str, tap: str, student_shapes: Mapping[str, tuple], teacher_shapes: Mapping[str, tuple]) -> None:
    """Checks that a tap is a feature map ``(B, h, w, c)`` of the same h and w in student and teacher.

    Args:
        loss: name of the loss, for the message.
        tap: name of the tap.
        student_shapes, teacher_shapes: shapes of the taps, ``(None, ...)``.

    Raises:
        ConfigError: the tap is not a map, or its h and w differ.
    """
    student, teacher = student_shapes[tap], teacher_shapes[tap]
    if len(student) != 4 or student[1:3] != teacher[1:3]:
        raise ConfigError(
            f"distillation loss {loss}: tap {tap} must be a map of one size, got student {student[1:]}, "
            f"teacher {teacher[1:]}",
            fix="choose another tap, or the same backbone for both",
        )
