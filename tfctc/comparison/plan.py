"""Plan of a comparison, from a TOML file: arms, label budgets, seeds and learning rates."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from tfctc import config as configs
from tfctc.config import CrossValidationConfig, RunConfig
from tfctc.errors import ConfigError, SplitError
from tfctc.recipes import Recipe, conflicting_teacher_settings, resolve
from tfctc.recipes.defaults import default_backbones
from tfctc.training.checks import check_files

#: The label budget that keeps every label.
ALL = "all"
#: Settings of a run that a plan sets by other keys -> these keys, for error messages.
DECIDED_ELSEWHERE = {
    "data": "the argument DATA of the command",
    "seed": "seeds",
    "training.learning_rate": "learning_rates, of the plan or of an arm",
    "training.label_budget": "budgets, of the plan or of an arm",
    "distill.teachers": "teachers, of an arm",
    "cross_validation": "folds and repeats, of the plan",
}


@dataclass(frozen=True)
class Arm:
    """One way of training.

    Args:
        settings: settings of a run, on top of the plan's `base`.
        budgets: label budgets, in place of the plan's.
        learning_rates: learning rates, in place of the plan's; a single one is used without a choice.
        teachers: name of an arm whose teachers are used, from its run with the same label budget and seed. Of an arm in
            mode brightfield the student is used, for example for self-training. None trains new teachers.
        rate_of: name of an arm whose learning rate is used, if a choice of its own would make the comparison unfair.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    budgets: tuple[Any, ...] | None = None
    learning_rates: tuple[float, ...] | None = None
    teachers: str | None = None
    rate_of: str | None = None


