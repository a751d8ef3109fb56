"""Recipes: everything that a training will do, as a value made from the settings. Each mode is one module."""

from tfctc.recipes.recipe import Network, Recipe, Stage, stream_seed
from tfctc.recipes.resolve import RECIPES, conflicting_teacher_settings, resolve

__all__ = ["RECIPES", "Network", "Recipe", "Stage", "conflicting_teacher_settings", "resolve", "stream_seed"]
