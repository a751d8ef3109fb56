"""Statistics of arms that were trained with the same seeds: intervals, the gap closed, the labels needed."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

#: Numbers of labels that are tried between the smallest and the largest budget.
INTERPOLATED = 2000


def interval(values: Sequence[float] | np.ndarray, level: float = 0.95) -> dict[str, Any]:
    """Mean of `values` with Student's t interval (Student 1908, "The probable error of a mean").

    For paired differences it is the interval of the paired t-test.

    Args:
        values: one value for each seed, at least one.
        level: confidence level, in (0, 1).

    Returns:
        "mean", "low", "high" and "seeds", the number of values. "low" and "high" are None for a single value.
    """
    array = np.asarray(values, float)
    count, mean = len(array), float(array.mean())
    if count < 2:
        return {"mean": mean, "low": None, "high": None, "seeds": count}
    half = float(stats.t.ppf(0.5 + level / 2, count - 1) * array.std(ddof=1) / math.sqrt(count))
    return {"mean": mean, "low": mean - half, "high": mean + half, "seeds": count}


def gap_closed(
    student: Sequence[float], baseline: Sequence[float], ceiling: Sequence[float], level: float = 0.95
) -> dict[str, Any]:
    """Share of the gap from baseline to ceiling that the student closes: (student - baseline) / (ceiling - baseline).

    The numerator and the denominator are means over seeds. The interval is that of a ratio estimate (Cochran 1977,
    "Sampling Techniques", section 6.4), with Student's t in place of the normal distribution.

    Args:
        student, baseline, ceiling: a metric for each seed, the same seeds in the same order.
        level: confidence level, in (0, 1).

    Returns:
        "value", "low", "high" and "seeds". "low" and "high" are None for a single seed. All three are None if there is
        no gap: the ceiling's mean is not above the baseline's.
    """
    learnt, gap = np.subtract(student, baseline), np.subtract(ceiling, baseline)
    found: dict[str, Any] = {"value": None, "low": None, "high": None, "seeds": len(gap)}
    # Two equal means may differ by rounding.
    if gap.mean() > 1e-9:
        share = found["value"] = float(learnt.mean() / gap.mean())
        residual = interval(learnt - share * gap, level)
        if residual["high"] is not None:
            half = (residual["high"] - residual["mean"]) / float(gap.mean())
            found |= {"low": share - half, "high": share + half}
    return found


def labels_interval(
    student: Sequence[float], budgets: Sequence[float], baseline: Sequence[Sequence[float]], level: float = 0.95
) -> dict[str, Any]:
    """Interval of `labels_needed`: numbers of labels with which the baseline does not differ from the student.

    They are the numbers for which the paired t test of student and baseline does not reject (as in Fieller 1954, "Some
    problems in interval estimation"). Between two budgets the baseline's metric is interpolated, for each seed, as in
    `labels_needed`. The numbers may lie apart; their smallest and largest are returned.

    Args:
        student: the student's metric for each of S seeds.
        budgets: B label budgets of the baseline, in any order.
        baseline: the baseline's metric ``(B, S)``, the same seeds in the same order.
        level: confidence level, in (0, 1).

    Returns:
        "low" and "high"; None where the interval goes on beyond the budgets, or with a single seed.
    """
    order = np.argsort(budgets)
    labels, values = np.asarray(budgets, float)[order], np.asarray(baseline, float)[order]
    needed = labels_needed(float(np.mean(student)), labels, values.mean(axis=1))
    tried = np.concatenate([np.geomspace(labels[0], labels[-1], INTERPOLATED), labels, [needed] if needed else []])
    tried = np.unique(tried)
    columns = [np.interp(np.log(tried), np.log(labels), one) for one in values.T]
    found: dict[str, Any] = {"low": None, "high": None}
    if len(columns) < 2 or len(labels) < 2:
        return found
    differences = np.asarray(student, float) - np.stack(columns, axis=1)
    count = differences.shape[1]
    half = stats.t.ppf(0.5 + level / 2, count - 1) * differences.std(axis=1, ddof=1) / math.sqrt(count)
    # Where the means are equal no test rejects, also if the differences do not vary.
    alike = np.flatnonzero((np.abs(differences.mean(axis=1)) <= half) | (tried == needed))
    if len(alike):
        first, last = alike[0], alike[-1]
        found |= {"low": float(tried[first]) if first else None}
        found |= {"high": float(tried[last]) if last < len(tried) - 1 else None}
    return found


def label_efficiency(
    student: Sequence[float], labels: float, budgets: Sequence[float], baseline: Sequence[Sequence[float]]
) -> dict[str, Any] | None:
    """Labels that the baseline needs to reach the student's mean metric, divided by the student's labels.

    Args:
        student: the student's metric for each of S seeds.
        labels: the student's number of labels.
        budgets: B label budgets of the baseline.
        baseline: the baseline's metric ``(B, S)``, the same seeds in the same order.

    Returns:
        "value"; "low" and "high", its 95 % interval, None where that goes on beyond the budgets; "least" and "most",
        the ratios of the smallest and of the largest budget; "seeds". None if no budget reaches the student.
    """
    needed = labels_needed(float(np.mean(student)), budgets, np.mean(baseline, axis=1).tolist())
    if needed is None:
        return None
    bounds = {name: bound and bound / labels for name, bound in labels_interval(student, budgets, baseline).items()}
    return {
        "value": needed / labels,
        **bounds,
        "least": min(budgets) / labels,
        "most": max(budgets) / labels,
        "seeds": len(student),
    }


def labels_needed(
    value: float, budgets: Sequence[float] | np.ndarray, baseline: Sequence[float] | np.ndarray
) -> float | None:
    """Smallest number of labels with which the baseline's mean metric reaches `value`.

    Between two budgets the metric is interpolated linearly in log(labels).

    Args:
        value: the metric to reach.
        budgets: label budgets, in any order.
        baseline: the baseline's mean metric at each of them.

    Returns:
        The number of labels; None if it lies outside the budgets tried, where nothing is known.
    """
    order = np.argsort(budgets)
    labels, values = np.asarray(budgets, float)[order], np.asarray(baseline, float)[order]
    reached = np.flatnonzero(values >= value)
    if not len(reached):
        return None
    i = reached[0]
    if i == 0:
        return float(labels[0]) if values[0] == value else None
    part = (value - values[i - 1]) / (values[i] - values[i - 1])
    return float(labels[i - 1] * (labels[i] / labels[i - 1]) ** part)
