"""Quality of an image: four simple measures, compared with those of the training images.

They do not say whether there is a cell in it, or of which kind.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

OK = "ok"
#: Measure -> name of the fault of an image below and above its limits.
FAULTS = {
    "brightness": ("dark", "bright"),
    "contrast": ("flat", "harsh"),
    "saturation": ("", "saturated"),
    "sharpness": ("blurred", "noisy"),
}
#: Share of the training images on either side that sets no limit, and how far the limits are then moved apart, as a
#: share of the distance between them: images a little beyond those seen are still classified well.
TAIL, MARGIN = 0.001, 0.25


def measure(image: np.ndarray) -> dict[str, float]:
    """The measures of one image, float32 ``(H, W)`` or ``(H, W, 1)`` in [0, 1], 3 px or more on either side.

    brightness: mean. contrast: standard deviation. saturation: share of the pixels that are black or white to the last
    bit. sharpness: natural logarithm of the standard deviation of the Laplacian (its four neighbours less four times
    the pixel) over the contrast; Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy", doi
    10.1109/ICPR.2000.903548, have its variance, which contrast alone would change.
    """
    pixels = np.asarray(image, np.float64).reshape(image.shape[0], image.shape[1])
    inner = pixels[1:-1, 1:-1]
    laplacian = pixels[:-2, 1:-1] + pixels[2:, 1:-1] + pixels[1:-1, :-2] + pixels[1:-1, 2:] - 4 * inner
    contrast = float(pixels.std())
    return {
        "brightness": float(pixels.mean()),
        "contrast": contrast,
        "saturation": float(((pixels == 0) | (pixels == 1)).mean()),
        # Finite for an even image too, whose contrast is what is wrong with it.
        "sharpness": float(np.log((laplacian.std() + 1e-6) / (contrast + 1e-6))),
    }


def limits(images: Iterable[np.ndarray]) -> dict[str, list[float]]:
    """Measure -> lowest and highest value that passes, from training images as `measure` takes them; {} for none."""
    measured = [measure(image) for image in images]
    found = {}
    for name in FAULTS if measured else ():
        low, high = np.quantile([values[name] for values in measured], [TAIL, 1 - TAIL])
        apart = MARGIN * (high - low)
        found[name] = [float(low - apart), float(high + apart)]
    return found


def describe_quality(image: np.ndarray, limits: Mapping[str, Sequence[float]]) -> str:
    """`OK`, or the names of all faults of the image, separated by spaces: "dark flat"."""
    values = measure(image)
    faults = []
    for name, (low, high) in limits.items():
        below, above = FAULTS[name]
        if values[name] < low and below:
            faults.append(below)
        elif values[name] > high:
            faults.append(above)
    return " ".join(faults) or OK
