"""Metrics of the runs of a comparison, by arm and label budget."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from common import CheckError, log
from sklearn.metrics import roc_auc_score

from tfctc.comparison.results import Job, read_results
from tfctc.comparison.statistics import interval


def runs_with(comparison: Path, file: str) -> Iterator[tuple[Job, Path]]:
    """Yields every run that was evaluated on the test split and whose run folder contains `file`, with that folder."""
    for job, outcome in read_results(comparison).items():
        folder = comparison / job.path
        if outcome.tested and (folder / file).exists():
            yield job, folder


def auroc_within(groups: np.ndarray, positive: np.ndarray, score: np.ndarray) -> float:
    """Mean of the AUROCs within `groups`, weighted by the number of pairs of a positive and a negative cell.

    Args:
        groups: ``(N,)`` the group of each cell.
        positive: bool ``(N,)``.
        score: ``(N,)``, higher for positive cells.
    """
    total, pairs = 0.0, 0
    for here in (groups == group for group in np.unique(groups)):
        count = int(positive[here].sum()) * int((~positive[here]).sum())
        if count:
            total += count * roc_auc_score(positive[here], score[here])
            pairs += count
    return total / pairs


def compare_arms(found: Mapping, baseline: str, metrics: Mapping[str, str]) -> list[dict]:
    """One row for each arm and label budget: mean and interval of every metric, and of its difference from baseline.

    Differences are paired by seed.

    Args:
        found: (arm, budget) -> seed -> metric -> value.
        baseline: name of the arm that the others are compared with.
        metrics: metric -> its name in the log.

    Raises:
        CheckError: `found` is empty.
    """
    if not found:
        problem = "the comparison has no tested run whose run folder is there"
        raise CheckError(f"{problem}; run tfctc compare with another --output, and keep its run folders")
    rows = []
    for (arm, budget), own in found.items():
        base = found.get((baseline, budget), {}) if arm != baseline else {}
        row = {"arm": arm, "budget": budget}
        for metric in metrics:
            row[metric] = interval([values[metric] for values in own.values()])
            differences = [own[seed][metric] - base[seed][metric] for seed in own if seed in base]
            row[f"{metric}_difference"] = interval(differences) if differences else None
        rows.append(row)
        means = ", ".join(f"{name} {row[metric]['mean']:.3f}" for metric, name in metrics.items())
        log.info("%-24s %6s labels, %d seeds: %s", arm, budget, len(own), means)
    return rows
