"""Quality of an image: four simple measures, compared with those of the training images.

Quality does not tell whether the image shows a cell, or which kind of cell.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

OK = "ok"
#: Measure -> names of the fault below the lower limit ("" for none) and above the upper limit.
FAULTS = {
    "brightness": ("dark", "bright"),
    "contrast": ("flat", "harsh"),
    "saturation": ("", "saturated"),
    "sharpness": ("blurred", "noisy"),
}
#: Share of the training images that is left out at either end, and the amount by which each limit is then moved
#: outwards, as a share of the distance between the limits: images a little beyond them are still classified well.
TAIL, MARGIN = 0.001, 0.25


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
        # The small constants keep it finite for an image of one grey level, which has the fault "flat".
        "sharpness": float(np.log((laplacian.std() + 1e-6) / (contrast + 1e-6))),
    }


def limits(images: Iterable[np.ndarray]) -> dict[str, list[float]]:
    """Lower and upper limit of every measure, by its name; {} for no image.

    Args:
        images: training images, as for `image_measures`.
    """
    measured = [image_measures(image) for image in images]
    found = {}
    for name in FAULTS if measured else ():
        low, high = np.quantile([values[name] for values in measured], [TAIL, 1 - TAIL])
        apart = MARGIN * (high - low)
        found[name] = [float(low - apart), float(high + apart)]
    return found


def describe_quality(image: np.ndarray, limits: Mapping[str, Sequence[float]]) -> str:
    """`OK`, or the names of all faults of the image, separated by spaces: "dark flat".

    Args:
        image: as for `image_measures`.
        limits: lower and upper limit of every measure, by its name.
    """
    values = image_measures(image)
    faults = []
    for name, (low, high) in limits.items():
        below, above = FAULTS[name]
        if values[name] < low and below:
            faults.append(below)
        elif values[name] > high:
            faults.append(above)
    return " ".join(faults) or OK
