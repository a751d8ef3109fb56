"""Backbones by name, one file each; `base` defines what they have in common."""

from tfctc.models.backbones.base import BACKBONES, Backbone, check_image_size

__all__ = ["BACKBONES", "Backbone", "check_image_size"]
