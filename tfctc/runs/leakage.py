"""Prevent leakage: no model is tested on a patient that it, or the weights it began with, has been trained on."""

import json
import logging
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfctc.config import RunConfig, to_dict
from tfctc.data.manifest import MANIFEST, Manifest
from tfctc.data.splits import Splits
from tfctc.errors import RunError, TfctcError
from tfctc.evaluation.training_cells import REAL, TrainingCells, population_of
from tfctc.io.names import abbreviated, counted
from tfctc.runs.folder import SPLITS, STUDENT, TRAIN_AGAIN, RunFolder
from tfctc.runs.images import read_used_images
from tfctc.runs.patients import KnownPatients, Person, persons, population_of_run
from tfctc.runs.splitting import make_splits

log = logging.getLogger(__name__)


def check_leakage(
    config: RunConfig, manifest: Manifest, splits: Splits, initial_weights: Mapping[str, str], folds: int = 1
) -> dict[str, Any]:
    """Checks that no initial weights have been trained on a patient that this run validates or tests on.

    A patient is known by site and id together: see `Person.is_same`.

    Args:
        config: settings of the training.
        manifest: the data set.
        splits: split of its patients.
        initial_weights: network -> source of its initial weights; only .keras files of earlier runs are checked.
        folds: number of teachers. With several, the initial weights of a teacher must not have been trained or
            validated on any patient of the data set.

    Returns:
        Three entries for the run's record. `patients`: patient -> split. `sites`: patient -> its sites, if given.
        `earlier`: the patients that the initial weights were trained or validated on, as `KnownPatients.to_list`.

    Raises:
        RunError: a leak, or weights from a run whose record does not name its patients.
    """
    own = {person: split_of(splits, person) for person in persons(manifest, population_of(manifest))}
    group, earlier = manifest.facts.group, KnownPatients()
    for network, weights in initial_weights.items():
        if not weights.endswith(".keras"):
            continue
        run = _run_of(Path(weights))
        known = known_patients(run)
        if leaks := _leaks(own, known):
            raise RunError(
                f"has been trained on {group} {leaks[0].patient_id}, whom this run would be tested or validated on",
                path=run.folder,
                fix=_remedy(config, manifest, run, known, leaks[0]),
            )
        if network != "student" and folds > 1 and (taught := sorted(p.patient_id for p in own if known.split_of(p))):
            raise RunError(
                f"has been trained on {group} {taught[0]}, and with distill.folds a teacher must not know any {group} "
                "of the data set",
                path=run.folder,
                fix=f"in place of --init: --set student.weights={run.folder / STUDENT}",
            )
        if network == "student" and (namesakes := [p.patient_id for p in own if known.has_namesake(p)]):
            log.info(
                "%s in %s too, at other sites: they count as other people (%s).",
                "1 id is" if len(namesakes) == 1 else f"{counted(len(namesakes), 'id')} are",
                run.folder,
                abbreviated(sorted(namesakes)),
            )
        earlier.update(known)
    return {
        "patients": {person.patient_id: split for person, split in own.items()},
        "sites": {person.patient_id: list(person.sites) for person in own if any(person.sites)},
        "earlier": earlier.to_list(),
    }


def known_patients(run: RunFolder) -> KnownPatients:
    """Patients that a run and its initial weights were trained or validated on.

    Raises:
        RunError: a run of an early version, whose record does not name its patients.
    """
    record = run.record
    if "patients" not in record:
        problem = "does not tell which patients it has been trained on"
        raise RunError(problem, path=run.folder, fix=f"train these weights anew: {TRAIN_AGAIN}")
    known = KnownPatients.from_list(record.get("earlier", []))
    here = population_of_run(run)
    # Records of early versions name no sites, and hold the patients of the initial weights by population.
    for population, patients in (record.get("elsewhere", {}) | {here: record["patients"]}).items():
        sites = record.get("sites", {}) if population == here else {}
        for patient, split in patients.items():
            if split != "test":
                known.add(Person(population, patient, tuple(sites.get(patient, ()))), split)
    return known


