"""Settings of a training run, and how they are read from files, from the command line and from Python."""

from tfctc.config.codec import from_dict, load, read, to_dict
from tfctc.config.overrides import merged, parse_assignment, with_changes
from tfctc.config.schema import (
    CrossValidationConfig,
    DapiAugmentedConfig,
    DistillConfig,
    ModelConfig,
    Parts,
    PretrainConfig,
    RunConfig,
    SplitConfig,
    TrainingConfig,
)

__all__ = [
    "CrossValidationConfig",
    "DapiAugmentedConfig",
    "DistillConfig",
    "ModelConfig",
    "Parts",
    "PretrainConfig",
    "RunConfig",
    "SplitConfig",
    "TrainingConfig",
    "from_dict",
    "load",
    "merged",
    "parse_assignment",
    "read",
    "to_dict",
    "with_changes",
]
