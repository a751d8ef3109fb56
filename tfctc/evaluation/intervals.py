"""Confidence intervals: a bootstrap that resamples patients, because the cells of one patient resemble each other."""

from collections.abc import Callable, Mapping

import numpy as np

from tfctc.errors import SplitError


def bootstrap(
    statistic: Callable[[np.ndarray], Mapping[str, float]],
    groups: np.ndarray,
    *,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of every metric that `statistic` returns (Efron and Tibshirani 1993, chapters 8 and 13).

    Args:
        statistic: function from weights ``(N,)`` to metrics by name. A weight is the number of times that a cell was
            drawn. An undefined metric is NaN.
        groups: ``(N,)`` the patient of each cell; whole patients are drawn, with replacement.
        seed: seed of the bootstrap.
        resamples: number of resamples.
        level: confidence level, in (0, 1).

    Returns:
        Metric -> (low, high), over the resamples in which the metric is defined; (NaN, NaN) if there is none.

    Raises:
        SplitError: fewer than two patients; one patient does not show how much patients differ.
    """
    names, members = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        problem = "an interval by patient needs two patients or more, got one"
        raise SplitError(problem, fix="fit with more patients, or with a larger split.validation and split.test")
    rng = np.random.default_rng(seed)
    drawn = [
        statistic(np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))[members].astype(float))
        for _ in range(resamples)
    ]
    tails = [50 * (1 - level), 50 * (1 + level)]
    intervals = {}
    for metric in drawn[0]:
        values = np.array([d[metric] for d in drawn])
        defined = values[np.isfinite(values)]
        intervals[metric] = tuple(np.percentile(defined, tails).tolist()) if defined.size else (np.nan, np.nan)
    return intervals