def training_cells(run: RunFolder) -> TrainingCells:
    """Fingerprints of the patients and images that a run and its initial weights were trained or validated on.

    Raises:
        RunError: a run of an early version, whose record does not name its patients.
    """
    persons_ = ((person.population, person.patient_id, person.sites) for person in known_patients(run).splits)
    return TrainingCells.of(persons_, read_used_images(run))


def split_of(splits: Splits, person: Person) -> str:
    """Name of the split of a patient of the data set."""
    return splits.assignment[person.patient_id if splits.by == "patient_id" else person.sites[0]]


def initial_runs(initial_weights: Mapping[str, str]) -> list[RunFolder]:
    """The runs in whose folders the initial weights lie, each once.

    Args:
        initial_weights: network -> source of its initial weights.

    Raises:
        RunError: a .keras file that lies in no run folder.
    """
    runs = (_run_of(Path(weights)) for weights in initial_weights.values() if weights.endswith(".keras"))
    return list({run.folder: run for run in runs}.values())


def _leaks(own: Mapping[Person, str], known: KnownPatients) -> list[Person]:
    """Patients whom this run validates or tests on, and whom the earlier run put into another split."""
    held_out = (person for person, split in own.items() if split != "train")
    return [person for person in held_out if known.split_of(person) not in (None, own[person])]


def _remedy(config: RunConfig, manifest: Manifest, run: RunFolder, known: KnownPatients, leak: Person) -> str:
    """Remedies: for a namesake, another site or id; else the seed and split of the earlier run, or other weights."""
    same = _same_split(config, manifest, run, known)
    if leak.population != REAL:
        return same
    table, theirs = manifest.folder / MANIFEST, known.sites_of(leak)
    if theirs and "" in (leak.sites or ("",)):
        sites = " and ".join(map(repr, theirs))
        other = f"name their sites in column site of {table} (tfctc import: --site-column), other than {sites}"
    else:
        example = f"{manifest.facts.name}-{leak.patient_id}"
        other = f"give them other ids in column patient_id of {table}, such as {example}"
    return f"if they are other people, {other}; if not, {same}"


def _same_split(config: RunConfig, manifest: Manifest, run: RunFolder, known: KnownPatients) -> str:
    """Remedy: seed and split of the earlier run, or `split.of`, if these keep its patients; else other weights."""
    other = "leave out --init, or begin with the weights of another run"
    if config.cross_validation.folds:
        return other  # Every patient is tested by some fold.
    of = replace(config.split, file=None, of=str(run.folder), test_site=None)
    for candidate, words in (
        (replace(config, seed=run.config.seed, split=run.config.split), "fit with the seed and split of that run"),
        (replace(config, split=of), "keep its patients in their splits"),
    ):
        try:
            splits = make_splits(manifest, candidate)
        except TfctcError:
            continue
        own = {person: split_of(splits, person) for person in persons(manifest, population_of(manifest))}
        if not _leaks(own, known):
            ours, wanted = to_dict(config.split), to_dict(candidate.split)
            settings = [f"--set split.{key}={_as_typed(wanted[key])}" for key in wanted if wanted[key] != ours[key]]
            seed = [f"--seed {candidate.seed}"] if words.startswith("fit") else []
            return f"{words}: {' '.join([*seed, *settings])}"
    return other


def _as_typed(value: Any) -> str:
    """A value as text that `--set` parses to the same value."""
    return shlex.quote(value) if isinstance(value, str) else json.dumps(value)


def _run_of(weights: Path) -> RunFolder:
    """The run in whose folder a .keras file lies; links are resolved first."""
    folder = weights.resolve().parent
    if not (folder / SPLITS).exists():
        fix = "give the path of the file in its run folder"
        raise RunError("does not tell which patients it has been trained on", path=weights, fix=fix)
    return RunFolder.open(folder)
