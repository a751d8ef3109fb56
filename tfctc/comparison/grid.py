"""Grid of a comparison: the runs that a plan needs, their order, and the settings of each."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean
from typing import Any

from tfctc import config as configs
from tfctc.comparison.plan import Plan, in_plan_words
from tfctc.comparison.results import RESULTS, Job, Outcome, read_results, write_results
from tfctc.config import RunConfig
from tfctc.data.folds import make_folds
from tfctc.data.manifest import Manifest
from tfctc.errors import RunError, SplitError
from tfctc.io.files import output_errors
from tfctc.io.record import file_sha256
from tfctc.runs.folder import FOLDS, RECORD

#: Settings that were added after results had been recorded, with the value that changes nothing. At this value a
#: setting is left out of the digest of a run, so that the digests of earlier results stay valid.
LATER_SETTINGS: dict[str, dict[str, Any]] = {
    "training": {"weight_average": 0.0},
    # Only the loss soft-labels reads them, which is later than they are.
    "distill": {"teacher_kinds": ("dapi-forest", "brightfield-forest"), "draw": "uniform"},
    "split": {"file": None, "of": None, "test_site": None},
    "cross_validation": {"folds": None, "repeats": 1, "fold": None},
}


@dataclass(frozen=True)
class Grid:
    """The runs of a plan on one data set.

    Args:
        plan: the plan.
        data: folder of the data set.
        folder: folder of the comparison.
        cells: digest of the data set's cells.
        results: outcome of every finished run; `add` adds to it.
        folds: names of the folds of each run, those of all repeats; () for a single split.
        split_files: path of a table that `split.file` names -> SHA-256 of its content.
    """

    plan: Plan
    data: Path
    folder: Path
    cells: str
    results: dict[Job, Outcome] = field(default_factory=dict)
    folds: tuple[str, ...] = ()
    split_files: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, plan: Plan, manifest: Manifest, folder: Path) -> "Grid":
        """A new grid, or a grid with the results in `folder`.

        Raises:
            RunError: results of other settings, other cells or another learning rate, or a folder with other files.
            SplitError: patients that cannot be divided into the folds, or a table of splits that cannot be read.
        """
        fix = "choose another --output, or give the changed arm a new name; a default may have changed with the version"
        with output_errors(folder):
            others = os.path.lexists(folder) and not (folder / RESULTS).exists() and any(folder.iterdir())
            results = read_results(folder)
        if others:
            raise RunError("exists already and holds no comparison", path=folder, fix="choose another --output")
        sample = plan.sample(plan.baseline)
        with in_plan_words():
            folds = tuple(fold.name for fold in make_folds(manifest, sample)) if plan.folds else ()
        files = {file: _content_digest(file) for arm in plan.arms if (file := plan.sample(arm).split.file)}
        grid = cls(plan, manifest.folder.resolve(), folder, manifest.digest, results, folds, files)
        for job, outcome in grid.results.items():
            # Otherwise the test split would be read with two learning rates, or an arm's metrics be of two rates.
            if outcome.tested and plan.wants(job.arm, job.budget, job.seed) and job.rate != grid.rate(job.arm):
                problem = f"holds test metrics of a learning rate that this plan does not choose ({job})"
                raise RunError(problem, path=folder, fix=fix)
        for job in grid.results:
            if job.arm in plan.arms and grid.results[job].settings != grid.settings(job):
                problem = f"holds results of other settings or cells ({job})"
                raise RunError(problem, path=folder, fix=fix)
        return grid

    def run_folder(self, job: Job) -> Path:
        """Run folder of a job."""
        return self.folder / job.path

    def is_trained(self, job: Job) -> bool:
        """Whether the run folder of a job holds the whole trained run, with all of its folds."""
        folder = self.run_folder(job)
        return all((part / RECORD).exists() for part in [folder / FOLDS / name for name in self.folds] or [folder])

    def teachers_folder(self, job: Job) -> Path | None:
        """Run folder of the job whose teachers a job uses; None if a job trains its own."""
        source = self.teacher_job(job)
        return self.run_folder(source).resolve() if source else None

    def config(self, job: Job) -> RunConfig:
        """Settings of a job, with the data set and the folder of its teachers.

        With folds, each fold has teachers of its own (see `fold_runs`), and these settings name none.
        """
        config = self.plan.config(job.arm, job.budget, job.seed, job.rate)
        teachers = None if self.folds else self.teachers_folder(job)
        distill = replace(config.distill, teachers=None if teachers is None else str(teachers))
        return replace(config, data=str(self.data), distill=distill)

    def samples(self) -> list[RunConfig]:
        """Settings of one run of each arm and budget."""
        plan, seed = self.plan, self.plan.seeds[0]
        return [
            replace(plan.config(arm, budget, seed, plan.rates_of(arm)[0]), data=str(self.data))
            for arm in plan.arms
            for budget in plan.budgets_of(arm)
        ]

    def settings(self, job: Job) -> str:
        """Digest of everything that determines the outcome of a job: settings, teachers and cells.

        In place of the path of `split.file` it has the content of that table.
        """
        jobs = filter(None, (job, self.teacher_job(job)))
        configs_ = [self.plan.config(j.arm, j.budget, j.seed, j.rate) for j in jobs]
        values = [_digested_settings(config, self.split_files) for config in configs_]
        text = json.dumps([*values, self.cells], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def teacher_job(self, job: Job) -> Job | None:
        """The job whose teachers a job uses; None if a job trains its own, or if that job's rate is not chosen yet."""
        arm = self.plan.arms[job.arm]
        if arm.teachers is None:
            return None
        rate = self.rate(arm.teachers)
        return None if rate is None else replace(job, arm=arm.teachers, rate=rate)

    def rate(self, arm: str) -> float | None:
        """The learning rate of an arm with the best mean validation AUROC; None until all rates have been tried.

        Of several equally good rates it is the smallest.
        """
        if other := self.plan.arms[arm].rate_of:
            return self.rate(other)
        rates = self.plan.rates_of(arm)
        if len(rates) == 1:
            return rates[0]
        tried = self._tuning_jobs(arm)
        if not all(job in self.results for job in tried):
            return None
        aurocs = {rate: mean(self.results[job].validation for job in tried if job.rate == rate) for rate in rates}
        return min(rates, key=lambda rate: (-aurocs[rate], rate))

    def ready(self) -> Iterator[Job]:
        """Yields the jobs that are not done and can start now.

        Jobs that try learning rates come first, then all others seed by seed. If the run folder of a job's teachers is
        missing, the job that trains these teachers is yielded instead.
        """
        plan = self.plan
        tuning = [job for arm in plan.arms for job in self._tuning_jobs(arm) if job not in self.results]
        wanted = [
            Job(arm, budget, seed, rate)
            for seed in plan.all_seeds
            for arm in plan.arms
            if (rate := self.rate(arm)) is not None
            for budget in plan.budgets_of(arm)
            if seed in plan.seeds_of(budget)
        ]
        left = [job for job in wanted if job not in self.results or not self.results[job].tested]
        given: dict[Job, None] = {}
        for job in [*tuning, *left]:
            if not plan.arms[job.arm].teachers:
                given[job] = None
            elif source := self.teacher_job(job):
                given[job if self.is_trained(source) else source] = None
        yield from given

    def may_test(self, job: Job) -> bool:
        """Whether a job may read the test split: only once, with the chosen learning rate and a seed of its budget."""
        if job in self.results and self.results[job].tested:
            return False
        return job.rate == self.rate(job.arm) and job.seed in self.plan.seeds_of(job.budget)

    def add(self, job: Job, outcome: Outcome) -> None:
        """Keeps the outcome of a job, unless the job has been tested before: then its first outcome stays."""
        if job not in self.results or not self.results[job].tested:
            self.results[job] = outcome
        write_results(self.folder, self.results)

    def remaining(self) -> int:
        """Number of runs still to be evaluated on the test split; runs that only try learning rates are not counted."""
        plan = self.plan
        wanted = sum(len(plan.seeds_of(budget)) for arm in plan.arms for budget in plan.budgets_of(arm))
        done = sum(
            outcome.tested and plan.wants(job.arm, job.budget, job.seed) for job, outcome in self.results.items()
        )
        return wanted - done

    def _tuning_jobs(self, arm: str) -> list[Job]:
        plan = self.plan
        rates = plan.rates_of(arm)
        if plan.arms[arm].rate_of or len(rates) == 1:
            return []
        return [Job(arm, plan.tuning_budget, seed, rate) for seed in plan.tuning_seeds for rate in rates]


def _content_digest(path: str) -> str:
    if (found := file_sha256(path)) is None:
        raise SplitError("cannot be read", path=path, fix="check path and permissions, or correct split.file in base")
    return found


def _digested_settings(config: RunConfig, split_files: Mapping[str, str]) -> dict:
    """Settings of a run that go into its digest: all except `LATER_SETTINGS` at the values given there."""
    values = configs.to_dict(config)
    if config.split.file:
        values["split"]["file"] = split_files.get(config.split.file, config.split.file)
    for table, later in LATER_SETTINGS.items():
        for name, neutral in later.items():
            if values[table][name] == neutral:
                del values[table][name]
        if not values[table]:
            del values[table]
    return values
