"""Dealing patients, never cells: to train, validation and test, and to the folds of cross-fitting."""

from collections.abc import Iterator, Mapping

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from tfctc.cells import SPLITS, UNLABELLED, DatasetFacts
from tfctc.config import SplitConfig
from tfctc.errors import SplitError

#: Cells of a class that are dealt one by one. Shares of more come out as well when counted in steps, in less memory.
MOST_ROWS = 50_000
#: Folds that a share is put together of; of more, where it is less than one of them.
MOST_FOLDS = 10


def deal(
    groups: Mapping[str, Mapping[str, int]], facts: DatasetFacts, config: SplitConfig, seed: int
) -> dict[str, str]:
    """Deals whole groups, stratified by label.

    Each held-out split is some of the equal folds of `StratifiedGroupKFold`, as many of as few as come nearest to its
    share (0.2: one of five; 0.7: seven of ten). Groups without a labelled cell go to train, the only split where they
    are of use.

    Args:
        groups: group -> label ("" for none) -> number of cells, as `Manifest.groups` counts them.

    Returns:
        Group -> split, in the order of `groups`.

    Raises:
        SplitError: one group, a class without a cell, or a class in fewer groups than there are splits.
    """
    one = facts.group
    if len(groups) < len(SPLITS):
        raise SplitError(
            f"{len(groups)} {one}(s) cannot be dealt to {', '.join(SPLITS)}",
            fix=f"{len(SPLITS)} or more are needed; give their ids, or cells of more of them",
        )
    for label in facts.classes:
        holders = sum(1 for counts in groups.values() if counts.get(label))
        if not holders:
            raise SplitError(f"class {label} has no cell", fix="label cells of both classes")
        if holders < len(SPLITS):
            raise SplitError(
                f"class {label} occurs in {holders} {one}(s) only",
                fix=f"{len(SPLITS)} or more are needed, one for each of {', '.join(SPLITS)}",
            )
    names, numbers, labels = _cells(groups, facts)
    states = np.random.SeedSequence(seed).generate_state(2)
    for test in _folds(numbers, labels, config.test, int(states[0])):
        rest = ~np.isin(numbers, list(test))
        for validation in _folds(numbers[rest], labels[rest], config.validation / (1 - config.test), int(states[1])):
            home = {names[i]: "test" for i in test} | {names[i]: "validation" for i in validation}
            return {group: home.get(group, "train") for group in groups}
    raise SplitError(
        f"no way was found to deal the {one}s with both classes in each of {', '.join(SPLITS)}",
        fix=f"add {one}s that have cells of both classes",
    )


def deal_folds(groups: Mapping[str, Mapping[str, int]], facts: DatasetFacts, folds: int, seed: int) -> dict[str, int]:
    """Deals whole groups to folds 0 to `folds` - 1, stratified by label; groups without a labelled cell in turn.

    Args:
        groups: group -> label ("" for none) -> number of cells.

    Raises:
        SplitError: fewer groups with a labelled cell than folds, or fewer cells of either class.
    """
    names, numbers, labels = _cells(groups, facts)
    most = int(np.bincount(labels, minlength=2).max())
    parts = {f"training {facts.group}(s) with labels": len(np.unique(numbers)), "training cell(s) of a class": most}
    for what, count in parts.items():
        if count < folds:
            raise SplitError(
                f"{count} {what} cannot be dealt to {folds} folds", fix=f"lower distill.folds to {count} or less"
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
    """The groups' names, sorted, and of each labelled cell its group's number among them and its label."""
    names = sorted(groups)
    number = {name: i for i, name in enumerate(names)}
    counted = [
        (number[group], facts.class_index(label), count)
        for group, counts in groups.items()
        for label, count in counts.items()
        if facts.class_index(label) != UNLABELLED and count
    ]
    return names, *_rows(*np.array(counted, np.int64).reshape(-1, 3).T)


def _rows(numbers: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A row a cell, as scikit-learn wants them; of a class with more than `MOST_ROWS`, one for several of a group's."""
    for label in np.unique(labels):
        of_class = labels == label
        step = counts[of_class].sum() / MOST_ROWS
        if step > 1:
            counts[of_class] = np.maximum(1, np.rint(counts[of_class] / step))
    return np.repeat(numbers, counts), np.repeat(labels, counts)


def _folds(numbers: np.ndarray, labels: np.ndarray, share: float, seed: int) -> Iterator[set[int]]:
    """Sets of groups that can be held out with both classes on either side; larger ones where groups have one class."""
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
