"""Attention transfer: Zagoruyko and Komodakis 2017, "Paying more attention to attention", arXiv 1612.03928."""

from typing import Any

from keras import ops

from tfctc.distill.losses.arithmetic import unit
from tfctc.distill.losses.base import LOSSES, DistillationLoss, Tensors, check_maps


@LOSSES.register("attention")
class AttentionLoss(DistillationLoss):
    """|q(student feature) - q(teacher feature)|² / 2, in [0, 1], where q(F) is Σ_c F_c² over positions, of length 1.

    q tells how strongly the network responds at each position, whichever channel responds. So student and teacher may
    have different numbers of channels, and no projector is needed. The square makes the loss 1 - cos(q, q'). Equation 2
    of the paper has the distance without the square; its code has the square.

    Args:
        tap: the spatial feature map compared, ``(B, h, w, c)``; h and w must agree between student and teacher.
    """

    def __init__(self, weight: float = 1.0, tap: str = "stage3"):
        super().__init__(weight)
        self.tap = tap
        self.student_taps = self.teacher_taps = (tap,)

    def prepare(self, student_shapes, teacher_shapes, image_shape):
        check_maps("attention", self.tap, student_shapes, teacher_shapes)

    def call(self, student: Tensors, teacher: Tensors, inputs: Tensors) -> Any:
        difference = self._attention(student[self.tap]) - self._attention(teacher[self.tap])
        return ops.sum(ops.square(difference), axis=-1) / 2.0

    @staticmethod
    def _attention(feature):
        # The mean over channels, not the sum: the direction is the same, and the mean is large against `unit`'s epsilon
        # whatever the number of channels.
        return unit(ops.reshape(ops.mean(ops.square(feature), axis=-1), (-1, feature.shape[1] * feature.shape[2])))
