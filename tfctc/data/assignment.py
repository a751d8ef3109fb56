"""Assignment of whole groups (patients or sites) to splits and folds, stratified by label, with scikit-learn."""

import warnings
from collections.abc import Iterator, Mapping

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from tfctc.cells import OTHER, SPLITS, DatasetFacts
from tfctc.config import SplitConfig
from tfctc.errors import SplitError
from tfctc.io.names import abbreviated, plural

#: Number of cells of a class up to which each cell is a row for scikit-learn. Above it a row stands for several cells:
#: the shares come out equally well, in less memory.
MOST_ROWS = 50_000
#: Largest number of folds that the groups are divided into to make up a share; more for a share below 1 / MOST_FOLDS.
MOST_FOLDS = 10
#: Number of orders in which groups are assigned until every split has both classes.
TRIES = 100


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
    one = group_name(facts, config.by)
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
    names, numbers, labels = labelled_rows(groups, facts)
    with_other = [name for name, counts in groups.items() if counts.get(OTHER)] if facts.other else []
    # Every split has cells of the class other, if there are groups enough and an assignment that does so.
    wanted = set(SPLITS) if len(with_other) >= len(SPLITS) else set()
    first: dict[str, str] = {}
    states = np.random.SeedSequence(seed).generate_state(2)
    for test in held_out_sets(numbers, labels, config.test, int(states[0])):
        rest = ~np.isin(numbers, list(test))
        for validation in held_out_sets(
            numbers[rest], labels[rest], config.validation / (1 - config.test), int(states[1])
        ):
            home = {names[i]: "test" for i in test} | {names[i]: "validation" for i in validation}
            found = {group: home.get(group, "train") for group in groups}
            if wanted <= {found[name] for name in with_other}:
                return found
            first = first or found
    if first:
        return first
    raise SplitError(
        f"no split of the {plural(one)} was found with both classes in each of {', '.join(SPLITS)}",
        fix=f"add {plural(one)} that have cells of both classes",
    )


def assign_rest(
    groups: Mapping[str, Mapping[str, int]],
    pinned: Mapping[str, str],
    facts: DatasetFacts,
    config: SplitConfig,
    seed: int,
) -> dict[str, str]:
    """Assigns the groups whose split is not given, so that all splits together have about their shares of each class.

    Groups are taken one by one, those with many cells first and equal ones in random order. Each goes to the split that
    brings the shares of both classes nearest to those wanted (the rule of scikit-learn's `StratifiedGroupKFold`, for
    unequal shares). Groups without a labelled cell go to train.

    Args:
        groups: group -> label ("" for none) -> number of cells.
        pinned: group -> its given split.
        facts: facts of the data set.
        config: shares of the splits.
        seed: seed of the assignment.

    Returns:
        Group -> split, in the order of `groups`.

    Raises:
        SplitError: a split would lack a class.
    """
    counts = {name: np.array([own.get(label, 0) for label in facts.classes], float) for name, own in groups.items()}
    total = np.maximum(sum(counts.values()), 1)
    wanted = np.array([1 - config.validation - config.test, config.validation, config.test])[:, None]
    given = np.zeros((len(SPLITS), 2))
    for name, split in pinned.items():
        given[SPLITS.index(split)] += counts[name] / total
    free = [name for name in groups if name not in pinned and counts[name].sum()]
    rng = np.random.default_rng(seed)
    for _ in range(TRIES if free else 1):
        shares, home = given.copy(), dict(pinned)
        order = rng.permutation(len(free))
        for i in sorted(order, key=lambda i: -counts[free[i]].sum()):
            added = counts[free[i]] / total
            # Only the terms of the split that receives the group change.
            change = ((shares + added - wanted) ** 2 - (shares - wanted) ** 2).sum(axis=1)
            best = int(np.argmin(change))
            shares[best] += added
            home[free[i]] = SPLITS[best]
        if (shares > 0).all():
            break
    assignment = {name: home.get(name, "train") for name in groups}
    check_classes(groups, assignment, facts, config.by)
    return assignment


def check_classes(
    groups: Mapping[str, Mapping[str, int]], assignment: Mapping[str, str], facts: DatasetFacts, by: str
) -> None:
    """Checks that every split has cells of both classes.

    Raises:
        SplitError: a split lacks a class; the message names groups that have it.
    """
    for split in SPLITS:
        for label in facts.classes:
            holders = [name for name, own in groups.items() if own.get(label)]
            if not any(assignment[name] == split for name in holders):
                one = group_name(facts, by)
                fix = (
                    f"{plural(one)} with such cells: {abbreviated(sorted(holders))}" if holders else "label such cells"
                )
                raise SplitError(f"the {split} split would have no cell of class {label}", fix=fix)


