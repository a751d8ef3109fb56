"""What is compared with what: arms, label budgets, seeds, learning rates; read from a TOML file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

from tfctc import config as configs
from tfctc.config import RunConfig
from tfctc.errors import ConfigError
from tfctc.training.checks import check_names
from tfctc.training.roles import hands_on, teacher_of, unlike

#: The label budget that keeps every label.
ALL = "all"
#: Settings of a run that are said by something else in a comparison.
ELSEWHERE = {
    "data": "the command",
    "seed": "seeds",
    "training.learning_rate": "learning_rates, of an arm or of all",
    "training.label_budget": "budgets, of an arm or of all",
    "distill.teachers": "teachers of an arm",
}


@dataclass(frozen=True)
class Arm:
    """One way of training.

    Args:
        settings: of a `RunConfig`, on top of the plan's `base`.
        budgets: its own, in place of the plan's.
        learning_rates: its own, in place of the plan's; a single one where it has been chosen before.
        teachers: an arm whose teachers are taken over, those of the same labels and seed; of an arm in mode
            brightfield, its student, as self-training wants it.
        rate_of: an arm whose learning rate is taken over, where choosing one's own would be no fair question.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    budgets: tuple[Any, ...] | None = None
    learning_rates: tuple[float, ...] | None = None
    teachers: str | None = None
    rate_of: str | None = None


