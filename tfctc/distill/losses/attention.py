"""Attention transfer: Zagoruyko and Komodakis 2017, "Paying more attention to attention", arXiv 1612.03928."""

from keras import ops

from tfctc.distill.losses import LOSSES, DistillationLoss, Taps, same_size
from tfctc.distill.losses.arithmetic import unit


@LOSSES.register("attention")
class AttentionLoss(DistillationLoss):
    """|q(student feature) - q(teacher feature)|² / 2, in [0, 1], where q(F) is Σ_c F_c² over positions, of length 1.

    How strongly each position is answered to, whatever by: the numbers of channels may differ and nothing is projected.
    The square makes it 1 - cos(q, q); the paper's equation 2 has the bare distance, its code the square.

    Args:
        tap: the spatial feature map compared, ``(B, h, w, c)``; h and w must agree between student and teacher.
    """

    def __init__(self, weight: float = 1.0, tap: str = "stage3"):
        super().__init__(weight)
        self.tap = tap
        self.student_taps = self.teacher_taps = (tap,)

    def prepare(self, student_shapes, teacher_shapes):
        same_size("attention", self.tap, student_shapes, teacher_shapes)

    def call(self, student: Taps, teacher: Taps):
        difference = self._attention(student[self.tap]) - self._attention(teacher[self.tap])
        return ops.sum(ops.square(difference), axis=-1) / 2.0

    @staticmethod
    def _attention(feature):
        # The mean over channels, not the sum: the same direction, and a length that the epsilon in `unit` is meant for.
        return unit(ops.reshape(ops.mean(ops.square(feature), axis=-1), (-1, feature.shape[1] * feature.shape[2])))
