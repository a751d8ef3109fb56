"""What of a configuration and the runs that it names cannot be; told before anything is written or trained."""

from tfctc.augment.policy import Policy
from tfctc.config import DistillConfig, RunConfig
from tfctc.distill.losses import build_losses
from tfctc.errors import ConfigError
from tfctc.models.backbones import BACKBONES
from tfctc.models.weights import check_source
from tfctc.training.roles import teacher_of
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
