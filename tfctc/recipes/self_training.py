"""Mode self-training: the student learns from labels and from a teacher that sees bright-field alone."""

from dataclasses import replace

from tfctc.cells import BRIGHTFIELD, DAPI
from tfctc.config import DistillConfig, RunConfig
from tfctc.distill.teacher_kinds import TEACHER_KINDS
from tfctc.errors import ConfigError
from tfctc.recipes.build import check_no_dapi, recipe_with_losses
from tfctc.recipes.recipe import Recipe
from tfctc.recipes.resolve import RECIPES


@RECIPES.register("self-training")
def self_training(config: RunConfig) -> Recipe:
    check_no_dapi(config)
    config = replace(config, distill=replace(config.distill, teacher_kinds=_kinds(config)))
    recipe = recipe_with_losses(config, replace(config.teacher, channels=(BRIGHTFIELD,)))
    for stage in recipe.stages:
        for name, loss in stage.losses.items():
            if loss.reads_dapi:
                raise ConfigError(
                    f"distill.losses: {name} reads DAPI, which mode self-training does not",
                    fix=f"leave out {name}, or choose mode distilled",
                )
    return recipe


def _kinds(config: RunConfig) -> tuple[str, ...]:
    """Kinds of teachers that read no DAPI: those of the settings, or "network" if they have not been set."""
    kinds = config.distill.teacher_kinds
    if kinds == DistillConfig.teacher_kinds:
        return ("network",)
    for kind in kinds:
        if DAPI in TEACHER_KINDS[kind].channels:
            raise ConfigError(
                f"distill.teacher_kinds: {kind} reads DAPI, which mode self-training does not",
                fix=f"leave out {kind}, or choose mode distilled",
            )
    return kinds
