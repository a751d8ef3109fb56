"""Relations between cells: Park et al. 2019, "Relational knowledge distillation", arXiv 1904.05068."""

from typing import Any

from keras import ops

from tfctc.distill.losses.arithmetic import huber
from tfctc.distill.losses.base import COUNTS, LOSSES, DistillationLoss, Tensors, check_number


@LOSSES.register("relational")
class RelationalLoss(DistillationLoss):
    """distance * mean_j huber(ψ_ij - ψ'_ij) + angle * mean_jk huber(cos ∠jik - cos ∠'jik) for cell i, 0 or more.

    ψ_ij = |e_i - e_j| / (mean of |e_i - e_j| over the pairs of the batch), where e is the student's embedding
    ``(B, d)``; ψ' and ∠' are the same for the teacher's embedding. Means are over pairs and triples of different cells
    that count. No projector is needed: the student's embedding takes on the teacher's geometry, not its axes.

    Averaged over i, the two parts are RKD-D and RKD-A of the authors' code, except that their code also counts the
    zeros of i = j and j = k. Memory grows as B² d + B³.

    Args:
        distance, angle: factors of the two parts, the paper's 1 : 2.
    """

    student_taps = ("embedding",)
    teacher_taps = ("embedding",)
    inputs = (COUNTS,)
    of_batch = True

    def __init__(self, weight: float = 1.0, distance: float = 1.0, angle: float = 2.0):
        super().__init__(weight)
        self.distance = check_number("distance", distance, zero=True)
        self.angle = check_number("angle", angle, zero=True)

    def call(self, student: Tensors, teacher: Tensors, inputs: Tensors) -> Any:
        counts = inputs[COUNTS]
        different = 1.0 - ops.eye(ops.shape(counts)[0])
        pairs = counts[:, None] * counts * different
        triples = pairs[:, :, None] * pairs[:, None, :] * different
        relations = zip(*(self._relations(taps["embedding"], pairs) for taps in (student, teacher)), strict=True)
        distance, angle = (huber(learnt - taught) for learnt, taught in relations)
        return self.distance * _mean(distance, pairs, 1) + self.angle * _mean(angle, triples, (1, 2))

    @staticmethod
    def _relations(embedding, pairs):
        """ψ_ij ``(B, B)`` and cos ∠jik ``(B, B, B)``."""
        apart = embedding[None] - embedding[:, None]
        # The gradient of the square root is not finite at 0.
        distance = ops.sqrt(ops.maximum(ops.sum(ops.square(apart), axis=-1), 1e-12))
        direction = apart / distance[:, :, None]
        cosine = ops.matmul(direction, ops.transpose(direction, (0, 2, 1)))
        return distance / ops.maximum(_mean(distance, pairs, (0, 1)), 1e-6), cosine


def _mean(x, weight, axis):
    """Mean over the entries of weight 1; 0 if there are none."""
    return ops.sum(weight * x, axis) / ops.maximum(ops.sum(weight, axis), 1.0)
