"""Contrast with the teacher: Tian et al. 2020, "Contrastive representation distillation", arXiv 1910.10699.

The objective is here InfoNCE among the cells of the batch, in place of the paper's memory of past negatives.
"""

from numbers import Integral

import keras

from tfctc.cells import DAPI_PRESENT
from tfctc.distill.losses import LOSSES, DistillationLoss, Taps, number
from tfctc.distill.losses.arithmetic import info_nce


@LOSSES.register("contrastive")
class ContrastiveLoss(DistillationLoss):
    """InfoNCE(projector(student embedding), teacher_projector(teacher embedding)), 0 or more; a guess among n is log n.

    A cell is to find its own teacher embedding among those of the batch, and the other way round (`info_nce`). Both
    projectors are linear and train, as in the paper; the teacher's embedding ``(B, d)`` itself does not.

    Args:
        temperature: T of `info_nce`.
        width: dimensions that both embeddings are projected to.
    """

    student_taps = ("embedding",)
    teacher_taps = ("embedding", DAPI_PRESENT)
    of_batch = True

    def __init__(self, weight: float = 1.0, temperature: float = 0.1, width: int = 64):
        super().__init__(weight)
        self.temperature = number("temperature", temperature)
        self.width = number("width", width, kind=Integral)
        self.projector = self.teacher_projector = None

    def prepare(self, student_shapes, teacher_shapes):
        self.projector = keras.layers.Dense(self.width, dtype=self.dtype_policy, name="projector")
        self.projector.build(student_shapes["embedding"])
        self.teacher_projector = keras.layers.Dense(self.width, dtype=self.dtype_policy, name="teacher_projector")
        self.teacher_projector.build(teacher_shapes["embedding"])

    def call(self, student: Taps, teacher: Taps):
        learnt, taught = self.projector(student["embedding"]), self.teacher_projector(teacher["embedding"])
        return info_nce(learnt, taught, teacher[DAPI_PRESENT], self.temperature)
