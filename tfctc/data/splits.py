"""Splits: train, validation and test, and the folds of cross-fitting. Whole patients are assigned, never cells."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from tfctc.cells import SPLITS, UNLABELLED, Cell, DatasetFacts
from tfctc.config import RunConfig, SplitConfig
from tfctc.data.label_budget import KeptLabels, keep_labels
from tfctc.data.manifest import Manifest
from tfctc.errors import SplitError
from tfctc.io.names import plural

#: Number of cells of a class up to which each cell is a row for scikit-learn. Above it a row stands for several cells:
#: the shares come out equally well, in less memory.
MOST_ROWS = 50_000
#: Largest number of folds that the groups are divided into to make up a share; more for a share below 1 / MOST_FOLDS.
MOST_FOLDS = 10


@dataclass(frozen=True)
class Splits:
    """Assignment of groups (patients or sites) to the splits, with the folds and the labels that a training may use.

    Args:
        by: manifest column of the groups.
        assignment: group -> "train", "validation" or "test".
        folds: training group -> number of its fold, for cross-fitted teachers; empty for a single teacher.
        kept_labels: training labels that may be used; None for all.
    """

    by: str = "patient_id"
    assignment: Mapping[str, str] = field(default_factory=dict, repr=False)
    folds: Mapping[str, int] = field(default_factory=dict, repr=False)
    kept_labels: KeptLabels | None = None

    @classmethod
    def make(cls, manifest: Manifest, config: RunConfig, folds: int = 1, label_seed: int = 0) -> "Splits":
        """Splits the groups of a data set; the same seed gives the same split.

        Args:
            manifest: the data set.
            config: settings of the training; `split`, `seed` and `training.label_budget` are used.
            folds: number of folds of the training groups.
            label_seed: seed of the choice of labels that `training.label_budget` keeps.

        Raises:
            ConfigError, SplitError: as `assign_groups`, `assign_folds` and `keep_labels`.
        """
        seed = config.seed if config.split.seed is None else config.split.seed
        groups = manifest.groups(config.split.by)
        assignment = assign_groups(groups, manifest.facts, config.split, seed)
        splits = cls(config.split.by, assignment)
        if folds > 1:
            training = {group: counts for group, counts in groups.items() if assignment[group] == "train"}
            splits = replace(splits, folds=assign_folds(training, manifest.facts, folds, seed, config.split.by))
        budget = config.training.label_budget
        if budget is None:
            return splits
        return replace(splits, kept_labels=keep_labels(manifest, splits.mask(manifest, "train"), budget, label_seed))

    @property
    def digest(self) -> str:
        """SHA-256 of the assignment and the folds."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def of(self, cell: Cell) -> str:
        """Name of the split of a cell."""
        return self.assignment[getattr(cell, self.by)]

    def mask(self, manifest: Manifest, split: str) -> np.ndarray:
        """Whether each cell is in `split`: bool ``(N,)`` in the order of the manifest."""
        inside = {group: 1 for group, name in self.assignment.items() if name == split}
        return manifest.index.coded(self.by, inside, 0) == 1

    def to_dict(self) -> dict[str, Any]:
        """Plain values for splits.json. The kept labels are left out: they follow from the settings."""
        values: dict[str, Any] = {"by": self.by, "groups": dict(self.assignment)}
        return values | ({"folds": dict(self.folds)} if self.folds else {})

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Splits":
        """Splits from the values of `to_dict`."""
        return cls(values["by"], values["groups"], values.get("folds", {}))


def assign_groups(
    groups: Mapping[str, Mapping[str, int]], facts: DatasetFacts, config: SplitConfig, seed: int
) -> dict[str, str]:
    """Assigns whole groups to the splits, stratified by label.

    Each held-out split consists of equal folds of scikit-learn's `StratifiedGroupKFold`: the fewest folds that come
    nearest to its share (0.2 is one of five, 0.7 is seven of ten). Groups without a labelled cell go to train, the only
    split that can use them.

    Args:
        groups: group -> label ("" for none) -> number of cells, as `Manifest.groups` counts them.
        facts: facts of the data set.
        config: shares of the splits.
        seed: seed of the split.

    Returns:
        Group -> split, in the order of `groups`.

    Raises:
        SplitError: fewer groups than splits, a class without a cell, a class in fewer groups than there are splits, or
            groups of which no split with both classes everywhere was found.
    """
    one = _group_name(facts, config.by)
    if len(groups) < len(SPLITS):
        raise SplitError(
            f"{len(groups)} {one}(s) cannot be split into {', '.join(SPLITS)}",
            fix=f"{len(SPLITS)} or more are needed; import cells of more {plural(one)}",
        )
    for label in facts.classes:
        holders = sum(1 for counts in groups.values() if counts.get(label))
        if not holders:
            raise SplitError(f"class {label} has no cell", fix="label cells of both classes")
        if holders < len(SPLITS):
            raise SplitError(
                f"class {label} occurs in {holders} {one}(s) only",
                fix=f"label such cells of {len(SPLITS)} {plural(one)} or more, one for each of {', '.join(SPLITS)}",
            )
    names, numbers, labels = _cells(groups, facts)
    states = np.random.SeedSequence(seed).generate_state(2)
    for test in _folds(numbers, labels, config.test, int(states[0])):
        rest = ~np.isin(numbers, list(test))
        for validation in _folds(numbers[rest], labels[rest], config.validation / (1 - config.test), int(states[1])):
            home = {names[i]: "test" for i in test} | {names[i]: "validation" for i in validation}
            return {group: home.get(group, "train") for group in groups}
    raise SplitError(
        f"no split of the {plural(one)} was found with both classes in each of {', '.join(SPLITS)}",
        fix=f"add {plural(one)} that have cells of both classes",
    )


