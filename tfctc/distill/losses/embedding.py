"""Regression of the teacher's embedding.

Standardised on both sides behind a linear projector as in Miles and Mikolajczyk 2024, "Understanding the role of the
projector in knowledge distillation", AAAI 38(5), arXiv 2303.11098; with the plain squared distance of SimKD (Chen et
al. 2022, "Knowledge distillation with the reused teacher classifier", arXiv 2203.14001) in place of their soft maximum.
"""

import keras
from keras import ops

from tfctc.cells import DAPI_PRESENT
from tfctc.distill.losses import LOSSES, DistillationLoss, Taps
from tfctc.distill.losses.arithmetic import standardised


@LOSSES.register("embedding")
class EmbeddingLoss(DistillationLoss):
    """Mean over units of (standardised(projector(student embedding)) - standardised(teacher embedding))² / 2.

    Standardised over the cells of the batch, unit by unit, so that the mean over these cells is 1 - Pearson's r, in
    [0, 2], averaged over the teacher's units. What all cells share, the most part of an embedding behind a ReLU, so
    counts for nothing; a cosine between the bare embeddings would be near 1 for any two cells.

    The pooled embedding is compared, ``(B, d)``; where in the image something is, `feature` knows.
    """

    student_taps = ("embedding",)
    teacher_taps = ("embedding", DAPI_PRESENT)
    of_batch = True

    def __init__(self, weight: float = 1.0):
        super().__init__(weight)
        self.projector = None

    def prepare(self, student_shapes, teacher_shapes):
        width = teacher_shapes["embedding"][-1]
        self.projector = keras.layers.Dense(width, use_bias=False, dtype=self.dtype_policy, name="projector")
        self.projector.build(student_shapes["embedding"])

    def call(self, student: Taps, teacher: Taps):
        present = teacher[DAPI_PRESENT]
        learnt, taught = (
            standardised(x, 0, present[:, None]) for x in (self.projector(student["embedding"]), teacher["embedding"])
        )
        return present * ops.mean(ops.square(learnt - taught), axis=-1) / 2.0
