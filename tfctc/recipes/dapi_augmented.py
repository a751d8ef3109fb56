"""Mode dapi-augmented: the student learns from labels, at first on DAPI images in place of some bright-field ones."""

from tfctc.augment.channels import DapiAsBrightfield
from tfctc.config import RunConfig
from tfctc.data.selection import Selection
from tfctc.recipes.build import recipe_from_labels
from tfctc.recipes.recipe import Recipe
from tfctc.recipes.resolve import RECIPES


@RECIPES.register("dapi-augmented")
def dapi_augmented(config: RunConfig) -> Recipe:
    change = DapiAsBrightfield(config.dapi_augmented.share, config.dapi_augmented.until)
    return recipe_from_labels(config, channels=change, required=Selection(with_dapi=True))
