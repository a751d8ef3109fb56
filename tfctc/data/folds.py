"""Folds of a cross-validation: every patient with a labelled cell is tested once in each repeat."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from tfctc.cells import SPLITS
from tfctc.config import RunConfig
from tfctc.config.schema import PATIENT, SITE
from tfctc.data.assignment import assign_folds, assign_validation, group_name
from tfctc.data.manifest import MANIFEST, Manifest
from tfctc.data.pinned import pinned_patients
from tfctc.errors import ConfigError, SplitError
from tfctc.io.names import abbreviated, counted, plural

#: Number of ways in which patients are assigned to folds until every fold can be trained.
TRIES = 50


@dataclass(frozen=True)
class Fold:
    """One training of a cross-validation.

    Args:
        repeat, number: numbers of the repeat and of the fold in it, both from 0.
        assignment: patient -> "train", "validation", or "test" for the patients whom this fold tests.
    """

    repeat: int
    number: int
    assignment: Mapping[str, str] = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """Name of the fold, and of its run folder."""
        return f"{self.repeat}-{self.number}"

    def __str__(self) -> str:
        return f"fold {self.name}"

    def patients(self, split: str) -> list[str]:
        """Patients of a split, sorted."""
        return sorted(patient for patient, own in self.assignment.items() if own == split)


def make_folds(manifest: Manifest, config: RunConfig) -> list[Fold]:
    """The folds of a cross-validation, stratified by label; the same seed gives the same folds.

    The patients whom a fold does not test are assigned to train and validation, `split.validation` of them to the
    latter. Patients without a labelled cell always train.

    Args:
        manifest: the data set.
        config: settings of the training; `cross_validation`, `split` and `seed` are used.

    Returns:
        The folds, repeat by repeat.

    Raises:
        SplitError: splits that the manifest gives, fewer groups than folds, or a fold whose training or validation
            patients cannot have both classes.
    """
    pinned_patients(manifest, config)  # Raises if the manifest gives splits.
    seed = config.seed if config.split.seed is None else config.split.seed
    folds, repeats = config.cross_validation.folds, config.cross_validation.repeats
    if not isinstance(folds, int):
        held_out = list(_single_groups(manifest, config))
        return _folds(manifest, config, 0, held_out, int(np.random.SeedSequence(seed).generate_state(1)[0]))
    made: list[Fold] = []
    for repeat in range(repeats):
        # The first way in which every fold can be trained.
        states = np.random.SeedSequence([seed, repeat]).generate_state(TRIES)
        for last, state in enumerate(states.tolist(), 1 - TRIES):
            try:
                made += _folds(manifest, config, repeat, _numbered_groups(manifest, config, folds, state), state)
                break
            except SplitError as error:
                if not last or str(error.fix).startswith("lower"):
                    raise
    return made


def find_fold(manifest: Manifest, config: RunConfig) -> Fold:
    """The fold that `cross_validation.fold` names.

    Raises:
        ConfigError: there is no such fold.
        SplitError: as `make_folds`.
    """
    folds = {fold.name: fold for fold in make_folds(manifest, config)}
    name = config.cross_validation.fold or ""
    if name not in folds:
        fix = f"choose one of: {abbreviated(list(folds))}"
        raise ConfigError(f"cross_validation.fold {name!r} is no fold of the data set", fix=fix)
    return folds[name]


def describe_folds(manifest: Manifest, folds: list[Fold]) -> str:
    """Text with the patients and labelled cells that each fold tests, one line each."""
    groups, facts = manifest.groups("patient_id"), manifest.facts
    lines = []
    for fold in folds:
        tested = fold.patients("test")
        cells = ", ".join(f"{sum(groups[name][label] for name in tested)} {label}" for label in facts.labels)
        sizes = [counted(len(fold.patients(split)), facts.group) for split in SPLITS]
        parts = f"trains on {sizes[0]}, validates on {sizes[1]}, tests {sizes[2]} ({cells}): {abbreviated(tested)}"
        lines.append(f"{fold!s:10} {parts}")
    return "\n".join(lines)


def _numbered_groups(manifest: Manifest, config: RunConfig, folds: int, seed: int) -> list[set[str]]:
    """Groups that each of a number of folds tests."""
    by = config.split.by
    labelled = {name: counts for name, counts in manifest.groups(by).items() if _is_labelled(counts)}
    home = assign_folds(labelled, manifest.facts, folds, seed, by, "--folds")
    return [{name for name, own in home.items() if own == fold} for fold in range(folds)]


def _single_groups(manifest: Manifest, config: RunConfig) -> Iterator[set[str]]:
    """The one patient, or the patients of the one site, that each fold tests."""
    by, patients = config.split.by, manifest.groups("patient_id")
    if config.cross_validation.folds == PATIENT:
        yield from ({name} for name, counts in patients.items() if _is_labelled(counts))
        return
    try:
        sites = manifest.groups(SITE)
    except SplitError as error:
        fix = f"correct the column site of {manifest.folder / MANIFEST}, or choose --folds {PATIENT}"
        raise SplitError(error.problem, path=error.path, fix=fix) from None
    index = manifest.index
    for site, counts in sites.items():
        if _is_labelled(counts):
            here = index.coded(SITE, {site: 1}, 0) == 1
            yield {index.names[by][code] for code in np.unique(index.codes[by][here]).tolist()}


def _folds(manifest: Manifest, config: RunConfig, repeat: int, held_out: list[set[str]], seed: int) -> list[Fold]:
    """Folds that test these sets of groups; the other groups train and validate."""
    by, facts = config.split.by, manifest.facts
    groups = manifest.groups(by)
    if len(held_out) < 2:
        problem = f"{len(held_out)} fold(s) by {config.cross_validation.folds} cannot test every {facts.group}"
        raise SplitError(problem, path=manifest.folder, fix="two or more with labelled cells are needed; try --folds 5")
    folds = []
    for number, tested in enumerate(held_out):
        rest = {name: counts for name, counts in groups.items() if name not in tested}
        try:
            if not tested:
                raise SplitError("a fold needs someone to test")
            home = assign_validation(rest, facts, config.split.validation, seed, by)
        except SplitError as error:
            where = f"fold {repeat}-{number}, which tests {abbreviated(sorted(tested)) or 'nobody'}"
            fix = f"label cells of more {plural(group_name(facts, by))}: three or more with each class are needed"
            raise SplitError(f"{where}: {error.problem}", path=manifest.folder, fix=fix) from None
        assignment = {name: home.get(name, "test") for name in groups}
        folds.append(Fold(repeat, number, _by_patient(manifest, by, assignment)))
    return folds


def _by_patient(manifest: Manifest, by: str, assignment: Mapping[str, str]) -> dict[str, str]:
    """Patient -> split of its group."""
    codes, names = manifest.index.codes, manifest.index.names
    first = np.unique(codes["patient_id"], return_index=True)[1]
    return {names["patient_id"][codes["patient_id"][i]]: assignment[names[by][codes[by][i]]] for i in first.tolist()}


def _is_labelled(counts: Mapping[str, int]) -> bool:
    return any(count for label, count in counts.items() if label)
