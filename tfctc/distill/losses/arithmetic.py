"""What several losses compute. All of it is float32, and its gradients stay finite where a vector or a spread is 0."""

from keras import ops


def standardised(x, axis, weight=1.0):
    """`x` less its mean, over its standard deviation, along `axis`; entries of `weight` 0 do not count."""
    weight = weight * ops.ones_like(x)
    n = ops.maximum(ops.sum(weight, axis, keepdims=True), 1.0)
    x = x - ops.sum(weight * x, axis, keepdims=True) / n
    # A spread of 1e-4 is below the noise of an image in [0, 1] and above the rounding of a constant one.
    return x * ops.rsqrt(ops.sum(weight * ops.square(x), axis, keepdims=True) / n + 1e-8)


def unit(x):
    """Vectors along the last axis, of length 1."""
    return x * ops.rsqrt(ops.sum(ops.square(x), axis=-1, keepdims=True) + 1e-6)


def huber(x):
    """x² / 2 up to |x| = 1, |x| - 1/2 beyond."""
    size = ops.absolute(x)
    return ops.where(size < 1.0, ops.square(x) / 2.0, size - 0.5)


def info_nce(a, b, present, temperature):
    """How hard it is to tell whose a is whose b: symmetric InfoNCE, one number a cell.

    ``(NCE(a, b) + NCE(b, a)) / 2`` with ``NCE(a, b)_i = -log(exp(a_i · b_i / T) / sum_j exp(a_i · b_j / T))``, all of
    length 1 and j over the cells that are present. 0 is certainty, log n a guess among n.

    Args:
        a, b: ``(B, width)``.
        present: ``(B,)``; a cell of 0 is nobody's negative, and its own number is 0.

    van den Oord et al. 2018, "Representation learning with contrastive predictive coding", arXiv 1807.03748; both ways
    as in Radford et al. 2021, arXiv 2103.00020, figure 3.
    """
    alike = ops.matmul(unit(a), ops.transpose(unit(b))) / temperature
    # Finite, so that the row of a cell that is not there has a gradient to be multiplied by 0.
    alike = ops.where(present[:, None] * present > 0, alike, -1e9)
    there, back = (ops.logsumexp(alike, axis=axis) - ops.diagonal(alike) for axis in (1, 0))
    return present * (there + back) / 2.0
