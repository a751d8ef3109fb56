"""Choice of the recipe for a mode. The meaning of a mode is defined in its recipe and nowhere else."""

from collections.abc import Callable

from tfctc.cells import DatasetFacts
from tfctc.config import DistillConfig, RunConfig
from tfctc.data.splits import Splits
from tfctc.models.backbones import BACKBONES, check_image_size
from tfctc.recipes.recipe import Recipe
from tfctc.registry import Registry

#: Mode -> function from the settings to the recipe. A new mode is one file that registers one.
RECIPES: Registry[Callable[[RunConfig], Recipe]] = Registry("mode", package="tfctc.recipes", group="recipes")


def resolve(config: RunConfig, splits: Splits | None = None, facts: DatasetFacts | None = None) -> Recipe:
    """The recipe of a training.

    Args:
        config: settings of the training.
        splits: split of the data set; None leaves folds and label budget out of the recipe's selections.
        facts: facts of the data set; None leaves the image size unchecked.

    Raises:
        UnknownNameError: an unknown mode, backbone, loss or augmentation.
        ConfigError: settings that contradict each other, that the mode cannot have, or that nothing would use.
    """
    recipe = RECIPES[config.mode](config)
    for part in (config.student, config.teacher):
        BACKBONES[part.backbone]  # Raises for an unknown name, even if the mode has no such network.
    if facts:
        for network in recipe.networks.values():
            check_image_size(network.config.backbone, facts.image_size)
    return recipe.on(splits) if splits else recipe


def conflicting_teacher_settings(config: RunConfig, source: RunConfig) -> list[str]:
    """Names of teacher settings of `config` that differ from those by which the teachers of `source` were trained.

    A setting of `config` that has its default value never conflicts.
    """
    asked = {key: getattr(config.distill, key) for key in ("teacher_epochs", "dapi_dropout")}
    return [
        f"distill.{key}"
        for key, value in asked.items()
        if value not in (getattr(DistillConfig, key), getattr(source.distill, key))
    ]
