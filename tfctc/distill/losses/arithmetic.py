"""Functions that several losses share: float32, with finite gradients even where a length or a deviation is 0."""

from keras import ops


def standardised(x, axis, weight=1.0):
    """`x` minus its mean, divided by its standard deviation, along `axis`.

    Args:
        x: tensor of any shape.
        axis: one axis or several.
        weight: 1 for entries that count for mean and deviation, 0 for others; broadcast to `x`.
    """
    weight = weight * ops.ones_like(x)
    n = ops.maximum(ops.sum(weight, axis, keepdims=True), 1.0)
    x = x - ops.sum(weight * x, axis, keepdims=True) / n
    # A deviation of 1e-4 is below the noise of an image in [0, 1] and above the rounding errors of a constant one.
    return x * ops.rsqrt(ops.sum(weight * ops.square(x), axis, keepdims=True) / n + 1e-8)


def unit(x):
    """`x` scaled so that its vectors along the last axis have length 1."""
    return x * ops.rsqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-6)


def huber(x):
    """Huber function: x² / 2 up to |x| = 1, |x| - 1/2 beyond (Huber 1964, threshold 1)."""
    size = ops.absolute(x)
    return ops.where(size < 1.0, ops.square(x) / 2.0, size - 0.5)


def info_nce(a, b, counts, temperature):
    """Symmetric InfoNCE ``(B,)``: small for a cell whose `a` is more similar to its own `b` than to those of others.

    ``(NCE(a, b) + NCE(b, a)) / 2`` with ``NCE(a, b)_i = -log(exp(a_i · b_i / T) / sum_j exp(a_i · b_j / T))``. All
    vectors are scaled to length 1, and j runs over the cells that count. The value is 0 if every cell is matched with
    certainty, and log n by chance among n cells.

    van den Oord et al. 2018, "Representation learning with contrastive predictive coding", arXiv 1807.03748; both ways
    as in Radford et al. 2021, arXiv 2103.00020, figure 3.

    Args:
        a, b: ``(B, width)``.
        counts: ``(B,)``, 1 for a cell that counts. A cell of 0 is not compared with others, and its value is 0.
        temperature: T, above 0.
    """
    similarity = ops.matmul(unit(a), ops.transpose(unit(b))) / temperature
    # Not minus infinity: the gradient of a cell that does not count must be finite, so that times 0 it is 0.
    similarity = ops.where(counts[:, None] * counts > 0, similarity, -1e9)
    there, back = (ops.logsumexp(similarity, axis=axis) - ops.diagonal(similarity) for axis in (1, 0))
    return counts * (there + back) / 2.0
