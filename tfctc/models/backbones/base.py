"""Class and registry of the backbones: networks from a normalised image to named feature maps (*taps*)."""

from collections.abc import Callable
from dataclasses import dataclass, field

import keras

from tfctc.errors import ConfigError
from tfctc.registry import Registry


@dataclass(frozen=True)
class Backbone:
    """A feature extractor.

    Args:
        build: function from the normalised input ``(B, H, W, C)`` (zero mean, unit variance on the training split) to
            the last feature map.
        taps: tap name -> layer name, from early to late; the last one is the output of `build`.
        published: function from the argument `weights` of keras.applications to a model on RGB images with the same
            layer names; None if no weights are published.
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
    """Checks that images are large enough for a backbone.

    Args:
        backbone: name of the backbone.
        image_size: height and width in pixels.

    Raises:
        ConfigError: an unknown backbone, or images that are too small for it.
    """
    needed = BACKBONES[backbone].min_size
    if min(image_size) < needed:
        smaller = min(image_size) >= BACKBONES["compact"].min_size
        raise ConfigError(
            f"backbone {backbone} needs images of {needed} px or more, got {tuple(image_size)}",
            fix="choose the compact backbone" if smaller else "give larger images",
        )
