"""Soft targets: Hinton, Vinyals and Dean 2015, "Distilling the knowledge in a neural network", arXiv 1503.02531.

Decoupled knowledge distillation (Zhao et al. 2022, arXiv 2203.08679) would add nothing. It has one term for the target
class and one for the distribution among the other classes. With two classes there is only one other class: the second
term is zero, and the first is this loss. (It was not tried with the third class, `other`.)
"""

from typing import Any

from keras import ops

from tfctc.distill.losses.base import LOSSES, DistillationLoss, Tensors, check_number


@LOSSES.register("logits")
class LogitsLoss(DistillationLoss):
    """T² KL(softmax(teacher / T) || softmax(student / T)), 0 or more, over the logits ``(B, K)``.

    T² keeps the size of the gradient independent of the temperature (section 2 of the paper).

    Args:
        temperature: T, above 0.
    """

    student_taps = ("logits",)
    teacher_taps = ("logits",)

    def __init__(self, weight: float = 1.0, temperature: float = 2.0):
        super().__init__(weight)
        self.temperature = check_number("temperature", temperature)

    def call(self, student: Tensors, teacher: Tensors, inputs: Tensors) -> Any:
        log_p = ops.log_softmax(teacher["logits"] / self.temperature)
        log_q = ops.log_softmax(student["logits"] / self.temperature)
        return self.temperature**2 * ops.sum(ops.exp(log_p) * (log_p - log_q), axis=-1)
