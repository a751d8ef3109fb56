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
from tfctc.runs.folder import SPLITS, STUDENT, RunFolder

#: The population of all real patients. Every simulation is a population of its own, named by its folder.
REAL = ""


@dataclass
class KnownPatients:
    """Patients that a model knows, by population.

    Args:
        populations: population -> patient -> split in which the patient was used.
    """

    populations: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, population: str, patients: Mapping[str, str]) -> None:
        """Adds patients; who was ever trained on counts as "train", also if validated on before."""
        known = self.populations.setdefault(population, {})
        for patient, split in patients.items():
            known[patient] = min(split, known.get(patient, split))  # "train" comes before "validation".


def check_leakage(
    config: RunConfig, manifest: Manifest, splits: Splits, initial_weights: Mapping[str, str], folds: int = 1
) -> dict[str, Any]:
    """Checks that no initial weights have been trained on a patient that this run validates or tests on.

    Args:
        initial_weights: network -> source of its initial weights; only .keras files of earlier runs matter.
        folds: number of teachers; with several no teacher may begin with weights that know the patients it teaches.

    Returns:
        For the run's record. `patients`: patient -> split. `elsewhere`: population -> patient -> split, of the patients
        of other populations that the initial weights know.

    Raises:
        RunError: a patient of validation or test whom the weights know; a teacher of one of several folds that knows
            any patient; or weights whose run does not tell which patients they know.
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
                f"has been trained on {group} {taught[0]}, and with distill.folds no teacher may know whom it teaches",
                path=run.folder,
                fix=f"in place of --init: --set student.weights={run.folder / STUDENT}",
            )
        for population, seen in theirs.populations.items():
            known.add(population, seen)
    return {"patients": known.populations.pop(here), "elsewhere": known.populations}


def _leaks(own: Mapping[str, str], seen: Mapping[str, str]) -> list[str]:
    """Patients whom earlier weights know and who have another use here than there, unless they are trained on here."""
    return [patient for patient in seen if own.get(patient, "train") not in ("train", seen[patient])]


def _remedy(config: RunConfig, manifest: Manifest, run: RunFolder, seen: Mapping[str, str]) -> str:
    """What helps: the earlier run's seed and split if these put the patients where they were, else other weights."""
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
    """A value as `--set` reads it."""
    return value if isinstance(value, str) else json.dumps(value)


def _run_of(weights: Path) -> RunFolder:
    """The run of a .keras file, also by way of a link."""
    folder = weights.resolve().parent
    if not (folder / SPLITS).exists():
        fix = "name the file in the folder of its run"
        raise RunError("does not tell which patients it has been trained on", path=weights, fix=fix)
    return RunFolder.open(folder)


def _known_to(run: RunFolder, spellings: Mapping[str, str]) -> KnownPatients:
    """Patients that the run and its initial weights were trained or validated on, spelt as in this run."""
    if "patients" not in run.record:
        problem = "does not tell which patients it has been trained on"
        raise RunError(problem, path=run.folder, fix="train it anew")
    here = _population(run.facts.simulated, run.config)
    known = KnownPatients()
    for population, patients in (run.record.get("elsewhere", {}) | {here: run.record["patients"]}).items():
        used = {patient: split for patient, split in patients.items() if split != "test"}
        known.add(population, {})
        for patient, split in used.items():
            known.add(population, {spellings.get(spelling_key(patient), patient): split})
    return known


def _population(simulated: bool, config: RunConfig) -> str:
    """Patients of several simulations share their names and nothing else."""
    return config.data if simulated else REAL
