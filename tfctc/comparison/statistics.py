"""How sure a comparison of arms is, where every arm has been trained with the same seeds."""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats


def interval(values: Sequence[float], level: float = 0.95) -> dict[str, float | int | None]:
    """Mean of `values` with Student's t interval (Gosset 1908); "low" and "high" are None for fewer than two.

    Of paired differences it is the paired t-test's: the means differ if it excludes zero.
    """
    values = np.asarray(values, float)
    found = {"mean": float(values.mean()), "low": None, "high": None, "seeds": len(values)}
    if len(values) > 1:
        half = stats.t.ppf(0.5 + level / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
        found |= {"low": found["mean"] - float(half), "high": found["mean"] + float(half)}
    return found


def gap_closed(
    student: Sequence[float], baseline: Sequence[float], ceiling: Sequence[float], level: float = 0.95, seed: int = 0
) -> dict[str, float | None]:
    """(student - baseline) / (ceiling - baseline), of means over the same seeds, with a percentile bootstrap interval.

    All None where the ceiling's mean is not above the baseline's: there is no gap. Resamples without one are left out.
    One seed has no interval.
    """
    together = np.array([student, baseline, ceiling], float)
    rng = np.random.default_rng(seed)
    drawn = together[:, rng.integers(together.shape[1], size=(10000, together.shape[1]))].mean(axis=2)
    learner, floor, top = together.mean(axis=1)
    if top <= floor:
        return {"value": None, "low": None, "high": None}
    share = float((learner - floor) / (top - floor))
    if together.shape[1] == 1:
        return {"value": share, "low": None, "high": None}
    shares = (drawn[0] - drawn[1])[drawn[2] > drawn[1]] / (drawn[2] - drawn[1])[drawn[2] > drawn[1]]
    low, high = np.percentile(shares, [50 * (1 - level), 50 * (1 + level)])
    return {"value": share, "low": float(low), "high": float(high)}


def labels_needed(figure: float, budgets: Sequence[int], baseline: Sequence[float]) -> float | None:
    """How many labels take the baseline's mean figure to `figure`, linear in log(labels) between the budgets tried.

    None where it lies beyond the budgets tried: math.inf would be a claim, and so would the largest budget.
    """
    order = np.argsort(budgets)
    labels, figures = np.asarray(budgets, float)[order], np.asarray(baseline, float)[order]
    for i in range(1, len(labels)):
        if figures[i - 1] <= figure <= figures[i]:
            rise = figures[i] - figures[i - 1]
            part = (figure - figures[i - 1]) / rise if rise else 0.0
            return float(labels[i - 1] * (labels[i] / labels[i - 1]) ** part)
    return None
