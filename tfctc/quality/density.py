"""Density of `image_features` over the images that a model was trained on: a mixture of Gaussians."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfctc.errors import ConfigError
from tfctc.quality.features import FEATURES

_UPPER = np.triu_indices(len(FEATURES))


@dataclass(frozen=True)
class Component:
    """One Gaussian of the mixture, over the D standardized features.

    Args:
        weight: its share of the mixture, above 0.
        mean: D values.
        factor: upper triangle, by rows, of the matrix U with ``U U^T`` = inverse of the covariance; its diagonal is
            above 0.
    """

    weight: float
    mean: tuple[float, ...]
    factor: tuple[float, ...]


@dataclass(frozen=True)
class ImageDensity:
    """Density of the features of an image.

    Args:
        features: names of the features, those of `FEATURES`.
        centre, scale: value of each feature that becomes 0, and distance that becomes 1; scales are above 0.
        components: Gaussians of the mixture, at least one.

    Raises:
        ConfigError: other features, a wrong number of values, a value that is not finite, or one out of range.
    """

    features: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    components: tuple[Component, ...]

    def __post_init__(self):
        if self.features != FEATURES:
            raise ConfigError(f"features must be {', '.join(FEATURES)}, got {', '.join(self.features)}")
        expected = [("centre", self.centre, len(FEATURES)), ("scale", self.scale, len(FEATURES))]
        for i, one in enumerate(self.components):
            expected.append((f"components.{i}.mean", one.mean, len(FEATURES)))
            expected.append((f"components.{i}.factor", one.factor, len(_UPPER[0])))
        for name, values, length in expected:
            if len(values) != length or not np.isfinite(values).all():
                raise ConfigError(f"{name} must be {length} finite numbers, got {values}")
        weights = [one.weight for one in self.components]
        if not weights or not np.isfinite(weights).all() or min(weights) <= 0 or min(self.scale) <= 0:
            raise ConfigError("components must have weights above 0, and all scales must be above 0")
        if (np.diagonal(self._factors, axis1=1, axis2=2) <= 0).any():
            raise ConfigError("the diagonal of a factor must be above 0")

    @cached_property
    def _factors(self) -> np.ndarray:
        factors = np.zeros((len(self.components), len(FEATURES), len(FEATURES)))
        for factor, one in zip(factors, self.components, strict=True):
            factor[_UPPER] = one.factor
        return factors

    @cached_property
    def _means(self) -> np.ndarray:
        return np.array([one.mean for one in self.components])

    @cached_property
    def _logs(self) -> np.ndarray:
        """Logarithm of every component's density at its mean, times its weight."""
        weights = np.log([one.weight for one in self.components])
        determinants = np.log(np.diagonal(self._factors, axis1=1, axis2=2)).sum(axis=1)
        return weights + determinants - len(FEATURES) / 2 * math.log(2 * math.pi)

    @cached_property
    def _standard(self) -> tuple[np.ndarray, np.ndarray]:
        return np.array(self.centre), 1 / np.array(self.scale)

    def surprise(self, features: np.ndarray) -> float:
        """Negative logarithm of the density of the standardized features; larger for images that are less alike.

        Args:
            features: ``(D,)``, as `image_features` returns them.
        """
        centre, inverse = self._standard
        away = (features - centre) * inverse - self._means
        distances = np.square(np.matmul(away[:, np.newaxis], self._factors)).sum(axis=(1, 2))
        return -float(np.logaddexp.reduce(self._logs - distances / 2))
