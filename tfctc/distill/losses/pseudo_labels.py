"""Pseudo-labels without a teacher: Sohn et al. 2020, "FixMatch: simplifying semi-supervised learning with consistency
and confidence", arXiv 2001.07685, equation 4. The strong augmentation is that of the training; the weak one is none.
"""

from typing import Any

from keras import ops

from tfctc.distill.losses.base import LABEL, LOSSES, OWN_LOGITS, DistillationLoss, Tensors, check_number
from tfctc.errors import ConfigError


@LOSSES.register("pseudo-labels")
class PseudoLabelsLoss(DistillationLoss):
    """Cross-entropy of the student with its own call of the same cell without augmentation.

    It counts the cells without a label of whose class the student is confident, and is 0 for all others. DAPI has no
    part in it: this is the rival of distillation that learns from unlabelled bright-field images alone.

    Args:
        threshold: probability from which the student is confident, in (0.5, 1).
    """

    student_taps = ("logits",)
    inputs = (LABEL, OWN_LOGITS)

    def __init__(self, weight: float = 1.0, threshold: float = 0.95):
        super().__init__(weight)
        self.threshold = check_number("threshold", threshold)
        if not 0.5 < threshold < 1:
            raise ConfigError(f"threshold must be between 0.5 and 1, got {threshold}")

    def call(self, student: Tensors, teacher: Tensors, inputs: Tensors) -> Any:
        own = ops.softmax(inputs[OWN_LOGITS])
        counted = ops.logical_and(inputs[LABEL] < 0, ops.max(own, axis=-1) >= self.threshold)
        called = ops.one_hot(ops.argmax(own, axis=-1), own.shape[-1])
        return ops.cast(counted, "float32") * -ops.sum(called * ops.log_softmax(student["logits"]), axis=-1)
