"""Which runs a plan wants, in which order, and what each of them is."""

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean

from tfctc import config as configs
from tfctc.comparison.plan import Plan
from tfctc.comparison.results import RESULTS, Job, Outcome, read_results, write_results
from tfctc.config import RunConfig
from tfctc.data.manifest import Manifest
from tfctc.errors import RunError
from tfctc.files import as_output_errors
from tfctc.training.run import RECORD

#: Settings that came after results which have been kept, and the value at which a run is what it was before them.
YOUNGER = {"training": {"weight_average": 0.0}}


@dataclass(frozen=True)
class Grid:
    """The runs of `plan` on `data`, in `folder`; `results` grows with them."""

    plan: Plan
    data: Path
    folder: Path
    cells: str
    results: dict[Job, Outcome] = field(default_factory=dict)

    @classmethod
    def open(cls, plan: Plan, data: Path, folder: Path) -> "Grid":
        """Goes on with what is in `folder`.

        Raises:
            RunError: results there are of other settings, other cells or another learning rate, or there is something
                else.
        """
        manifest, fix = Manifest.open(data), "choose another --output, or name the changed arm anew"
        with as_output_errors(folder):
            others = os.path.lexists(folder) and not (folder / RESULTS).exists() and any(folder.iterdir())
            results = read_results(folder)
        if others:
            raise RunError("exists already and holds no comparison", path=folder, fix="choose another --output")
        grid = cls(plan, manifest.folder.resolve(), folder, manifest.digest(), results)
        for job, outcome in grid.results.items():
            # Else the figures of two rates were mixed, or two rates judged on the test split.
            if outcome.judged and plan.wants(job.arm, job.budget, job.seed) and job.rate != grid.rate(job.arm):
                problem = f"holds test figures of a learning rate that this plan does not choose ({job})"
                raise RunError(problem, path=folder, fix=fix)
        for job in grid.results:
            if job.arm in plan.arms and grid.results[job].settings != grid.settings(job):
                problem = f"holds results of other settings or cells ({job})"
                raise RunError(problem, path=folder, fix=fix)
        return grid

    def place(self, job: Job) -> Path:
        """The job's run folder."""
        return self.folder / job.place

    def config(self, job: Job) -> RunConfig:
        config = self.plan.config(job.arm, job.budget, job.seed, job.rate)
        source = self.source(job)
        teachers = str(self.place(source).resolve()) if source else None
        return replace(config, data=str(self.data), distill=replace(config.distill, teachers=teachers))

    def samples(self) -> list[RunConfig]:
        """One run's of each arm and budget."""
        plan, seed = self.plan, self.plan.seeds[0]
        return [
            replace(plan.config(arm, budget, seed, plan.rates_of(arm)[0]), data=str(self.data))
            for arm in plan.arms
            for budget in plan.budgets_of(arm)
        ]

    def settings(self, job: Job) -> str:
        """A digest of what decides the run, wherever it is done."""
        jobs = filter(None, (job, self.source(job)))
        decides = [_deciding(self.plan.config(j.arm, j.budget, j.seed, j.rate)) for j in jobs]
        text = json.dumps([*decides, self.cells], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def source(self, job: Job) -> Job | None:
        """The job whose teachers this one takes over."""
        arm = self.plan.arms[job.arm]
        rate = self.rate(arm.teachers) if arm.teachers else None
        return None if rate is None else replace(job, arm=arm.teachers, rate=rate)

    def rate(self, arm: str) -> float | None:
        """The learning rate with the best mean validation AUROC, of equals the smallest; None until all are tried."""
        if other := self.plan.arms[arm].rate_of:
            return self.rate(other)
        rates = self.plan.rates_of(arm)
        if len(rates) == 1:
            return rates[0]
        tried = self._tuning(arm)
        if not all(job in self.results for job in tried):
            return None
        figure = {rate: mean(self.results[job].validation for job in tried if job.rate == rate) for rate in rates}
        return min(rates, key=lambda rate: (-figure[rate], rate))

    def _tuning(self, arm: str) -> list[Job]:
        plan = self.plan
        rates = plan.rates_of(arm)
        if plan.arms[arm].rate_of or len(rates) == 1:
            return []
        return [Job(arm, plan.tuning_budget, seed, rate) for seed in plan.tuning_seeds for rate in rates]

    def wanted(self) -> Iterator[Job]:
        """Jobs that can be done now, and are not: first those that a learning rate is chosen by, then seed by seed."""
        plan = self.plan
        tuning = [job for arm in plan.arms for job in self._tuning(arm) if job not in self.results]
        judged = [
            Job(arm, budget, seed, rate)
            for seed in plan.all_seeds
            for arm in plan.arms
            if (rate := self.rate(arm)) is not None
            for budget in plan.budgets_of(arm)
            if seed in plan.seeds_of(budget)
        ]
        given = {}
        for job in [*tuning, *(job for job in judged if job not in self.results or not self.results[job].judged)]:
            if not plan.arms[job.arm].teachers:
                given[job] = None
            elif source := self.source(job):
                given[job if self._there(source) else source] = None
        yield from given

    def _there(self, job: Job) -> bool:
        return (self.place(job) / RECORD).exists()

    def to_judge(self, job: Job) -> bool:
        """Whether the test split may be read: once, by a seed of the comparison, with the learning rate chosen."""
        if job in self.results and self.results[job].judged:
            return False
        return job.rate == self.rate(job.arm) and job.seed in self.plan.seeds_of(job.budget)

    def add(self, job: Job, outcome: Outcome) -> None:
        """Keeps what came of a job; where it has been judged before, what came of it then."""
        if job not in self.results or not self.results[job].judged:
            self.results[job] = outcome
        write_results(self.folder, self.results)

    def left(self) -> int:
        """Runs still to be done, as far as can be known before the learning rates are."""
        plan = self.plan
        judged = sum(len(plan.seeds_of(budget)) for arm in plan.arms for budget in plan.budgets_of(arm))
        done = sum(
            outcome.judged and plan.wants(job.arm, job.budget, job.seed) for job, outcome in self.results.items()
        )
        return judged - done


def _deciding(config: RunConfig) -> dict:
    """Its settings, without those that results from before them could not name."""
    values = configs.to_dict(config)
    for table, younger in YOUNGER.items():
        for name, as_before in younger.items():
            if values[table][name] == as_before:
                del values[table][name]
    return values
