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


def patients_of(config: RunConfig, manifest: Manifest, assignment: dict[str, str]) -> dict[str, str]:
    """Patient -> split, and "train" for whoever the first weights have learnt from or been chosen by.

    Raises:
        RunError: a patient that this run would be judged by is among those, or of those that a teacher with folds
            may not have seen.
    """
    patients = {cell.patient_id: assignment[getattr(cell, config.split.by)] for cell in manifest.cells()}
    teacher, group = teacher_of(config), manifest.facts.group
    for part in filter(None, (config.student, teacher)):
        source = Path(part.weights).parent
        if not part.weights.endswith(".keras") or not (source / layout.RECORD).exists():
            continue
        run = Run.open(source)
        # Patients of several simulations share their names and nothing else.
        if run.facts.simulated != manifest.facts.simulated or (run.facts.simulated and run.config.data != config.data):
            continue
        seen = {patient: split for patient, split in run.record.get("patients", {}).items() if split != "test"}
        leaks = [patient for patient, split in seen.items() if patients.get(patient, "train") not in ("train", split)]
        if leaks:
            raise RunError(
                f"has been trained on {group} {leaks[0]}, that this run would be judged by",
                path=source,
                fix=f"fit with the seed and split of that run (--seed {run.config.seed})",
            )
        if part is teacher and config.distill.folds > 1 and (known := sorted(seen.keys() & patients)):
            raise RunError(
                f"has been trained on {group} {known[0]}, and with distill.folds no teacher may know whom it teaches",
                path=source,
                fix=f"in place of --init: --set student.weights={source / layout.STUDENT}",
            )
        patients = seen | patients
    return patients
