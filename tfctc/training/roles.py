"""Who teaches whom, through what, and what they see: as a configuration has it."""

from tfctc.cells import DAPI
from tfctc.config import DistillConfig, ModelConfig, RunConfig
from tfctc.distill.losses import DistillationLoss, build_losses
from tfctc.errors import ConfigError


def losses_of(config: RunConfig) -> dict[str, DistillationLoss]:
    """What the student is taught through; nothing in a mode without.

    Raises:
        ConfigError: a loss that is not known, or that reads DAPI in a mode without.
    """
    losses = build_losses(config.distill.losses) if config.taught_by else {}
    for name, loss in losses.items():
        if config.mode == "self-training" and DAPI in loss.teacher_taps:
            raise ConfigError(f"mode self-training shows no DAPI, which distillation loss {name} reads")
    return losses


def teacher_of(config: RunConfig) -> ModelConfig | None:
    """The teacher, if the mode has one and a loss asks it."""
    return config.taught_by if any(loss.asks_teacher for loss in losses_of(config).values()) else None


def hands_on(config: RunConfig) -> ModelConfig | None:
    """What another run takes over as its teacher: this one's, or, in mode brightfield, its student."""
    return config.student if config.mode == "brightfield" else teacher_of(config)


def unlike(config: RunConfig, source: RunConfig) -> list[str]:
    """Settings of teachers that `config` asks for, and by which those of `source` have not been trained."""
    asked = {key: getattr(config.distill, key) for key in ("teacher_epochs", "dapi_dropout")}
    return [
        f"distill.{key}"
        for key, value in asked.items()
        if value not in (getattr(DistillConfig, key), getattr(source.distill, key))
    ]


def channels_of(config: RunConfig) -> tuple[str, ...]:
    """The channels that any stage of the run reads."""
    teacher, losses = teacher_of(config), all_losses(config)
    reads_dapi = config.mode == "dapi-augmented" or any(DAPI in loss.teacher_taps for loss in losses.values())
    channels = config.student.channels + (teacher.channels if teacher else ()) + ((DAPI,) if reads_dapi else ())
    return tuple(dict.fromkeys(channels))


def all_losses(config: RunConfig) -> dict[str, DistillationLoss]:
    """Those that the student is taught through, and those of its pretraining."""
    losses = {f"distillation loss {name}": loss for name, loss in losses_of(config).items()}
    if config.pretrain.epochs:
        losses |= {f"pretraining loss {name}": loss for name, loss in build_losses(config.pretrain.losses).items()}
    return losses
