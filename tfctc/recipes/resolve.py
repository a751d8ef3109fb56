"""From settings to a recipe. Only recipes know what a mode means."""

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
    """Decides everything that the settings leave to the mode.

    Args:
        splits: split of the data set; without it the recipe's selections know no folds and no label budget.
        facts: of the data set; with them the image size is checked too.

    Raises:
        UnknownNameError: an unknown mode, backbone, loss or augmentation.
        ConfigError: settings that contradict each other, that the mode cannot have, or that nothing would use.
    """
    recipe = RECIPES[config.mode](config)
    for part in (config.student, config.teacher):
        BACKBONES[part.backbone]  # An unknown name is a mistake, used or not.
    if facts:
        for network in recipe.networks.values():
            check_image_size(network.config.backbone, facts.image_size)
    return recipe.on(splits) if splits else recipe


def conflicting_teacher_settings(config: RunConfig, source: RunConfig) -> list[str]:
    """Settings of teachers that `config` asks for and that the teachers trained by `source` do not have."""
    asked = {key: getattr(config.distill, key) for key in ("teacher_epochs", "dapi_dropout")}
    return [
        f"distill.{key}"
        for key, value in asked.items()
        if value not in (getattr(DistillConfig, key), getattr(source.distill, key))
    ]