@dataclass(frozen=True)
class Plan:
    """A grid of runs: every arm at every label budget with every seed, on one deal of the patients.

    Args:
        arms: name -> arm.
        budgets: numbers of labelled training cells, or "all".
        seeds: of labels kept, first weights and augmentation; the same for every arm, so that arms are paired.
        further_seeds: budget -> more of them, where differences are small beside what seeds make. Decided on after a
            look at the first, they make intervals that exclude zero more often than they say.
        base: settings of a `RunConfig` that all arms share. Its training.precision is "float32" unless said, never
            "auto": what is faster on one machine would be mixed with what is on the next.
        baseline: the arm that every other is set against.
        rivals: further arms that the others are set against.
        learning_rates: each arm takes the one with the best mean validation AUROC.
        tuned_at: the label budget at which it is chosen.
        tuning_seeds: the seeds with which it is chosen.
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

    def __post_init__(self):
        for arm in (self.baseline, *self.rivals):
            self._known(arm, "is to be compared with")
        for name in ("seeds", "learning_rates", "budgets"):
            _some(name, getattr(self, name))
        budgets = {str(budget) for arm in self.arms for budget in self.budgets_of(arm)}
        for budget, further in self.further_seeds.items():
            if budget not in budgets:
                raise ConfigError(f"further_seeds names budget {budget}, which no arm has")
            if len({*self.seeds, *further}) < len(self.seeds) + len(further):
                raise ConfigError(
                    f"further_seeds of budget {budget} must be none of seeds, each once, got {list(further)}"
                )
        tables = {"base": self.base} | {f"arm {name}": arm.settings for name, arm in self.arms.items()}
        for where, settings in tables.items():
            if said := [key for key in ELSEWHERE if _holds(settings, key)]:
                raise ConfigError(f"{where} cannot say {said[0]}", fix=f"it is said by {ELSEWHERE[said[0]]}")
        for name, arm in self.arms.items():
            if not re.fullmatch(r"\w[\w .+-]*", name):
                raise ConfigError(f"arm {name!r} names a folder: letters, digits, space and . + - _ are possible")
            for what, own in (("budgets", arm.budgets), ("learning_rates", arm.learning_rates)):
                if own is not None:
                    _some(f"{what} of arm {name}", own)
            for budget in self.budgets_of(name):
                if budget != ALL and (not isinstance(budget, int) or isinstance(budget, bool) or budget < 1):
                    raise ConfigError(f"a budget of arm {name} must be 1 or more labels or {ALL!r}, got {budget!r}")
            if arm.rate_of:
                self._known(arm.rate_of, f"arm {name} has its learning rate of")
                if arm.learning_rates is not None:
                    raise ConfigError(f"arm {name} must have learning_rates or rate_of, not both")
                if self.arms[arm.rate_of].rate_of or self.arms[arm.rate_of].teachers == name:
                    raise ConfigError(f"arm {name} has its learning rate of {arm.rate_of}, which chooses none itself")
            elif len(self.rates_of(name)) > 1:
                if not self.tuning_seeds:
                    raise ConfigError("tuning_seeds must name a seed, where a learning rate is to be chosen")
                if self.tuning_budget not in self.budgets_of(name):
                    problem = f"arm {name} has no budget {self.tuning_budget}, at which learning rates are chosen"
                    raise ConfigError(problem)
            if arm.teachers:
                self._known(arm.teachers, f"arm {name} has its teachers of")
                if self.arms[arm.teachers].teachers:
                    raise ConfigError(f"arm {name} has its teachers of {arm.teachers}, which trains none itself")
                if missing := set(self.budgets_of(name)) - set(self.budgets_of(arm.teachers)):
                    raise ConfigError(f"arm {arm.teachers} has no teachers for arm {name} at budget {missing.pop()}")

    def _known(self, arm: str, why: str) -> None:
        if arm not in self.arms:
            raise ConfigError(f"unknown arm {arm!r}, which {why}", fix=f"arms are: {', '.join(self.arms)}")

    @classmethod
    def load(cls, path: Path) -> "Plan":
        """Reads a plan and builds the configuration of every run once.

        Raises:
            ConfigError: an unknown key or name, or a value that cannot be used.
        """
        plan, first = configs.load(cls, path), None
        for name in plan.arms:
            try:
                check_names(plan.sample(name))
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

    def _check_teachers(self, arm: str, source: str, path: Path) -> None:
        """The teachers that `arm` asks for are of the kind that `source` has."""
        config = self.sample(source)
        given, asked = hands_on(config), teacher_of(self.sample(arm))
        for name, teacher in ((source, given), (arm, asked)):
            if teacher is None:
                raise ConfigError(f"arm {name} has no teacher: its mode has none, or no loss asks one", path=path)
        problem = f"arm {arm} asks for other teachers than arm {source} has"
        if other := [key for key in vars(given) if vars(given)[key] != vars(asked)[key]]:
            fix = "set " + ", ".join(f"teacher.{key} to {vars(given)[key]!r}" for key in other)
            raise ConfigError(problem, path=path, fix=fix)
        if trained := unlike(self.sample(arm), config):
            raise ConfigError(problem, path=path, fix=f"leave out {trained[0]}, or set it for {source}")
        folds = 1 if config.mode == "brightfield" else config.distill.folds
        if folds != self.sample(arm).distill.folds:
            problem = f"arm {arm} asks for another number of teachers than arm {source} has"
            raise ConfigError(problem, path=path, fix=f"set distill.folds to {folds}")

    @property
    def tuning_budget(self) -> Any:
        return self.budgets[0] if self.tuned_at is None else self.tuned_at

    def budgets_of(self, arm: str) -> tuple[Any, ...]:
        own = self.arms[arm].budgets
        return self.budgets if own is None else own

    def rates_of(self, arm: str) -> tuple[float, ...]:
        """Those that it chooses among."""
        own = self.arms[arm].learning_rates
        return self.learning_rates if own is None else own

    @property
    def all_seeds(self) -> list[int]:
        return sorted({*self.seeds}.union(*self.further_seeds.values()))

    def seeds_of(self, budget: Any) -> tuple[int, ...]:
        return *self.seeds, *self.further_seeds.get(str(budget), ())

    def wants(self, arm: str, budget: Any, seed: int) -> bool:
        """Whether a run is one of the comparison's."""
        return arm in self.arms and budget in self.budgets_of(arm) and seed in self.seeds_of(budget)

    def config(self, arm: str, budget: Any, seed: int, rate: float) -> RunConfig:
        """What `fit` is given, but for the data and the teachers."""
        given = _merged({"training": {"precision": "float32"}}, _merged(self.base, self.arms[arm].settings))
        changes = {"seed": seed, "training.learning_rate": rate}
        changes |= {"training.label_budget": None if budget == ALL else budget}
        config = configs.from_dict(RunConfig, configs.with_changes(given, changes))
        if config.training.precision == "auto":
            raise ConfigError("training.precision must be float32, bfloat16 or float16 where runs are compared")
        return replace(config, split=replace(config.split, seed=config.split.seed or 0))

    def sample(self, arm: str) -> RunConfig:
        """Of one of the arm's runs, for what is the same in all."""
        return self.config(arm, self.budgets_of(arm)[0], self.seeds[0], self.rates_of(arm)[0])


def _holds(settings: Any, key: str) -> bool:
    """Whether nested tables have the dotted `key`."""
    head, _, tail = key.partition(".")
    if not isinstance(settings, Mapping) or head not in settings:
        return False
    return not tail or _holds(settings[head], tail)


def _some(what: str, values: Sequence) -> None:
    if not values or any(values.count(value) > 1 for value in values):
        raise ConfigError(f"{what} must be some values, each once, got {list(values)}")


def _merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are merged, whatever else `own` says wins."""
    merged = dict(base)
    for key, value in own.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged
