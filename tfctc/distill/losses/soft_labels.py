"""Soft labels of teachers: Hinton, Vinyals and Dean 2015, "Distilling the knowledge in a neural network", arXiv
1503.02531, with probabilities that were computed and calibrated before the training (`tfctc.distill.stacking`).
"""

from typing import Any

from keras import ops

from tfctc.data.soft_labels import SOFT_LABEL
from tfctc.distill.losses.base import LOSSES, DistillationLoss, Tensors


@LOSSES.register("soft-labels")
class SoftLabelsLoss(DistillationLoss):
    """KL(soft label || softmax(student)), 0 or more, over the classes; 0 for a cell without a soft label.

    A calibrated probability needs no temperature. `distill.teacher_kinds` names the teachers that are asked.
    """

    student_taps = ("logits",)
    inputs = (SOFT_LABEL,)

    def call(self, student: Tensors, teacher: Tensors, inputs: Tensors) -> Any:
        p = inputs[SOFT_LABEL]
        log_q = ops.log_softmax(student["logits"])
        # p log p is 0 at p = 0.
        return ops.sum(p * (ops.log(ops.maximum(p, 1e-30)) - log_q), axis=-1)
