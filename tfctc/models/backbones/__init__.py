"""Backbones by name. Each file registers one; each maps a normalised image to named feature maps (*taps*)."""

from collections.abc import Callable
from dataclasses import dataclass, field

import keras

from tfctc.registry import Registry


@dataclass(frozen=True)
class Backbone:
    """A feature extractor.

    Args:
        build: ``(B, H, W, C)`` normalised input (zero mean, unit variance on the training split) -> last feature map.
        taps: tap name -> layer name, from early to late; the last one is the output of `build`.
        published: ``weights -> keras.Model`` on RGB whose layers carry the same names, or None where none is published.
        published_std: standard deviation of the input that the published ImageNet weights were trained on.
        min_size: smallest image height and width in pixels.
    """

    build: Callable[[keras.KerasTensor], keras.KerasTensor]
    taps: dict[str, str] = field(default_factory=dict)
    published: Callable[[str], keras.Model] | None = None
    published_std: float = 1.0
    min_size: int = 16


BACKBONES: Registry[Backbone] = Registry("backbone")

from tfctc.models.backbones import compact, densenet121, efficientnetb4, resnet34, resnet50  # noqa: E402, F401
