"""Whom a run, and the weights that it begins with, know: nobody is judged by a patient that they have learnt from."""

from pathlib import Path

from tfctc.config import RunConfig
from tfctc.data.manifest import Manifest, folded
from tfctc.errors import RunError
from tfctc.training import run as layout
from tfctc.training.roles import teacher_of
from tfctc.training.run import Run

#: Population -> patient -> split, as dealt: a simulation's folder, or "" for the real ones.
Known = dict[str, dict[str, str]]


def patients_of(config: RunConfig, manifest: Manifest, assignment: dict[str, str]) -> dict[str, dict]:
    """Whom the run learns from and is chosen and judged by, for its record; with whom its first weights know already.

    Returns:
        `patients`: patient -> split. `elsewhere`: the same of patients who cannot be among these, by population.

    Raises:
        RunError: a patient that this run would be judged by is known to the first weights, or, to those of a teacher
            with folds, any of them; or nothing says whom the weights know.
    """
    here, group = _population(manifest.facts.simulated, config), manifest.facts.group
    known: Known = {here: {cell.patient_id: assignment[getattr(cell, config.split.by)] for cell in manifest.cells()}}
    spellings = {folded(patient): patient for patient in known[here]}
    teacher = teacher_of(config)
    for part in filter(None, (config.student, teacher)):
        if not part.weights.endswith(".keras"):
            continue
        run = _run_of(Path(part.weights))
        theirs = _known_to(run, spellings)
        own, seen = known[here], theirs.get(here, {})
        if leaks := [patient for patient in seen if own.get(patient, "train") not in ("train", seen[patient])]:
            raise RunError(
                f"has been trained on {group} {leaks[0]}, that this run would be judged by",
                path=run.folder,
                fix=f"fit with the seed and split of that run (--seed {run.config.seed})",
            )
        if part is teacher and config.distill.folds > 1 and (taught := sorted(seen.keys() & own)):
            problem = f"has been trained on {group} {taught[0]}"
            raise RunError(
                f"{problem}, and with distill.folds no teacher may know whom it teaches",
                path=run.folder,
                fix=f"in place of --init: --set student.weights={run.folder / layout.STUDENT}",
            )
        for where, seen in theirs.items():
            _learn(known.setdefault(where, {}), seen)
    return {"patients": known.pop(here), "elsewhere": known}


def _run_of(weights: Path) -> Run:
    """The run that a .keras file is of, also by way of a link."""
    folder = weights.resolve().parent
    if not (folder / layout.SPLITS).exists():
        fix = "name the file in the folder of its run"
        raise RunError("does not say whom it has been trained on", path=weights, fix=fix)
    return Run.open(folder)


def _known_to(run: Run, spellings: dict[str, str]) -> Known:
    """Whom the run, and the weights that it began with, learnt from or were chosen by, spelt as this run does."""
    if "patients" not in run.record:
        raise RunError("does not say whom it has been trained on", path=run.folder, fix="train it anew")
    here = _population(run.facts.simulated, run.config)
    known: Known = {}
    for where, dealt in (run.record.get("elsewhere", {}) | {here: run.record["patients"]}).items():
        seen = known.setdefault(where, {})
        for patient, split in dealt.items():
            if split != "test":
                _learn(seen, {spellings.get(folded(patient), patient): split})
    return known


def _learn(known: dict[str, str], more: dict[str, str]) -> None:
    """Whoever one of them has learnt from has been learnt from: "train" comes before "validation"."""
    for patient, split in more.items():
        known[patient] = min(split, known.get(patient, split))


def _population(simulated: bool, config: RunConfig) -> str:
    """Patients of several simulations share their names and nothing else."""
    return config.data if simulated else ""
