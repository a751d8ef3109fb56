"""Backbones: a normalised image in, named feature maps (*taps*) out."""

from collections.abc import Callable
from dataclasses import dataclass, field

import keras

from tfctc.errors import ConfigError
from tfctc.registry import Registry


@dataclass(frozen=True)
class Backbone:
    """A feature extractor.

    Args:
        build: ``(B, H, W, C)`` normalised input (zero mean, unit variance on the training split) -> last feature map.
        taps: tap name -> layer name, from early to late; the last one is the output of `build`.
        published: ``weights -> keras.Model`` on RGB whose layers carry the same names; None where no weights are
            published.
        published_std: standard deviation of the input that the published ImageNet weights were trained on.
        min_size: smallest image height and width in pixels.
    """

    build: Callable[[keras.KerasTensor], keras.KerasTensor]
    taps: dict[str, str] = field(default_factory=dict)
    published: Callable[[str], keras.Model] | None = None
    published_std: float = 1.0
    min_size: int = 16


BACKBONES: Registry[Backbone] = Registry("backbone", package="tfctc.models.backbones", group="backbones")


def check_image_size(backbone: str, image_size: tuple[int, int]) -> None:
    """Checks that a backbone can read images of this height and width.

    Raises:
        ConfigError: they are too small for it.
    """
    needed = BACKBONES[backbone].min_size
    if min(image_size) < needed:
        smaller = min(image_size) >= BACKBONES["compact"].min_size
        raise ConfigError(
            f"backbone {backbone} needs images of {needed} px or more, got {tuple(image_size)}",
            fix="choose the compact backbone" if smaller else "give larger images",
        )
