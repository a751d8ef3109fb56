"""Contrastive distillation: Tian et al. 2020, "Contrastive representation distillation", arXiv 1910.10699.

Here the objective is InfoNCE among the cells of the batch, in place of the paper's memory of past negatives.
"""

from numbers import Integral
from typing import Any

import keras

from tfctc.distill.losses.arithmetic import info_nce
from tfctc.distill.losses.base import COUNTS, LOSSES, DistillationLoss, Tensors, check_number


@LOSSES.register("contrastive")
class ContrastiveLoss(DistillationLoss):
    """InfoNCE(projector(student embedding), teacher_projector(teacher embedding)), 0 or more; log n by chance among n.

    The student's embedding of a cell must be more similar to the teacher's embedding of the same cell than to those of
    other cells, and the other way round (`info_nce`). Both projectors are linear and train with the student, as in the
    paper. The teacher's embedding ``(B, d)`` stays fixed.

    Args:
        temperature: T of `info_nce`.
        width: dimensions that both embeddings are projected to.
    """

    student_taps = ("embedding",)
    teacher_taps = ("embedding",)
    inputs = (COUNTS,)
    of_batch = True

    def __init__(self, weight: float = 1.0, temperature: float = 0.1, width: int = 64):
        super().__init__(weight)
        self.temperature = check_number("temperature", temperature)
        self.width = check_number("width", width, kind=Integral)
        self.projector: Any = None
        self.teacher_projector: Any = None

    def prepare(self, student_shapes, teacher_shapes, image_shape):
        self.projector = keras.layers.Dense(self.width, dtype=self.dtype_policy, name="projector")
        self.projector.build(student_shapes["embedding"])
        self.teacher_projector = keras.layers.Dense(self.width, dtype=self.dtype_policy, name="teacher_projector")
        self.teacher_projector.build(teacher_shapes["embedding"])

    def call(self, student: Tensors, teacher: Tensors, inputs: Tensors) -> Any:
        learnt, taught = self.projector(student["embedding"]), self.teacher_projector(teacher["embedding"])
        return info_nce(learnt, taught, inputs[COUNTS], self.temperature)
