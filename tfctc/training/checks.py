"""What of a configuration and the runs that it names cannot be; told before anything is written or trained."""

from pathlib import Path

from tfctc.augment.policy import Policy
from tfctc.config import DistillConfig, RunConfig
from tfctc.data.manifest import Manifest
from tfctc.distill.losses import build_losses
from tfctc.errors import ConfigError, RunError
from tfctc.models.backbones import BACKBONES
from tfctc.models.weights import check_source
from tfctc.training import run as layout
from tfctc.training.course import teacher_of
from tfctc.training.run import Run

#: Settings of `distill` that only teachers use.
OF_TEACHERS = ("folds", "teacher_epochs", "teachers", "dapi_dropout", "start")


def check_names(config: RunConfig) -> None:
    """Whatever names the configuration uses are known, before anything is written or trained.

    Raises:
        UnknownNameError: one is not.
        ConfigError: what is named is given arguments that it cannot have, or is not there, or nothing would use it.
        RunError: what `distill.teachers` names is not a run.
    """
    Policy.from_config(config.augment)
    build_losses(config.distill.losses)
    asking = [name for name, loss in build_losses(config.pretrain.losses).items() if loss.asks_teacher]
    if config.pretrain.epochs and (asking or not config.pretrain.losses):
        problem = f"pretrain.losses must be losses that ask no teacher, got {', '.join(asking) or 'none'}"
        raise ConfigError(problem, fix="choose staining or alignment")
    for part in (config.student, config.teacher):
        BACKBONES[part.backbone]
    teacher = teacher_of(config)
    for part in filter(None, (config.student, teacher)):
        check_source(part.weights)
    if config.taught_by and not teacher:
        for setting in OF_TEACHERS:
            if getattr(config.distill, setting) != getattr(DistillConfig, setting):
                problem = f"distill.{setting} is of teachers, and no loss of distill.losses asks one"
                raise ConfigError(problem, fix="leave it out, or add the loss logits")
    if teacher and config.distill.teachers:
        Run.open(config.distill.teachers)


def patients_of(config: RunConfig, manifest: Manifest, assignment: dict[str, str]) -> dict[str, dict]:
    """Whom the run learns from and is chosen and judged by, for its record; with whom its first weights know already.

    Returns:
        `patients`: patient -> split. `elsewhere`: the same of patients who cannot be among these, by where they are: a
            simulation's folder, or "" for the real ones.

    Raises:
        RunError: a patient that this run would be judged by is known to the first weights, or, to those of a teacher
            with folds, any of them; or the weights are of a run that does not say whom it knows.
    """
    here, group = _population(manifest.facts.simulated, config), manifest.facts.group
    known = {here: {cell.patient_id: assignment[getattr(cell, config.split.by)] for cell in manifest.cells()}}
    teacher = teacher_of(config)
    for part in filter(None, (config.student, teacher)):
        source = Path(part.weights).parent
        if not part.weights.endswith(".keras") or not (source / layout.SPLITS).exists():
            continue
        run = Run.open(source)
        theirs = _known_to(run)
        own, seen = known[here], theirs.get(here, {})
        if leaks := [patient for patient in seen if own.get(patient, "train") not in ("train", seen[patient])]:
            raise RunError(
                f"has been trained on {group} {leaks[0]}, that this run would be judged by",
                path=source,
                fix=f"fit with the seed and split of that run (--seed {run.config.seed})",
            )
        if part is teacher and config.distill.folds > 1 and (taught := sorted(seen.keys() & own)):
            problem = f"has been trained on {group} {taught[0]}"
            raise RunError(
                f"{problem}, and with distill.folds no teacher may know whom it teaches",
                path=source,
                fix=f"in place of --init: --set student.weights={source / layout.STUDENT}",
            )
        for where, seen in theirs.items():
            # Whoever one of them has learnt from has been learnt from: "train" comes before "validation".
            own = known.get(where, {})
            known[where] = own | {patient: min(split, own.get(patient, split)) for patient, split in seen.items()}
    return {"patients": known.pop(here), "elsewhere": known}


def _known_to(run: Run) -> dict[str, dict[str, str]]:
    """Whom the run, and the weights that it began with, learnt from or were chosen by: where they are -> as dealt."""
    if "patients" not in run.record:
        raise RunError("does not say whom it has been trained on", path=run.folder, fix="train it anew")
    here = _population(run.facts.simulated, run.config)
    dealt = run.record.get("elsewhere", {}) | {here: run.record["patients"]}
    return {where: {p: split for p, split in splits.items() if split != "test"} for where, splits in dealt.items()}


def _population(simulated: bool, config: RunConfig) -> str:
    """Patients of several simulations share their names and nothing else."""
    return config.data if simulated else ""
