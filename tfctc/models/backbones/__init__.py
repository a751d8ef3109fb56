"""Backbones by name, one module each. The class `Backbone` and the registry are in `base`."""

from tfctc.models.backbones.base import BACKBONES, Backbone, check_image_size

__all__ = ["BACKBONES", "Backbone", "check_image_size"]
