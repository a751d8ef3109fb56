"""Prevent leakage: no model is tested on a patient that it, or the weights it began with, has been trained on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tfctc.config import RunConfig, to_dict
from tfctc.data.manifest import Manifest
from tfctc.data.splits import Splits
from tfctc.errors import RunError, SplitError
from tfctc.io.names import spelling_key
from tfctc.runs.folder import SPLITS, STUDENT, TRAIN_AGAIN, RunFolder

#: The population of all real patients. Every simulation is a population of its own, named by its folder.
REAL = ""


@dataclass
class KnownPatients:
    """Patients whose cells were used for a model, by population.

    Args:
        populations: population -> patient -> split in which the patient was used.
    """

    populations: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, population: str, patients: Mapping[str, str]) -> None:
        """Adds patients. A patient who was in "train" once and in "validation" another time counts as "train"."""
        known = self.populations.setdefault(population, {})
        for patient, split in patients.items():
            known[patient] = min(split, known.get(patient, split))  # "train" comes before "validation".


def check_leakage(
    config: RunConfig, manifest: Manifest, splits: Splits, initial_weights: Mapping[str, str], folds: int = 1
) -> dict[str, Any]:
    """Checks that no initial weights have been trained on a patient that this run validates or tests on.

    Args:
        config: settings of the training.
        manifest: the data set.
        splits: split of its patients.
        initial_weights: network -> source of its initial weights; only .keras files of earlier runs are checked.
        folds: number of teachers. With several, the initial weights of a teacher must not have been trained or
            validated on any patient of the data set.

    Returns:
        Two entries for the run's record. `patients`: patient -> split. `elsewhere`: population -> patient -> split, for
        the patients of other populations that the initial weights were trained or validated on.

    Raises:
        RunError: a leak, or weights from a run whose record does not name its patients.
    """
    here, group = _population(manifest.facts.simulated, config), manifest.facts.group
    patients = {cell.patient_id: splits.of(cell) for cell in manifest.index}
    spellings = {spelling_key(patient): patient for patient in patients}
    known = KnownPatients({here: patients})
    for network, weights in initial_weights.items():
        if not weights.endswith(".keras"):
            continue
        run = _run_of(Path(weights))
        theirs = _known_to(run, spellings)
        own, seen = known.populations[here], theirs.populations.get(here, {})
        if leaks := _leaks(own, seen):
            raise RunError(
                f"has been trained on {group} {leaks[0]}, whom this run would be tested or validated on",
                path=run.folder,
                fix=_remedy(config, manifest, run, seen),
            )
        if network != "student" and folds > 1 and (taught := sorted(seen.keys() & own)):
            raise RunError(
                f"has been trained on {group} {taught[0]}, and with distill.folds a teacher must not know any {group} "
                "of the data set",
                path=run.folder,
                fix=f"in place of --init: --set student.weights={run.folder / STUDENT}",
            )
        for population, seen in theirs.populations.items():
            known.add(population, seen)
    return {"patients": known.populations.pop(here), "elsewhere": known.populations}


def _leaks(own: Mapping[str, str], seen: Mapping[str, str]) -> list[str]:
    """Patients in `seen` that this run validates or tests on, and that the earlier run put into another split."""
    return [patient for patient in seen if own.get(patient, "train") not in ("train", seen[patient])]


def _remedy(config: RunConfig, manifest: Manifest, run: RunFolder, seen: Mapping[str, str]) -> str:
    """Remedy: the seed and split of the earlier run, if these keep its patients in their splits; else other weights."""
    try:
        splits = Splits.make(manifest, replace(config, seed=run.config.seed, split=run.config.split))
    except SplitError:
        return "leave out --init, or begin with the weights of another run"
    if _leaks({cell.patient_id: splits.of(cell) for cell in manifest.index}, seen):
        return "leave out --init, or begin with the weights of another run"
    ours, theirs = to_dict(config.split), to_dict(run.config.split)
    settings = [f"--set split.{key}={_as_typed(theirs[key])}" for key in theirs if theirs[key] != ours[key]]
    return f"fit with the seed and split of that run: {' '.join([f'--seed {run.config.seed}', *settings])}"


def _as_typed(value: Any) -> str:
    """A value as text that `--set` parses to the same value."""
    return value if isinstance(value, str) else json.dumps(value)


def _run_of(weights: Path) -> RunFolder:
    """The run in whose folder a .keras file lies; links are resolved first."""
    folder = weights.resolve().parent
    if not (folder / SPLITS).exists():
        fix = "give the path of the file in its run folder"
        raise RunError("does not tell which patients it has been trained on", path=weights, fix=fix)
    return RunFolder.open(folder)


def _known_to(run: RunFolder, spellings: Mapping[str, str]) -> KnownPatients:
    """Patients that an earlier run and its initial weights were trained or validated on, spelt as in this run.

    Args:
        run: the earlier run.
        spellings: `spelling_key` of each patient of this run -> the patient.
    """
    if "patients" not in run.record:
        problem = "does not tell which patients it has been trained on"
        raise RunError(problem, path=run.folder, fix=f"train these weights anew: {TRAIN_AGAIN}")
    here = _population(run.facts.simulated, run.config)
    known = KnownPatients()
    for population, patients in (run.record.get("elsewhere", {}) | {here: run.record["patients"]}).items():
        used = {patient: split for patient, split in patients.items() if split != "test"}
        known.add(population, {})
        for patient, split in used.items():
            known.add(population, {spellings.get(spelling_key(patient), patient): split})
    return known


def _population(simulated: bool, config: RunConfig) -> str:
    """Population of a data set. Two simulations use the same names for different patients, so each has its own."""
    return config.data if simulated else REAL