@dataclass(frozen=True)
class Plan:
    """Plan of a comparison: every arm at every label budget with every seed, on one split of the patients, or on folds.

    Args:
        arms: name -> arm.
        budgets: numbers of labelled training cells, or "all".
        seeds: seeds of the labels kept, the initial weights and the augmentation; the same for every arm, so that arms
            are paired.
        further_seeds: budget -> more seeds, for differences that are small compared with the spread over seeds. If they
            are added after a look at the first results, intervals exclude zero more often than their level says.
        base: settings of a run that all arms share. training.precision is "float32" unless set, and never "auto", which
            differs between machines.
        baseline: the arm that every other is compared with.
        rivals: further arms that all others are compared with.
        learning_rates: candidates; each arm uses the one with the best mean validation AUROC of the student.
        tuned_at: label budget at which the learning rate is chosen; None for the first budget.
        tuning_seeds: seeds with which the learning rate is chosen.
        folds: number of folds, "patient" or "site", as of `tfctc fit --folds`: each run is a cross-validation without a
            final model, and its metrics are over all patients. The folds are the same for every arm, budget and seed,
            and a budget counts the labelled training cells of each fold. None for a single split.
        repeats: number of times that the patients are assigned to folds. Seed S of the plan is seed S * repeats + R in
            repeat R, so that no two runs share a seed.

    Raises:
        ConfigError: a plan that contradicts itself.
    """

    arms: Mapping[str, Arm]
    budgets: tuple[Any, ...]
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    further_seeds: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    base: Mapping[str, Any] = field(default_factory=dict)
    baseline: str = "brightfield"
    rivals: tuple[str, ...] = ()
    learning_rates: tuple[float, ...] = (1e-3, 3e-3)
    tuned_at: Any = None
    tuning_seeds: tuple[int, ...] = (0,)
    folds: int | str | None = None
    repeats: int = 1

    def __post_init__(self):
        with in_plan_words():
            configs.from_dict(CrossValidationConfig, {"folds": self.folds, "repeats": self.repeats})
        for name in (self.baseline, *self.rivals):
            self._check_arm(name, "others are compared with")
        for name in ("seeds", "learning_rates", "budgets"):
            _check_distinct(name, getattr(self, name))
        budgets = {str(budget) for arm in self.arms for budget in self.budgets_of(arm)}
        for budget, further in self.further_seeds.items():
            if budget not in budgets:
                fix = f"add {budget} to budgets, or leave it out of further_seeds"
                raise ConfigError(f"further_seeds names budget {budget}, which no arm has", fix=fix)
            if len({*self.seeds, *further}) < len(self.seeds) + len(further):
                raise ConfigError(
                    f"further_seeds of budget {budget} must be different seeds, none of seeds, got {list(further)}"
                )
        tables = {"base": self.base} | {f"arm {name}": arm.settings for name, arm in self.arms.items()}
        for where, settings in tables.items():
            if given := [key for key in DECIDED_ELSEWHERE if _has_key(settings, key)]:
                raise ConfigError(f"{where} cannot set {given[0]}", fix=f"use {DECIDED_ELSEWHERE[given[0]]}")
        for name, arm in self.arms.items():
            if not re.fullmatch(r"\w[\w .+-]*", name):
                raise ConfigError(f"arm {name!r} cannot name a folder: use letters, digits, space and . + - _")
            for what, own in (("budgets", arm.budgets), ("learning_rates", arm.learning_rates)):
                if own is not None:
                    _check_distinct(f"{what} of arm {name}", own)
            for budget in self.budgets_of(name):
                if budget != ALL and (not isinstance(budget, int) or isinstance(budget, bool) or budget < 1):
                    raise ConfigError(f"a budget of arm {name} must be 1 or more labels or {ALL!r}, got {budget!r}")
            if arm.rate_of:
                self._check_arm(arm.rate_of, f"arm {name} uses the learning rate of")
                if arm.learning_rates is not None:
                    raise ConfigError(f"arm {name} must have learning_rates or rate_of, not both", fix="leave out one")
                if self.arms[arm.rate_of].rate_of or self.arms[arm.rate_of].teachers == name:
                    problem = f"arm {name} uses the learning rate of {arm.rate_of}, which chooses none itself"
                    fix = f"name an arm that has neither rate_of nor the teachers of {name}"
                    raise ConfigError(problem, fix=fix)
            elif len(self.rates_of(name)) > 1:
                if not self.tuning_seeds:
                    fix = "name a seed, or give every arm a single learning rate"
                    raise ConfigError("tuning_seeds must name a seed to choose a learning rate, got none", fix=fix)
                if self.tuning_budget not in self.budgets_of(name):
                    problem = f"arm {name} has no budget {self.tuning_budget}, at which learning rates are chosen"
                    fix = f"set tuned_at to a budget that the arm has, or add {self.tuning_budget!r} to its budgets"
                    raise ConfigError(problem, fix=fix)
            if arm.teachers:
                self._check_arm(arm.teachers, f"arm {name} uses the teachers of")
                if self.arms[arm.teachers].teachers:
                    problem = f"arm {name} uses the teachers of {arm.teachers}, which trains none itself"
                    raise ConfigError(problem, fix="name an arm that has no teachers key")
                if missing := set(self.budgets_of(name)) - set(self.budgets_of(arm.teachers)):
                    budget = missing.pop()
                    problem = f"arm {arm.teachers} has no teachers for arm {name} at budget {budget}"
                    raise ConfigError(problem, fix=f"add {budget!r} to the budgets of arm {arm.teachers}")

    def _check_arm(self, arm: str, why: str) -> None:
        if arm not in self.arms:
            raise ConfigError(f"unknown arm {arm!r}: {why} it", fix=f"arms are: {', '.join(self.arms)}")

    @classmethod
    def load(cls, path: Path) -> "Plan":
        """The plan in a TOML file, with the settings of every run checked.

        Raises:
            ConfigError: an unknown key or name, or a value that cannot be used.
        """
        plan, first = configs.load(cls, path), None
        for name in plan.arms:
            try:
                with in_plan_words():
                    check_files(plan.recipe(name))
                    for budget, rate in product(plan.budgets_of(name), plan.rates_of(name)):
                        for seed in (*plan.seeds_of(budget), *plan.tuning_seeds):
                            plan.config(name, budget, seed, rate)
            except ConfigError as error:
                problem = f"{error.path}: {error.problem}" if error.path else error.problem
                raise ConfigError(f"arm {name}: {problem}", path=path, fix=error.fix) from None
            config = plan.sample(name)
            first = first or config
            if config.split != first.split:
                raise ConfigError(f"arm {name} has a split of its own", path=path, fix="set split in base alone")
        for name, arm in plan.arms.items():
            if arm.teachers:
                plan._check_teachers(name, arm.teachers, path)
        return plan

    def _check_teachers(self, arm: str, source: str, path: Path | None = None) -> None:
        """Checks that arm `arm` may use the teachers of arm `source`: same network, same settings of their training."""
        config, theirs, ours = self.sample(source), self.recipe(source), self.recipe(arm)
        given, asked = theirs.can_teach, ours.teacher
        for name, teacher in ((source, given), (arm, asked)):
            if teacher is None:
                problem = f"arm {name} has no teacher: its mode has none, or no loss needs one"
                raise ConfigError(problem, path=path, fix=f"leave out teachers of arm {arm}")
        problem = f"arm {arm} asks for other teachers than arm {source} has"
        if other := [key for key in vars(given) if vars(given)[key] != vars(asked)[key]]:
            fix = "set " + ", ".join(f"teacher.{key} to {vars(given)[key]!r}" for key in other)
            raise ConfigError(problem, path=path, fix=fix)
        if trained := conflicting_teacher_settings(self.sample(arm), config):
            raise ConfigError(problem, path=path, fix=f"leave out {trained[0]}, or set it for {source}")
        if theirs.folds != ours.folds:
            problem = f"arm {arm} asks for another number of teachers than arm {source} has"
            raise ConfigError(problem, path=path, fix=f"set distill.folds to {theirs.folds}")

    @property
    def tuning_budget(self) -> Any:
        """Label budget at which learning rates are chosen."""
        return self.budgets[0] if self.tuned_at is None else self.tuned_at

    def budgets_of(self, arm: str) -> tuple[Any, ...]:
        """Label budgets of an arm."""
        own = self.arms[arm].budgets
        return self.budgets if own is None else own

    def rates_of(self, arm: str) -> tuple[float, ...]:
        """Learning rates that an arm chooses among."""
        own = self.arms[arm].learning_rates
        return self.learning_rates if own is None else own

    @property
    def all_seeds(self) -> list[int]:
        """All seeds of all budgets, sorted."""
        return sorted({*self.seeds}.union(*self.further_seeds.values()))

    def seeds_of(self, budget: Any) -> tuple[int, ...]:
        """Seeds of a label budget."""
        return *self.seeds, *self.further_seeds.get(str(budget), ())

    def wants(self, arm: str, budget: Any, seed: int) -> bool:
        """Whether the plan includes the run of an arm at a budget with a seed."""
        return arm in self.arms and budget in self.budgets_of(arm) and seed in self.seeds_of(budget)

    def config(self, arm: str, budget: Any, seed: int, rate: float) -> RunConfig:
        """Settings of a run, without the paths of the data set and of the teachers."""
        given = configs.merged(
            {"training": {"precision": "float32"}}, configs.merged(self.base, self.arms[arm].settings)
        )
        labels = None if budget == ALL else budget
        changes = {"seed": seed * self.repeats, "training.learning_rate": rate, "training.label_budget": labels}
        if self.folds is not None:
            changes |= {"cross_validation.folds": self.folds, "cross_validation.repeats": self.repeats}
        config = configs.from_dict(RunConfig, configs.with_changes(given, changes))
        if config.training.precision == "auto":
            problem = "training.precision must be float32, bfloat16 or float16 where runs are compared, got auto"
            raise ConfigError(problem, fix="auto would differ between machines; choose one")
        return replace(config, split=replace(config.split, seed=config.split.seed or 0))

    def on(self, image_size: tuple[int, int]) -> "Plan":
        """The plan with the backbones that `tfctc fit` chooses for such images, where an arm names none.

        Raises:
            ConfigError: an arm that would use teachers of another network than it asks for.
        """
        arms = {}
        for name, arm in self.arms.items():
            chosen = default_backbones(configs.merged(self.base, arm.settings), image_size)
            settings = configs.with_changes(arm.settings, {default.key: default.value for default in chosen})
            arms[name] = replace(arm, settings=settings)
        plan = replace(self, arms=arms)
        for name, arm in arms.items():
            if arm.teachers:
                plan._check_teachers(name, arm.teachers)
        return plan

    def sample(self, arm: str) -> RunConfig:
        """Settings of the first run of an arm; network, losses and so on are the same in all its runs."""
        return self.config(arm, self.budgets_of(arm)[0], self.seeds[0], self.rates_of(arm)[0])

    def recipe(self, arm: str) -> Recipe:
        """Recipe of the runs of an arm."""
        return resolve(self.sample(arm))


@contextmanager
def in_plan_words() -> Iterator[None]:
    """Names the keys of a plan in errors about folds, in place of the settings and options of `tfctc fit`."""

    def named(text: str | None) -> str | None:
        words = {"cross_validation.folds (--folds)": "folds", "cross_validation.": "", "--folds": "folds"}
        for theirs, ours in words.items():
            text = text and text.replace(theirs, ours)
        return text

    try:
        yield
    except (ConfigError, SplitError) as error:
        raise type(error)(named(error.problem) or "", path=error.path, fix=named(error.fix)) from None


def _has_key(settings: Any, key: str) -> bool:
    """Whether nested tables contain the dotted `key`."""
    head, _, tail = key.partition(".")
    if not isinstance(settings, Mapping) or head not in settings:
        return False
    return not tail or _has_key(settings[head], tail)


def _check_distinct(what: str, values: Sequence) -> None:
    if not values or any(values.count(value) > 1 for value in values):
        raise ConfigError(f"{what} must be one or more values, each once, got {list(values)}")
