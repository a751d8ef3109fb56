"""Morphometry: size, intensity, shape and texture of the stained object in the middle of a DAPI image."""

import numpy as np
from scipy import ndimage

#: Names of the measurements, in the order of the columns of `measure_dapi`. Lengths are in pixels, intensities in the
#: unit of the images. "Relative" is divided by the mean intensity of the object.
MEASUREMENTS = (
    "area",
    "mean_intensity",
    "total_intensity",
    "largest_intensity",
    "relative_deviation",
    "relative_noise",
    "relative_texture",
    "relative_edge",
    "eccentricity",
    "compactness",
    "spread",
    "asymmetry",
    "distance",
    "background",
    "total_of_image",
    "area_of_others",
)
#: Standard deviation of the Gaussian filters, in pixels; number of bins of the histogram for the threshold.
SIGMA, BINS = 1.0, 256
#: Neighbours within one image, for images in a stack ``(N, H, W)``: side by side and diagonal.
IN_PLANE = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])
IN_CROSS = np.stack([np.zeros((3, 3)), ndimage.generate_binary_structure(2, 1), np.zeros((3, 3))])
#: Smallest number that a denominator can have.
TINY = 1e-9


def measure_dapi(images: np.ndarray) -> np.ndarray:
    """Measurements of the object nearest to the middle of each image.

    An object is a connected region above the threshold of the smoothed image. Of an image without one, the image's
    brightest pixel is measured.

    Args:
        images: DAPI images ``(N, H, W)`` in [0, 1].

    Returns:
        Float64 ``(N, len(MEASUREMENTS))``, finite:

        - area: pixels of the object; mean, total and largest intensity: of its pixels, above the background.
        - relative_deviation: standard deviation of the smoothed image; relative_noise: of the image without the
          smoothed one; relative_texture: of the Laplacian of the smoothed image; relative_edge: mean of its gradient.
        - eccentricity: of the ellipse with the same second moments; 0 for a circle, towards 1 for a line.
        - compactness: border pixels squared, divided by area; small for a disc.
        - spread: mean squared distance from the intensity's centre, divided by area; 1 / 2 pi for an even disc.
        - asymmetry: distance between the centres of area and intensity; distance: of the former from the middle of the
          image.
        - background: the tenth percentile of the image; total_of_image: all intensity above it; area_of_others: pixels
          of the other objects.
    """
    images = np.asarray(images, np.float64)
    height, width = images.shape[1:]
    smooth = ndimage.gaussian_filter(images, (0, SIGMA, SIGMA))
    background = np.percentile(images, 10, axis=(1, 2))
    above = images - background[:, None, None]
    bright = _objects(smooth)
    inside = _nearest_to_middle(bright)

    y, x = np.mgrid[:height, :width].astype(np.float64)
    y, x = y - (height - 1) / 2, x - (width - 1) / 2

    def total(values: np.ndarray) -> np.ndarray:
        return np.where(inside, values, 0.0).sum((1, 2))

    area = inside.sum((1, 2)).astype(np.float64)
    intensity = total(above)
    mean = intensity / area
    middle_y, middle_x = total(y) / area, total(x) / area
    weight = np.maximum(above, 0.0)
    mass = np.maximum(total(weight), TINY)
    bright_y, bright_x = total(weight * y) / mass, total(weight * x) / mass
    variance_y, variance_x = total(y**2) / area - middle_y**2, total(x**2) / area - middle_x**2
    covariance = total(y * x) / area - middle_y * middle_x
    root = np.sqrt(((variance_y - variance_x) / 2) ** 2 + covariance**2)
    # A pixel has the second moment 1/12 of its square.
    long, short = ((variance_y + variance_x) / 2 + sign * root + 1 / 12 for sign in (1, -1))
    border = (inside & ~ndimage.binary_erosion(inside, IN_CROSS)).sum((1, 2))
    spread = total(weight * (y**2 + x**2)) / mass - bright_y**2 - bright_x**2
    scale = np.maximum(mean, TINY)
    return np.stack(
        [
            area,
            mean,
            intensity,
            np.where(inside, above, -np.inf).max((1, 2)),
            deviation_in(inside, smooth) / scale,
            deviation_in(inside, above - smooth) / scale,
            deviation_in(inside, laplacian(images, SIGMA)) / scale,
            mean_in(inside, gradient(images, SIGMA)) / scale,
            np.sqrt(np.clip(1 - short / long, 0.0, 1.0)),
            border**2 / area,
            spread / area,
            np.hypot(bright_y - middle_y, bright_x - middle_x),
            np.hypot(middle_y, middle_x),
            background,
            above.sum((1, 2)),
            bright.sum((1, 2)) - area,
        ],
        axis=1,
    )


