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
    student: Sequence[float], baseline: Sequence[float], ceiling: Sequence[float], level: float = 0.95
) -> dict[str, float | int | None]:
    """(student - baseline) / (ceiling - baseline), of means over the same seeds, with the interval of a ratio estimate
    (Cochran 1977, Sampling Techniques, section 6.4), Student's t in place of the normal distribution.

    "value" is None where the ceiling's mean is not above the baseline's: there is no gap. One seed has no interval.
    """
    learnt, gap = np.subtract(student, baseline), np.subtract(ceiling, baseline)
    found = {"value": None, "low": None, "high": None, "seeds": len(gap)}
    # Two equal means may differ by rounding.
    if gap.mean() > 1e-9:
        share = found["value"] = float(learnt.mean() / gap.mean())
        about = interval(learnt - share * gap, level)
        if about["high"] is not None:
            half = (about["high"] - about["mean"]) / float(gap.mean())
            found |= {"low": share - half, "high": share + half}
    return found


def labels_needed(figure: float, budgets: Sequence[int], baseline: Sequence[float]) -> float | None:
    """The fewest labels that take the baseline's mean figure to `figure`, linear in log(labels) between budgets tried.

    None where it lies beyond the budgets tried: math.inf would be a claim, and so would the largest budget.
    """
    order = np.argsort(budgets)
    labels, figures = np.asarray(budgets, float)[order], np.asarray(baseline, float)[order]
    reached = np.flatnonzero(figures >= figure)
    if not len(reached):
        return None
    i = reached[0]
    if i == 0:
        return float(labels[0]) if figures[0] == figure else None
    part = (figure - figures[i - 1]) / (figures[i] - figures[i - 1])
    return float(labels[i - 1] * (labels[i] / labels[i - 1]) ** part)
