"""Quality of an image: whether it looks like the images of whole, sharp, single cells that the model was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tfctc.config import from_dict
from tfctc.errors import ConfigError
from tfctc.quality.density import ImageDensity
from tfctc.quality.features import FEATURES, image_features
from tfctc.quality.limits import QualityLimits

OK = "ok"
#: Fault of an image of one grey level, and of an image whose density is too low while no measure is unusual.
FLAT, UNLIKE = "flat", "unlike"
#: Measure -> names of the fault below its usual values ("" for none) and above them.
FAULTS = {
    "brightness": ("dark", "bright"),
    "contrast": (FLAT, "harsh"),
    "saturation": ("", "saturated"),
    "noise": ("", "noisy"),
    "sharpness": ("blurred", ""),
    "visibility": ("empty", ""),
    "side": ("", "cut"),
    "central_elongation": ("", "doubled"),
}


#: Fault -> faults that are not named beside it, because the measures of these then mean nothing.
OUTWEIGHED = {
    "saturated": ("empty", FLAT, "harsh", "noisy", "blurred", "cut", "doubled"),
    "empty": (FLAT, "blurred", "cut", "doubled"),
    "cut": ("doubled",),
}
#: Distance beyond the usual values that still counts as usual: their digits are rounded.
NEAR = 1e-4


class QualityModel(Protocol):
    """Finder of the faults of an image: `LearntQuality` or `QualityLimits`."""

    def faults(self, image: np.ndarray) -> list[str]: ...


def measures(features: np.ndarray) -> dict[str, float]:
    """Measures that have a name in `FAULTS`: features, and `visibility`, the logarithm of contrast over noise.

    Args:
        features: as `image_features` returns them.
    """
    found = dict(zip(FEATURES, features.tolist(), strict=True))
    found["visibility"] = found["contrast"] - found["noise"]
    return {name: found[name] for name in FAULTS}


@dataclass(frozen=True)
class LearntQuality:
    """Quality by the density of the training images.

    Args:
        density: density of the features of an image.
        limit: largest surprise of a good image.
        usual: measure -> its lowest and highest usual value among the training images; they name the faults of an
            image whose surprise is above the limit.

    Raises:
        ConfigError: a limit that is not finite, an unknown measure, or usual values that are not two in order.
    """

    density: ImageDensity
    limit: float
    usual: Mapping[str, tuple[float, float]]

    def __post_init__(self):
        if not np.isfinite(self.limit):
            raise ConfigError(f"limit must be a finite number, got {self.limit}")
        for name, ends in self.usual.items():
            if name not in FAULTS or not np.isfinite(ends).all() or ends[0] > ends[1]:
                raise ConfigError(f"usual.{name} must be two finite numbers in order of a measure, got {ends}")

    def faults(self, image: np.ndarray) -> list[str]:
        """Names of the faults of an image ``(H, W)`` or ``(H, W, 1)`` in [0, 1]; [] if it is good."""
        features = image_features(image)
        if self.density.surprise(features) <= self.limit:
            return []
        values = measures(features)
        found = []
        for name, (low, high) in self.usual.items():
            below, above = FAULTS[name]
            found += [below] * (values[name] < low - NEAR) + [above] * (values[name] > high + NEAR)
        found = [fault for fault in found if fault]
        for strong, weaker in OUTWEIGHED.items():
            if strong in found:
                found = [fault for fault in found if fault not in weaker]
        return found or [UNLIKE]


def read_quality(values: Mapping[str, Any]) -> QualityModel:
    """Model of quality from the record of a file: learnt, or the limits that earlier versions wrote.

    Raises:
        ConfigError: values of another layout, or out of range.
    """
    return from_dict(LearntQuality, values) if "density" in values else QualityLimits(values)


def describe_quality(image: np.ndarray, model: QualityModel) -> str:
    """`OK`, or the names of all faults of the image, separated by spaces: "dark blurred".

    An image of one grey level is never `OK`, whatever the model: "flat", and "saturated" too if it is black or white.

    Args:
        image: ``(H, W)`` or ``(H, W, 1)`` in [0, 1], H and W 3 or more.
        model: model of quality.
    """
    lowest, highest = float(image.min()), float(image.max())
    if lowest == highest:
        return f"{FLAT} saturated" if lowest in (0, 1) else FLAT
    return " ".join(model.faults(image)) or OK
