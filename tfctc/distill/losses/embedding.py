"""Regression of the teacher's embedding.

A linear projector, and embeddings standardised on both sides, are as in Miles and Mikolajczyk 2024, "Understanding the
role of the projector in knowledge distillation", AAAI 38(5), arXiv 2303.11098. The squared distance of SimKD (Chen et
al. 2022, "Knowledge distillation with the reused teacher classifier", arXiv 2203.14001) replaces their soft maximum.
"""

from typing import Any

import keras
from keras import ops

from tfctc.distill.losses.arithmetic import standardised
from tfctc.distill.losses.base import COUNTS, LOSSES, DistillationLoss, Tensors


@LOSSES.register("embedding")
class EmbeddingLoss(DistillationLoss):
    """Mean over units of (standardised(projector(student embedding)) - standardised(teacher embedding))² / 2.

    Each unit is standardised over the cells of the batch. So the mean over these cells is 1 - Pearson's r, in [0, 2],
    averaged over the teacher's units. The part of an embedding that all cells share does not count. That part is large
    after a ReLU: without standardisation, the cosine of the embeddings of any two cells would be near 1.

    The loss compares the pooled embedding, ``(B, d)``. The loss `feature` compares positions in the image.
    """

    student_taps = ("embedding",)
    teacher_taps = ("embedding",)
    inputs = (COUNTS,)
    of_batch = True

    def __init__(self, weight: float = 1.0):
        super().__init__(weight)
        self.projector: Any = None

    def prepare(self, student_shapes, teacher_shapes, image_shape):
        width = teacher_shapes["embedding"][-1]
        self.projector = keras.layers.Dense(width, use_bias=False, dtype=self.dtype_policy, name="projector")
        self.projector.build(student_shapes["embedding"])

    def call(self, student: Tensors, teacher: Tensors, inputs: Tensors) -> Any:
        counts = inputs[COUNTS]
        learnt, taught = (
            standardised(x, 0, counts[:, None]) for x in (self.projector(student["embedding"]), teacher["embedding"])
        )
        return counts * ops.mean(ops.square(learnt - taught), axis=-1) / 2.0
