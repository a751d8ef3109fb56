"""Mode distilled: the student learns from labels and from a teacher that sees DAPI, or from the DAPI image itself."""

from tfctc.cells import DAPI
from tfctc.config import RunConfig
from tfctc.errors import ConfigError
from tfctc.recipes.build import recipe_with_losses
from tfctc.recipes.recipe import Recipe
from tfctc.recipes.resolve import RECIPES


@RECIPES.register("distilled")
def distilled(config: RunConfig) -> Recipe:
    if DAPI not in config.teacher.channels:
        raise ConfigError(
            f"teacher.channels must hold {DAPI} in mode distilled, got {list(config.teacher.channels)}",
            fix=f"add {DAPI}, or choose mode self-training, whose teacher sees bright-field alone",
        )
    return recipe_with_losses(config, config.teacher)
