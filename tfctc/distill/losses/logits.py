"""Soft targets: Hinton, Vinyals and Dean 2015, "Distilling the knowledge in a neural network", arXiv 1503.02531.

Decoupled knowledge distillation (Zhao et al. 2022, arXiv 2203.08679) would add nothing. It weighs the target class
against the distribution among the others, and of two classes there is one other: that part is identically zero, and
the rest is this loss.
"""

from typing import Any

from keras import ops

from tfctc.distill.losses.base import LOSSES, DistillationLoss, Tensors, number


@LOSSES.register("logits")
class LogitsLoss(DistillationLoss):
    """T² KL(softmax(teacher / T) || softmax(student / T)).

    T² keeps the gradient's size independent of the temperature (section 2 of the paper). It needs two logits or more:
    the softmax of a single logit is always 1 and the loss identically zero.
    """

    student_taps = ("logits",)
    teacher_taps = ("logits",)

    def __init__(self, weight: float = 1.0, temperature: float = 2.0):
        super().__init__(weight)
        self.temperature = number("temperature", temperature)

    def call(self, student: Tensors, teacher: Tensors, inputs: Tensors) -> Any:
        log_p = ops.log_softmax(teacher["logits"] / self.temperature)
        log_q = ops.log_softmax(student["logits"] / self.temperature)
        return self.temperature**2 * ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)
