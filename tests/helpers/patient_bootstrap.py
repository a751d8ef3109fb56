"""Percentile bootstrap over patients (Efron and Tibshirani 1993), an oracle for many patients."""

import numpy as np


def bootstrap(statistic, groups, seed, resamples=400):
    """95 % interval of `statistic`, a function from the weight of each cell to a number."""
    names, members = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(seed)
    drawn = [
        statistic(np.bincount(rng.integers(len(names), size=len(names)), minlength=len(names))[members].astype(float))
        for _ in range(resamples)
    ]
    return tuple(np.percentile(drawn, [2.5, 97.5]))
