"""Summary of a comparison: means, differences and intervals of the arms, from the results of single runs."""

from statistics import mean
from typing import Any

import numpy as np

from tfctc.cells import DAPI
from tfctc.comparison.plan import ALL, Plan
from tfctc.comparison.results import METRICS, Outcome, Results
from tfctc.comparison.statistics import gap_closed, interval, label_efficiency

#: (arm, budget) -> seed -> outcome.
Tested = dict[tuple[str, Any], dict[int, Outcome]]


def summarise(plan: Plan, results: Results) -> list[dict]:
    """One entry for each arm and label budget with results on the test split or of folds, in the plan's order.

    An entry holds the number of folds, those of all repeats, and of the patients whom they test; both are None for a
    single split. For each of `METRICS` an entry holds:

    - mean and 95 % interval over seeds;
    - mean and interval of the differences from the baseline and from each rival, paired by seed;
    - the teacher's mean;
    - the gap closed, up to the teacher or to the baseline with all labels, whichever is lower;
    - the label efficiency: number of labels that the baseline needs for the same metric, divided by the budget;
    - the paired differences from the baseline with twice the labels, or the next larger number tried.
    """
    tested: Tested = {}
    rates: dict[str, float] = {}
    for job, outcome in results.items():
        if outcome.tested and plan.wants(job.arm, job.budget, job.seed):
            tested.setdefault((job.arm, job.budget), {})[job.seed] = outcome
            rates[job.arm] = job.rate
    return [
        {
            "arm": arm,
            "budget": budget,
            "learning_rate": rates[arm],
            "seeds": sorted(tested[arm, budget]),
            "minutes": mean(outcome.seconds for outcome in tested[arm, budget].values()) / 60,
            **_tested_by(tested[arm, budget]),
            "cells_per_second": _speed(plan, arm, tested[arm, budget]),
            **{metric: _entry(plan, tested, arm, budget, metric) for metric in METRICS},
        }
        for arm in plan.arms
        for budget in plan.budgets_of(arm)
        if (arm, budget) in tested
    ]


def _speed(plan: Plan, arm: str, outcomes: dict[int, Outcome]) -> float | None:
    """Student training cells per second of the whole run, in which its teachers may be trained too.

    None if an epoch has no fixed number of steps.
    """
    training = plan.sample(arm).training
    if training.steps_per_epoch is None:
        return None
    cells = training.steps_per_epoch * training.batch_size
    return mean(outcome.epochs * cells / outcome.seconds for outcome in outcomes.values())


def _tested_by(outcomes: dict[int, Outcome]) -> dict[str, int | None]:
    first = next(iter(outcomes.values()))
    return {"folds": first.folds, "patients": first.patients}


def _entry(plan: Plan, tested: Tested, arm: str, budget: Any, metric: str) -> dict:
    own = _of(tested, arm, budget, metric)
    entry = interval(list(own.values()))
    against = {}
    for other in (plan.baseline, *plan.rivals):
        theirs = _of(tested, other, budget, metric)
        if other != arm and (both := [seed for seed in own if seed in theirs]):
            against[other] = interval([own[seed] - theirs[seed] for seed in both])
    entry["against"] = against
    teacher = _of(tested, arm, budget, f"teacher_{metric}")
    entry["teacher"] = mean(teacher.values()) if teacher else None
    if plan.baseline in against:
        entry["gap_closed"] = _gap_closed(plan, tested, arm, budget, metric)
        entry |= _labels_saved(plan, tested, arm, budget, metric)
    return entry


def _gap_closed(plan: Plan, tested: Tested, arm: str, budget: Any, metric: str) -> dict | None:
    """The gap closed, over the seeds that student, baseline and ceiling have in common."""
    own, baseline = (_of(tested, name, budget, metric) for name in (arm, plan.baseline))
    ceilings = [_of(tested, plan.baseline, ALL, metric)] if budget != ALL else []
    # The arm's own teacher if it sees DAPI; else the first teacher of the plan that does.
    dapi = sorted(filter(lambda name: _has_dapi_teacher(plan, name), plan.arms), key=lambda name: name != arm)
    ceilings += [found for name in dapi if (found := _of(tested, name, budget, f"teacher_{metric}"))][:1]
    gaps = [shared for ceiling in ceilings if (shared := _shared(own, baseline, ceiling))]
    lowest = min(gaps, key=lambda gap: mean(gap[2]), default=None)
    if not lowest:
        return None
    student, start, ceiling = lowest
    return gap_closed(student, start, ceiling)


def _labels_saved(plan: Plan, tested: Tested, arm: str, budget: Any, metric: str) -> dict:
    """Label efficiency, and the differences from the baseline with more labels, over the seeds in common."""
    saved: dict[str, Any] = {"label_efficiency": None, "against_more_labels": None}
    own = _of(tested, arm, budget, metric)
    budgets = [b for b in plan.budgets_of(plan.baseline) if b != ALL]
    curve = {b: found for b in budgets if (found := _of(tested, plan.baseline, b, metric))}
    if budget not in curve:
        return saved
    paired = own.keys() & curve[budget].keys()
    # First with the budgets that have all of the seeds; if these do not reach the metric, with all budgets.
    for tried in ([b for b in curve if paired <= curve[b].keys()], list(curve)):
        if not saved["label_efficiency"] and (shared := _shared(own, *(curve[b] for b in tried))):
            saved["label_efficiency"] = label_efficiency(shared[0], budget, tried, shared[1:])
    more = min((b for b in curve if b >= 2 * budget), default=None)
    if more and (shared := _shared(own, curve[more])):
        learnt, reference = shared
        saved["against_more_labels"] = {"labels": more, **interval(np.subtract(learnt, reference))}
    return saved


def _shared(*metrics: dict[int, float]) -> list[list[float]]:
    """Values of the seeds that all arguments have, as one list for each argument; [] if there is no such seed."""
    seeds = sorted(set.intersection(*map(set, metrics)))
    return [[found[seed] for seed in seeds] for found in metrics] if seeds else []


def _of(tested: Tested, arm: str, budget: Any, metric: str) -> dict[int, float]:
    found = tested.get((arm, budget), {})
    return {seed: value for seed in sorted(found) if (value := getattr(found[seed], metric)) is not None}


def _has_dapi_teacher(plan: Plan, arm: str) -> bool:
    return DAPI in plan.recipe(arm).teacher_channels
