"""Confidence intervals by patient: the cells of one patient resemble each other, so that patients are counted.

The method is the jackknife that leaves out one patient at a time (Efron and Stein 1981, "The jackknife estimate of
variance"), with Student's t. `docs/evidence/intervals` holds its coverage on simulated test sets, beside that of the
bootstrap over patients, which is far too narrow for few patients.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A metric and the ends of its interval; None where undefined.

    Args:
        value: the metric.
        low, high: ends of its interval.
        reason: why there is no value or no interval; empty if there is.
    """

    value: float | None
    low: float | None
    high: float | None
    reason: str = ""


def leave_one_out(
    statistic: Callable[[np.ndarray], Mapping[str, float]], groups: np.ndarray
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Values of a statistic on all cells, and on the cells of all patients but one.

    Args:
        statistic: function from weights ``(N,)``, 0 or 1 for each cell, to metrics by name. An undefined metric is NaN.
        groups: ``(N,)`` the patient of each cell.

    Returns:
        Metric -> value on all cells; and metric -> ``(P,)`` its value without each patient, in sorted order.
    """
    names, members = np.unique(groups, return_inverse=True)
    value = dict(statistic(np.ones(len(groups))))
    without = [statistic((members != i).astype(float)) for i in range(len(names))]
    return value, {name: np.array([one[name] for one in without]) for name in value}


def share_interval(
    value: float,
    without: np.ndarray,
    weights: np.ndarray,
    holders: int,
    cells: int,
    level: float = LEVEL,
    of_one_class: bool = False,
) -> tuple[float, float]:
    """Interval of a metric in [0, 1] that is a share of cells, or of pairs of cells.

    Between 0 and 1 it is computed on the logit scale, so that it stays there. Where no patient changes the metric, as
    at 0 and at 1, it is the exact binomial interval of the cells (Clopper and Pearson 1934).

    Args:
        value: the metric on all cells.
        without: ``(P,)`` the metric without each patient; NaN where it is undefined.
        weights: ``(P,)`` each patient's part in the metric, such as the number of positive cells for the recall.
        holders: number of patients that the metric rests on, at least 2: those that hold its rarest class.
        cells: number of cells that the metric rests on.
        level: confidence level, in (0, 1).
        of_one_class: whether the metric is the share of the cells of one class. Its interval is then never narrower
            than that of independent cells, because patients may be alike by chance.

    Returns:
        (low, high), in [0, 1].
    """
    if value in (0, 1) or np.all(without == value):
        return binomial_interval(round(value * cells), cells, level)
    # Half a cell, because without one patient the metric may be 0 or 1; less for an AUROC, which counts pairs.
    smallest = min(0.5 / cells, value / 2, (1 - value) / 2)
    center = float(special.logit(value))
    others = np.where(np.isfinite(without), without, value)
    half = _half_width(special.logit(np.clip(others, smallest, 1 - smallest)) - center, weights, holders, level)
    low, high = special.expit([center - half, center + half]).tolist()
    if of_one_class:
        ends = binomial_interval(round(value * cells), cells, level)
        return min(low, ends[0]), max(high, ends[1])
    return low, high


def difference_interval(
    value: float, without: np.ndarray, weights: np.ndarray, holders: int, cells: int, level: float = LEVEL
) -> tuple[float, float]:
    """Interval of the difference of a metric in [0, 1] between two models on the same cells. Arguments as above.

    Where no patient changes the difference, its half-width is the exact binomial bound for no event in `cells` cells,
    because two models that agree on these cells may differ on others.

    Returns:
        (low, high), in [-1, 1].
    """
    shifts = np.where(np.isfinite(without), without, value) - value
    half = _half_width(shifts, weights, holders, level)
    if not np.any(shifts):
        half = binomial_interval(0, cells, level)[1]
    return max(value - half, -1.0), min(value + half, 1.0)


def linear_interval(
    value: float, without: np.ndarray, weights: np.ndarray, holders: int, level: float = LEVEL
) -> tuple[float, float]:
    """Interval of a metric of any size, such as a loss, on the metric's own scale. Arguments as above."""
    half = _half_width(np.where(np.isfinite(without), without, value) - value, weights, holders, level)
    return value - half, value + half


def binomial_interval(events: int, cells: int, level: float = LEVEL) -> tuple[float, float]:
    """Exact interval of a share, for independent cells (Clopper and Pearson 1934).

    Args:
        events: number of cells that count, 0 to `cells`.
        cells: number of cells, 1 or more.
        level: confidence level, in (0, 1).
    """
    found = stats.binomtest(events, cells).proportion_ci(level, "exact")
    return float(found.low), float(found.high)


def effective_number(weights: np.ndarray) -> float:
    """Number of equal patients that tell as much as these: (sum of weights)^2 / sum of squares (Kish 1965)."""
    weights = np.asarray(weights, float)
    return float(weights.sum() ** 2 / np.square(weights).sum()) if weights.any() else 0.0


def joint_weights(counts: Sequence[np.ndarray]) -> np.ndarray:
    """Each patient's part in a metric of several classes: root of the summed squares of its shares of their cells."""
    shares = [np.asarray(one, float) / max(float(np.sum(one)), 1.0) for one in counts]
    return np.sqrt(np.sum(np.square(shares), axis=0))


def _half_width(shifts: np.ndarray, weights: np.ndarray, holders: int, level: float) -> float:
    """Half the width of a jackknife interval; `shifts` ``(P,)`` are the changes of the metric without each patient."""
    patients = len(shifts)
    error = np.sqrt((patients - 1) / patients * np.square(shifts).sum())
    # Where few patients hold most cells, the error is known as badly as from that few patients. The half was found by
    # the coverage on simulated test sets: with 1 in its place intervals are too wide for uneven patients.
    freedom = max(min(effective_number(weights) - 0.5, holders - 1), 1.0)
    return float(stats.t.ppf(0.5 + level / 2, freedom) * error)