def central_object(images: np.ndarray) -> np.ndarray:
    """Pixels of the object nearest to the middle of each DAPI image, bool ``(N, H, W)``; see `measure_dapi`."""
    images = np.asarray(images, np.float64)
    return _nearest_to_middle(_objects(ndimage.gaussian_filter(images, (0, SIGMA, SIGMA))))


def mean_in(region: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean of `values` in the region of each image, ``(N,)``; 0 for an empty region."""
    return np.where(region, values, 0.0).sum((1, 2)) / np.maximum(region.sum((1, 2)), 1)


def deviation_in(region: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Standard deviation of `values` in the region of each image, ``(N,)``; 0 for an empty region."""
    return np.sqrt(np.maximum(mean_in(region, values**2) - mean_in(region, values) ** 2, 0.0))


def laplacian(images: np.ndarray, sigma: float) -> np.ndarray:
    """Laplacian of images ``(N, H, W)`` smoothed by a Gaussian of `sigma` pixels."""
    return _derivative(images, sigma, 2, 0) + _derivative(images, sigma, 0, 2)


def gradient(images: np.ndarray, sigma: float) -> np.ndarray:
    """Length of the gradient of images ``(N, H, W)`` smoothed by a Gaussian of `sigma` pixels."""
    return np.hypot(_derivative(images, sigma, 1, 0), _derivative(images, sigma, 0, 1))


def _derivative(images: np.ndarray, sigma: float, *orders: int) -> np.ndarray:
    return ndimage.gaussian_filter(images, (0, sigma, sigma), (0, *orders))


def _objects(smooth: np.ndarray) -> np.ndarray:
    """Pixels of all objects of smoothed images ``(N, H, W)``."""
    return (smooth > _thresholds(smooth)[:, None, None]) | (smooth == smooth.max((1, 2), keepdims=True))


def _thresholds(images: np.ndarray) -> np.ndarray:
    """Threshold of each image ``(N, H, W)`` by Otsu 1979, "A threshold selection method from gray-level histograms"."""
    low, high = images.min((1, 2)), images.max((1, 2))
    step = np.maximum(high - low, TINY) / BINS
    level = np.clip((images - low[:, None, None]) / step[:, None, None], 0, BINS - 1).astype(np.int64)
    offset = np.arange(len(images))[:, None, None] * BINS
    counts = np.bincount((level + offset).ravel(), minlength=len(images) * BINS).reshape(-1, BINS).astype(np.float64)
    below = counts.cumsum(1)
    sums = (counts * np.arange(BINS)).cumsum(1)
    rest = np.maximum(below[:, -1:] - below, TINY)
    between = below * rest * (sums / np.maximum(below, TINY) - (sums[:, -1:] - sums) / rest) ** 2
    return low + (between[:, :-1].argmax(1) + 1) * step


def _nearest_to_middle(bright: np.ndarray) -> np.ndarray:
    """Pixels of the region of `bright` ``(N, H, W)`` whose centre is nearest to the middle of its image."""
    regions, count = ndimage.label(bright, IN_PLANE)
    numbers = np.arange(1, count + 1)
    centres = np.asarray(ndimage.center_of_mass(bright, regions, numbers))
    image = centres[:, 0].round().astype(np.int64)
    distance = np.hypot(*(centres[:, 1:] - (np.asarray(bright.shape[1:]) - 1) / 2).T)
    order = np.lexsort((distance, image))
    first = order[np.r_[True, np.diff(image[order]) > 0]]
    return regions == numbers[first][:, None, None]
