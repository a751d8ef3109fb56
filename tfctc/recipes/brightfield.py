"""Mode brightfield: the student learns from labels alone; no DAPI at all. The baseline of every comparison."""

from tfctc.config import RunConfig
from tfctc.recipes.build import check_no_dapi, recipe_from_labels
from tfctc.recipes.recipe import Recipe
from tfctc.recipes.resolve import RECIPES


@RECIPES.register("brightfield")
def brightfield(config: RunConfig) -> Recipe:
    check_no_dapi(config)
    return recipe_from_labels(config, can_teach=config.student)
