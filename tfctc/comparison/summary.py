"""From the results of single runs to what they say of the arms."""

from statistics import mean
from typing import Any

from tfctc.comparison.plan import ALL, Plan
from tfctc.comparison.results import FIGURES, Outcome, Results
from tfctc.comparison.statistics import gap_closed, interval, labels_needed

#: (arm, budget) -> seed -> what came of it.
Judged = dict[tuple[str, Any], dict[int, Outcome]]


def summarise(plan: Plan, results: Results) -> list[dict]:
    """One entry for each arm and label budget that has been judged, in the plan's order.

    Each has, for every one of `FIGURES`: mean and 95 % interval over seeds; the same of the differences from the
    baseline and the rivals, paired by seed; the teacher's mean; the gap closed, up to the teacher or to the baseline
    with all labels, whichever is lower; how many labels the baseline needs to come as far, over the labels used.
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
        entry |= _worth(plan, judged, arm, budget, figure)
    return entry


def _worth(plan: Plan, judged: Judged, arm: str, budget: Any, figure: str) -> dict:
    """Gap closed and label efficiency, each over the seeds that all it is made of share."""
    own, baseline = (_of(judged, name, budget, figure) for name in (arm, plan.baseline))
    ceilings = [_of(judged, plan.baseline, ALL, figure)] if budget != ALL else []
    # Its own teacher; for an arm without one that sees DAPI, the first that does.
    dapi = sorted(filter(lambda name: _sees_dapi(plan, name), plan.arms), key=lambda name: name != arm)
    ceilings += [found for name in dapi if (found := _of(judged, name, budget, f"teacher_{figure}"))][:1]
    gaps = [shared for ceiling in ceilings if (shared := _shared(own, baseline, ceiling))]
    lowest = min(gaps, key=lambda gap: mean(gap[2]), default=None)
    worth = {"gap_closed": gap_closed(*lowest) if lowest else None, "label_efficiency": None}
    curve = {b: found for b in plan.budgets_of(plan.baseline) if (found := _of(judged, plan.baseline, b, figure))}
    counted = [b for b in curve if b != ALL]
    if budget in counted:
        paired = own.keys() & curve[budget].keys()
        # As many seeds as can be; budgets tried with fewer count where the others do not reach so far.
        for budgets in ([b for b in counted if paired <= curve[b].keys()], counted):
            if not worth["label_efficiency"] and (shared := _shared(own, *(curve[b] for b in budgets))):
                reached, *points = map(mean, shared)
                if needed := labels_needed(reached, budgets, points):
                    worth["label_efficiency"] = {"value": needed / budget, "seeds": len(shared[0])}
    return worth


def _shared(*figures: dict[int, float]) -> list[list[float]]:
    """Each arm's figures of the seeds that all of them have; nothing if there is none."""
    seeds = sorted(set.intersection(*map(set, figures)))
    return [[found[seed] for seed in seeds] for found in figures] if seeds else []


def _of(judged: Judged, arm: str, budget: Any, figure: str) -> dict[int, float]:
    found = judged.get((arm, budget), {})
    return {seed: value for seed in sorted(found) if (value := getattr(found[seed], figure)) is not None}


def _sees_dapi(plan: Plan, arm: str) -> bool:
    return plan.sample(arm).mode == "distilled"