def assign_folds(
    groups: Mapping[str, Mapping[str, int]], facts: DatasetFacts, folds: int, seed: int, by: str = "patient_id"
) -> dict[str, int]:
    """Assigns whole groups to folds 0 to `folds` - 1, stratified by label.

    Groups without a labelled cell are assigned to the folds in turn.

    Args:
        groups: group -> label ("" for none) -> number of cells.
        facts: facts of the data set.
        folds: number of folds.
        seed: seed of the assignment.
        by: column of the groups, for messages.

    Returns:
        Group -> number of its fold.

    Raises:
        SplitError: fewer groups with a labelled cell than folds, or fewer cells than folds in both classes.
    """
    names, numbers, labels = _cells(groups, facts)
    most = int(np.bincount(labels, minlength=2).max())
    parts = {
        f"training {_group_name(facts, by)}(s) with labels": len(np.unique(numbers)),
        "training cell(s) of a class": most,
    }
    for name, count in parts.items():
        if count < folds:
            raise SplitError(
                f"{count} {name} cannot be split into {folds} folds", fix=f"lower distill.folds to {count} or less"
            )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    home = {
        names[i]: fold
        for fold, (_, held) in enumerate(splitter.split(numbers, labels, numbers))
        for i in np.unique(numbers[held])
    }
    others = (name for name in names if name not in home)
    return home | {name: i % folds for i, name in enumerate(others)}


def _cells(groups: Mapping[str, Mapping[str, int]], facts: DatasetFacts) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Sorted names of the groups, and two arrays ``(N,)``: the group number and the label of each labelled cell."""
    names = sorted(groups)
    number = {name: i for i, name in enumerate(names)}
    counted = [
        (number[group], facts.class_index(label), count)
        for group, counts in groups.items()
        for label, count in counts.items()
        if facts.class_index(label) != UNLABELLED and count
    ]
    return names, *_rows(*np.array(counted, np.int64).reshape(-1, 3).T)


def _group_name(facts: DatasetFacts, by: str) -> str:
    return facts.group if by == "patient_id" else by


def _rows(numbers: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Group numbers and labels with a row for each cell, or for several in a class of more than `MOST_ROWS` cells."""
    for label in np.unique(labels):
        of_class = labels == label
        step = counts[of_class].sum() / MOST_ROWS
        if step > 1:
            counts[of_class] = np.maximum(1, np.rint(counts[of_class] / step))
    return np.repeat(numbers, counts), np.repeat(labels, counts)


def _folds(numbers: np.ndarray, labels: np.ndarray, share: float, seed: int) -> Iterator[set[int]]:
    """Yields sets of group numbers to hold out, of about `share` of the cells, with both classes inside and outside.

    Fewer and larger folds are tried too, because folds of groups with one class only may lack the other class.
    """
    most = min(max(MOST_FOLDS, round(1 / share)), len(np.unique(numbers)), int(np.bincount(labels).min()))
    taken = {folds: min(max(1, round(share * folds)), folds - 1) for folds in range(2, most + 1)}
    nearest = min(taken, key=lambda folds: (abs(taken[folds] / folds - share), folds), default=1)
    for folds in range(nearest, 1, -1):
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        parts = [held for _, held in splitter.split(numbers, labels, numbers)]
        for first in range(folds):
            held = np.zeros(len(numbers), bool)
            held[np.concatenate([parts[(first + i) % folds] for i in range(taken[folds])])] = True
            if len(np.unique(labels[held])) == len(np.unique(labels[~held])) == 2:
                yield set(np.unique(numbers[held]).tolist())