def assign_validation(
    groups: Mapping[str, Mapping[str, int]], facts: DatasetFacts, share: float, seed: int, by: str = "patient_id"
) -> dict[str, str]:
    """Assigns whole groups to train and validation, stratified by label; groups without a labelled cell go to train.

    Args:
        groups: group -> label ("" for none) -> number of cells.
        facts: facts of the data set.
        share: share of the validation split, in (0, 1).
        seed: seed of the assignment.
        by: column of the groups, for messages.

    Returns:
        Group -> "train" or "validation", in the order of `groups`.

    Raises:
        SplitError: no assignment with both classes in both splits was found.
    """
    names, numbers, labels = labelled_rows(groups, facts)
    if len(np.unique(labels)) == 2:
        for held in held_out_sets(numbers, labels, share, seed):
            home = {names[i]: "validation" for i in held}
            return {name: home.get(name, "train") for name in groups}
    one = plural(group_name(facts, by))
    counts = {label: sum(bool(own.get(label)) for own in groups.values()) for label in facts.classes}
    problem = " and ".join(f"{count} with {label}" for label, count in counts.items())
    raise SplitError(
        f"{len(groups)} {one} ({problem}) cannot be split into train and validation with both classes in both",
        fix=f"label cells of more {one}: two or more with each class are needed",
    )


def assign_folds(
    groups: Mapping[str, Mapping[str, int]],
    facts: DatasetFacts,
    folds: int,
    seed: int,
    by: str = "patient_id",
    setting: str = "distill.folds",
) -> dict[str, int]:
    """Assigns whole groups to folds 0 to `folds` - 1, stratified by label.

    Groups without a labelled cell are assigned to the folds in turn.

    Args:
        groups: group -> label ("" for none) -> number of cells.
        facts: facts of the data set.
        folds: number of folds.
        seed: seed of the assignment.
        by: column of the groups, for messages.
        setting: name of the setting of `folds`, for messages.

    Returns:
        Group -> number of its fold.

    Raises:
        SplitError: fewer groups with a labelled cell than folds, or fewer cells than folds in both classes.
    """
    names, numbers, labels = labelled_rows(groups, facts)
    most = int(np.bincount(labels, minlength=2).max())
    training = "training " if setting == "distill.folds" else ""
    parts = {
        f"{training}{group_name(facts, by)}(s) with labels": len(np.unique(numbers)),
        f"{training}cell(s) of a class": most,
    }
    for name, count in parts.items():
        if count < folds:
            raise SplitError(
                f"{count} {name} cannot be split into {folds} folds", fix=f"lower {setting} to {count} or less"
            )
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # scikit-learn warns of a class with fewer cells than folds: then a fold lacks the class.
        warnings.simplefilter("ignore", UserWarning)
        home = {
            names[i]: fold
            for fold, (_, held) in enumerate(splitter.split(numbers, labels, numbers))
            for i in np.unique(numbers[held])
        }
    others = (name for name in names if name not in home)
    return home | {name: i % folds for i, name in enumerate(others)}


def labelled_rows(
    groups: Mapping[str, Mapping[str, int]], facts: DatasetFacts
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Sorted names of the groups, and two arrays ``(N,)``: the group number and the label of each labelled cell.

    Cells of the class other do not count: the splits are stratified by the two classes.
    """
    names = sorted(groups)
    number = {name: i for i, name in enumerate(names)}
    counted = [
        (number[group], facts.class_index(label), count)
        for group, counts in groups.items()
        for label, count in counts.items()
        if facts.class_index(label) in (0, 1) and count
    ]
    return names, *_rows(*np.array(counted, np.int64).reshape(-1, 3).T)


def group_name(facts: DatasetFacts, by: str) -> str:
    return facts.group if by == "patient_id" else by


def _rows(numbers: np.ndarray, labels: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Group numbers and labels with a row for each cell, or for several in a class of more than `MOST_ROWS` cells."""
    for label in np.unique(labels):
        of_class = labels == label
        step = counts[of_class].sum() / MOST_ROWS
        if step > 1:
            counts[of_class] = np.maximum(1, np.rint(counts[of_class] / step))
    return np.repeat(numbers, counts), np.repeat(labels, counts)


def held_out_sets(numbers: np.ndarray, labels: np.ndarray, share: float, seed: int) -> Iterator[set[int]]:
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
