"""Quality by limits of four simple measures, which files hold that were exported by earlier versions."""

from collections.abc import Mapping, Sequence

import numpy as np

from tfctc.errors import ConfigError

#: Measure -> names of the fault below the lower limit ("" for none) and above the upper limit.
FAULTS = {
    "brightness": ("dark", "bright"),
    "contrast": ("flat", "harsh"),
    "saturation": ("", "saturated"),
    "sharpness": ("blurred", "noisy"),
}
#: Share of the distance between two quantiles of the training images by which each limit was moved outwards.
MARGIN = 0.25


def image_measures(image: np.ndarray) -> dict[str, float]:
    """Brightness, contrast, saturation and sharpness of one image.

    Brightness is the mean of the pixels, and contrast their standard deviation. Saturation is the share of pixels that
    are exactly 0 or 1. Sharpness is the natural logarithm of the standard deviation of the Laplacian (the sum of the
    four neighbours minus four times the pixel) divided by the contrast. Pech-Pacheco et al. 2000, "Diatom autofocusing
    in brightfield microscopy", doi 10.1109/ICPR.2000.903548, use the variance of the Laplacian; without the division a
    change of contrast would change it.

    Args:
        image: ``(H, W)`` or ``(H, W, 1)`` in [0, 1], H and W 3 or more.
    """
    pixels = np.asarray(image, np.float64).reshape(image.shape[0], image.shape[1])
    inner = pixels[1:-1, 1:-1]
    laplacian = pixels[:-2, 1:-1] + pixels[2:, 1:-1] + pixels[1:-1, :-2] + pixels[1:-1, 2:] - 4 * inner
    contrast = float(pixels.std())
    return {
        "brightness": float(pixels.mean()),
        "contrast": contrast,
        "saturation": float(((pixels == 0) | (pixels == 1)).mean()),
        # The small constants keep it finite for an image of one grey level.
        "sharpness": float(np.log((laplacian.std() + 1e-6) / (contrast + 1e-6))),
    }


class QualityLimits:
    """Limits of `image_measures`.

    The limits of the contrast were moved apart on a linear scale, so that the lower one may be negative. They are moved
    back to the quantiles of the training images, and then apart on a logarithmic scale, by a quarter of the logarithm
    of their ratio.

    Args:
        limits: lower and upper limit of each measure, by its name; {} for none.

    Raises:
        ConfigError: an unknown measure, or limits that are not two numbers in order.
    """

    def __init__(self, limits: Mapping[str, Sequence[float]]):
        for name, ends in limits.items():
            if name not in FAULTS:
                raise ConfigError(f"unknown measure of quality {name}", fix=f"known measures: {', '.join(FAULTS)}")
            if len(ends) != 2 or not np.isfinite(np.asarray(ends, float)).all() or ends[0] > ends[1]:
                raise ConfigError(f"limits of {name} must be two finite numbers in order, got {ends}")
        self.limits = {name: (float(low), float(high)) for name, (low, high) in limits.items()}
        if "contrast" in self.limits:
            low, high = self.limits["contrast"]
            apart = (high - low) * MARGIN / (1 + 2 * MARGIN)
            low, high = low + apart, high - apart
            if low > 0:
                factor = (high / low) ** MARGIN
                self.limits["contrast"] = low / factor, high * factor

    def faults(self, image: np.ndarray) -> list[str]:
        """Names of the faults of an image, as for `image_measures`."""
        values, found = image_measures(image), []
        for name, (low, high) in self.limits.items():
            below, above = FAULTS[name]
            if values[name] < low and below:
                found.append(below)
            elif values[name] > high:
                found.append(above)
        return found
