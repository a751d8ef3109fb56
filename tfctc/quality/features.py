"""Features of a bright-field image by which whole, sharp, single cells are told from everything else."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

#: Names of the features, in their order.
FEATURES = (
    "brightness",
    "saturation",
    "contrast",
    "noise",
    "sharpness",
    "offset",
    "elongation",
    "central_elongation",
    "centre",
    "inner_ring",
    "outer_ring",
    "corners",
    "side",
    "inner_tone",
    "outer_tone",
    "skewness",
    "peaks",
)
#: Radii of the rings `centre`, `inner_ring`, `outer_ring` and `corners`, and the standard deviation of each ring, in
#: halves of the shorter side; the rings of both tones are `inner_ring` and `outer_ring`.
RINGS, RING_WIDTH = (0.1, 0.3, 0.5, 1.1), 0.12
#: Standard deviation of the Gaussian window around the middle for `central_elongation`, in halves of the shorter side.
WINDOW = 0.3
#: Widths of the border from which the background is estimated, and of the strip along a side, as shares of the shorter
#: side.
BORDER, STRIP = 0.05, 0.1
#: Least background, in shares of full scale: in a black image nothing is divided by 0.
DARKEST = 1e-3
#: Least noise and contrast, in shares of the background; far below the noise of a camera of 12 bits.
FAINTEST = 2e-4
#: Share added to shares of the energy, and to the share of saturated pixels, before the logarithm. With the second one,
#: a single hot pixel in 64 x 64 changes the feature by less than 0.01.
LEAST_SHARE, LEAST_SATURATION = 1e-3, 0.03
#: Standard deviation of the second difference along both axes (kernel 1 -2 1 times its transpose) of white noise of
#: standard deviation 1, times the mean of the lower half of a half-normal distribution: 2 (phi(0) - phi(q)) / 0.5 with
#: its median q.
LOWER_HALF = 6 * 0.32466


class Geometry(NamedTuple):
    """Coordinates and weights for the images of one size.

    Args:
        border: ``(H, W)`` bool, the pixels along the border.
        surface: ``(4, H * W)``: 1, x, y and x^2 + y^2; x and y are 0 in the middle and 1 at half of the shorter side
            from it.
        fit: ``(4, B)``: values of the B border pixels -> coefficients of their surface by least squares.
        weights: ``(M, H * W)``: energy -> `MOMENTS` of the whole image and of the window, rings, strips along sides.
    """

    border: np.ndarray
    surface: np.ndarray
    fit: np.ndarray
    weights: np.ndarray


#: Number of moments: 1, x, y, xx, yy, xy.
MOMENTS = 6


@lru_cache(maxsize=8)
def geometry(height: int, width: int) -> Geometry:
    """`Geometry` of the images of one size."""
    shorter = min(height, width)
    y, x = np.meshgrid(*((np.arange(n) - (n - 1) / 2) * 2 / shorter for n in (height, width)), indexing="ij")
    radius = np.hypot(x, y)
    edge, strip = (max(1, round(share * shorter)) for share in (BORDER, STRIP))
    border = np.ones((height, width), bool)
    border[edge:-edge, edge:-edge] = False
    surface = np.stack([np.ones(x.size), x.ravel(), y.ravel(), (radius**2).ravel()])
    fit = np.linalg.pinv(surface[:, border.ravel()].T)
    window = np.exp(-0.5 * (radius / WINDOW) ** 2)
    moments = [part * m for part in (np.ones_like(x), window) for m in (np.ones_like(x), x, y, x * x, y * y, x * y)]
    rings = [np.exp(-0.5 * ((radius - at) / RING_WIDTH) ** 2) for at in RINGS]
    sides = np.zeros((4, height, width))
    sides[0, :strip] = sides[1, -strip:] = sides[2, :, :strip] = sides[3, :, -strip:] = 1
    means = [part / part.sum() for part in (*rings, *sides)]
    moments = [moment / moment.size for moment in moments]
    weights = np.array([*moments, *means], np.float32).reshape(len(moments) + len(means), -1)
    return Geometry(border, surface.astype(np.float32), fit.astype(np.float32), weights)


def image_features(image: np.ndarray) -> np.ndarray:
    """`FEATURES` of one image, float64 ``(17,)``, finite; flips and quarter turns do not change them.

    The background is a plane and a fall of light from the middle (1, x, y, x^2 + y^2), fitted to the border. The
    deviation is the image minus the background, divided by the background of the middle. The energy is the square of
    the deviation smoothed by 3 x 3 pixels. Lengths are in halves of the shorter side.

    - `brightness`: logarithm of the mean.
    - `saturation`: logarithm of the share of pixels that are 0 or 1.
    - `contrast`: logarithm of the root of the mean energy.
    - `noise`: logarithm of the standard deviation of white noise, relative to the background, by the second difference
      along both axes (Immerkaer 1996, "Fast Noise Variance Estimation", doi 10.1006/cviu.1996.0060), from the smaller
      half of its values, which edges of the cell do not reach.
    - `sharpness`: logarithm of the root mean square of the Laplacian of the smoothed deviation, relative to the
      contrast.
    - `offset`, `elongation`: distance of the energy's centre from the middle of the image; difference over sum of the
      variances along its main axes, 0 (round) to 1 (a line). `central_elongation`: that of the energy in the window.
    - `centre`, `inner_ring`, `outer_ring`, `corners`, `side`: logarithm of the energy in a ring, or along the side that
      has most of it, relative to the mean.
    - `inner_tone`, `outer_tone`: mean deviation in two rings, relative to the contrast, by the inverse hyperbolic sine.
    - `skewness`, `peaks`: third moment of the deviation, relative to the contrast, by the inverse hyperbolic sine;
      logarithm of its fourth moment.

    Args:
        image: ``(H, W)`` or ``(H, W, 1)`` in [0, 1], H and W 3 or more.
    """
    height, width = image.shape[:2]
    at = geometry(height, width)
    pixels = np.asarray(image, np.float32).reshape(height, width)
    coefficients = at.fit @ pixels[at.border]
    level = max(float(coefficients[0]), DARKEST)
    deviation = (pixels - (coefficients @ at.surface).reshape(height, width)) / np.float32(level)
    smooth = _smoothed(np.pad(deviation, 1, mode="edge"))
    energy = smooth * smooth
    values = (at.weights @ energy.ravel()).astype(np.float64)
    whole, window = values[:MOMENTS], values[MOMENTS : 2 * MOMENTS]
    rings, sides = values[2 * MOMENTS : -4], values[-4:]
    mean = whole[0] + FAINTEST**2
    contrast = np.sqrt(mean)
    laplacian = smooth[:-2, 1:-1] + smooth[2:, 1:-1] + smooth[1:-1, :-2] + smooth[1:-1, 2:] - 4 * smooth[1:-1, 1:-1]
    offset, elongation = _shape(whole)
    _, central = _shape(window)
    tones = at.weights[2 * MOMENTS + 1 : 2 * MOMENTS + 3] @ smooth.ravel() / contrast
    return np.array(
        [
            np.log(pixels.mean() + DARKEST),
            np.log(((pixels <= 0) | (pixels >= 1)).mean() + LEAST_SATURATION),
            np.log(contrast),
            np.log(np.hypot(_noise(pixels) / level, FAINTEST)),
            np.log(np.sqrt((laplacian * laplacian).mean() + FAINTEST**2) / contrast),
            offset,
            elongation,
            central,
            *np.log(rings / mean + LEAST_SHARE),
            np.log(sides.max() / mean + LEAST_SHARE),
            *np.arcsinh(tones),
            np.arcsinh((energy * smooth).mean() / contrast**3),
            np.log((energy * energy).mean() / mean**2 + LEAST_SHARE),
        ]
    )


def _smoothed(image: np.ndarray) -> np.ndarray:
    """Binomial mean over 3 x 3 pixels, without the outermost ones."""
    rows = image[:, :-2] + 2 * image[:, 1:-1] + image[:, 2:]
    return (rows[:-2] + 2 * rows[1:-1] + rows[2:]) / np.float32(16)


def _noise(pixels: np.ndarray) -> float:
    rows = pixels[:, :-2] - 2 * pixels[:, 1:-1] + pixels[:, 2:]
    second = np.abs(rows[:-2] - 2 * rows[1:-1] + rows[2:]).ravel()
    half = max(1, second.size // 2)
    return float(np.partition(second, half - 1)[:half].mean()) / LOWER_HALF


def _shape(moments: np.ndarray) -> tuple[float, float]:
    """Distance of the centre from the middle, and elongation in [0, 1]."""
    total, x, y, xx, yy, xy = moments
    total = max(total, np.finfo(np.float32).tiny)
    x, y = x / total, y / total
    xx, yy, xy = xx / total - x * x, yy / total - y * y, xy / total - x * y
    return float(np.hypot(x, y)), float(np.hypot(xx - yy, 2 * xy) / max(xx + yy, 1e-6))
