"""Hints: Romero et al. 2015, "FitNets: hints for thin deep nets", arXiv 1412.6550."""

from typing import Any

import keras
from keras import ops

from tfctc.distill.losses.arithmetic import unit
from tfctc.distill.losses.base import LOSSES, DistillationLoss, Tensors, check_maps


@LOSSES.register("feature")
class FeatureLoss(DistillationLoss):
    """Mean over positions of 1 - cos(projector(student feature), teacher feature), in [0, 2].

    The projector is the paper's convolutional regressor, with a 1 x 1 kernel. The cosine replaces the paper's L2
    distance, because the scale of a ReLU network's features is arbitrary.

    Args:
        tap: the spatial feature map compared, ``(B, h, w, c)``; h and w must agree between student and teacher.
    """

    def __init__(self, weight: float = 1.0, tap: str = "stage3"):
        super().__init__(weight)
        self.tap = tap
        self.student_taps = self.teacher_taps = (tap,)
        self.projector: Any = None

    def prepare(self, student_shapes, teacher_shapes, image_shape):
        check_maps("feature", self.tap, student_shapes, teacher_shapes)
        filters = teacher_shapes[self.tap][-1]
        self.projector = keras.layers.Conv2D(filters, 1, use_bias=False, dtype=self.dtype_policy, name="projector")
        self.projector.build(student_shapes[self.tap])

    def call(self, student: Tensors, teacher: Tensors, inputs: Tensors) -> Any:
        projected, target = unit(self.projector(student[self.tap])), unit(teacher[self.tap])
        return ops.mean(1.0 - ops.sum(projected * target, axis=-1), axis=(1, 2))
