"""From the results of single runs to what they say of the arms."""

from statistics import mean
from typing import Any

import numpy as np

from tfctc.comparison.plan import ALL, Plan
from tfctc.comparison.results import FIGURES, Outcome, Results
from tfctc.comparison.statistics import gap_closed, interval, labels_needed

#: (arm, budget) -> seed -> what came of it.
Judged = dict[tuple[str, Any], dict[int, Outcome]]


def summarise(plan: Plan, results: Results) -> list[dict]:
    """One entry for each arm and label budget that has been judged, in the plan's order.

    Each has, for every one of `FIGURES`: mean and 95 % interval over seeds; the same of the differences from the
    baseline and the rivals, paired by seed; the teacher's mean; the gap closed, up to the teacher or to the baseline
    with all labels, whichever is lower; how many labels the baseline needs to come as far, over the labels used; and
    the paired differences from the baseline with twice the labels, or as many more as it has been tried with.
    """
    judged: Judged = {}
    rates: dict[str, float] = {}
    for job, outcome in results.items():
        if outcome.judged and plan.wants(job.arm, job.budget, job.seed):
            judged.setdefault((job.arm, job.budget), {})[job.seed] = outcome
            rates[job.arm] = job.rate
    return [
        {
            "arm": arm,
            "budget": budget,
            "learning_rate": rates[arm],
            "seeds": sorted(judged[arm, budget]),
            "minutes": mean(outcome.seconds for outcome in judged[arm, budget].values()) / 60,
            "cells_per_second": _speed(plan, arm, judged[arm, budget]),
            **{figure: _entry(plan, judged, arm, budget, figure) for figure in FIGURES},
        }
        for arm in plan.arms
        for budget in plan.budgets_of(arm)
        if (arm, budget) in judged
    ]


def _speed(plan: Plan, arm: str, outcomes: dict[int, Outcome]) -> float | None:
    """Cells shown to the student in a second of a run, which trains its teachers in that time too."""
    training = plan.sample(arm).training
    if training.steps_per_epoch is None:
        return None
    cells = training.steps_per_epoch * training.batch_size
    return mean(outcome.epochs * cells / outcome.seconds for outcome in outcomes.values())


def _entry(plan: Plan, judged: Judged, arm: str, budget: Any, figure: str) -> dict:
    own = _of(judged, arm, budget, figure)
    entry = interval(list(own.values()))
    against = {}
    for other in (plan.baseline, *plan.rivals):
        theirs = _of(judged, other, budget, figure)
        if other != arm and (both := [seed for seed in own if seed in theirs]):
            against[other] = interval([own[seed] - theirs[seed] for seed in both])
    entry["against"] = against
    teacher = _of(judged, arm, budget, f"teacher_{figure}")
    entry["teacher"] = mean(teacher.values()) if teacher else None
    if plan.baseline in against:
        entry["gap_closed"] = _gap_closed(plan, judged, arm, budget, figure)
        entry |= _labels_saved(plan, judged, arm, budget, figure)
    return entry


def _gap_closed(plan: Plan, judged: Judged, arm: str, budget: Any, figure: str) -> dict | None:
    """Over the seeds that all it is made of share."""
    own, baseline = (_of(judged, name, budget, figure) for name in (arm, plan.baseline))
    ceilings = [_of(judged, plan.baseline, ALL, figure)] if budget != ALL else []
    # Its own teacher; for an arm without one that sees DAPI, the first that does.
    dapi = sorted(filter(lambda name: _sees_dapi(plan, name), plan.arms), key=lambda name: name != arm)
    ceilings += [found for name in dapi if (found := _of(judged, name, budget, f"teacher_{figure}"))][:1]
    gaps = [shared for ceiling in ceilings if (shared := _shared(own, baseline, ceiling))]
    lowest = min(gaps, key=lambda gap: mean(gap[2]), default=None)
    return gap_closed(*lowest) if lowest else None


def _labels_saved(plan: Plan, judged: Judged, arm: str, budget: Any, figure: str) -> dict:
    """What the baseline does with more labels, each over the seeds that all it is made of share."""
    saved = {"label_efficiency": None, "against_more_labels": None}
    own = _of(judged, arm, budget, figure)
    budgets = [b for b in plan.budgets_of(plan.baseline) if b != ALL]
    curve = {b: found for b in budgets if (found := _of(judged, plan.baseline, b, figure))}
    if budget not in curve:
        return saved
    paired = own.keys() & curve[budget].keys()
    # As many seeds as can be; budgets tried with fewer count where the others do not reach so far.
    for tried in ([b for b in curve if paired <= curve[b].keys()], list(curve)):
        if not saved["label_efficiency"] and (shared := _shared(own, *(curve[b] for b in tried))):
            reached, *points = map(mean, shared)
            if needed := labels_needed(reached, tried, points):
                saved["label_efficiency"] = {"value": needed / budget, "seeds": len(shared[0])}
    more = min((b for b in curve if b >= 2 * budget), default=None)
    if more and (shared := _shared(own, curve[more])):
        saved["against_more_labels"] = {"labels": more, **interval(np.subtract(*shared))}
    return saved


def _shared(*figures: dict[int, float]) -> list[list[float]]:
    """Each arm's figures of the seeds that all of them have; nothing if there is none."""
    seeds = sorted(set.intersection(*map(set, figures)))
    return [[found[seed] for seed in seeds] for found in figures] if seeds else []


def _of(judged: Judged, arm: str, budget: Any, figure: str) -> dict[int, float]:
    found = judged.get((arm, budget), {})
    return {seed: value for seed in sorted(found) if (value := getattr(found[seed], figure)) is not None}


def _sees_dapi(plan: Plan, arm: str) -> bool:
    return plan.sample(arm).mode == "distilled"
