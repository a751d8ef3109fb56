"""Texture of a bright-field image: of the object that the DAPI image shows, of its surroundings, and of the image."""

import numpy as np
from scipy import ndimage

from tfctc.distill.morphometry import central_object, derivative

#: Names of the regions and of the measurements of each, in the order of the columns of `measure_brightfield`.
REGIONS = ("object", "ring", "image")
TEXTURES = ("mean", "deviation", "edge", "fine_texture", "texture", "coarse_texture", "curvature")
#: Standard deviations of the Gaussian filters for fine, medium and coarse texture, and width of the ring, in pixels.
FINE, MEDIUM, COARSE, RING = 1.0, 2.0, 3.0, 3


def measure_brightfield(brightfield: np.ndarray, dapi: np.ndarray) -> np.ndarray:
    """Measurements of bright-field images, in the object nearest to the middle of their DAPI images and around it.

    Args:
        brightfield: bright-field images ``(N, H, W)`` in [0, 1].
        dapi: DAPI images of the same cells.

    Returns:
        Float64 ``(N, len(REGIONS) * len(TEXTURES))``, finite. The intensity is relative to the median of the image,
        minus 1. For each region: its mean and standard deviation; the mean gradient; the standard deviation of the
        Laplacian at three scales; and the mean of the Laplacian at the medium scale.
    """
    images = np.asarray(brightfield, np.float64)
    relative = images / np.maximum(np.median(images, axis=(1, 2)), 1e-9)[:, None, None] - 1
    inside = central_object(dapi)
    square = np.stack([np.zeros((3, 3)), np.ones((3, 3)), np.zeros((3, 3))])
    ring = ndimage.binary_dilation(inside, square, iterations=RING) & ~inside
    edge = np.hypot(derivative(relative, FINE, 1, 0), derivative(relative, FINE, 0, 1))
    laplacians = [derivative(relative, s, 2, 0) + derivative(relative, s, 0, 2) for s in (FINE, MEDIUM, COARSE)]
    columns = []
    for region in (inside, ring, np.ones_like(inside)):
        columns += [_mean(relative, region), _deviation(relative, region), _mean(edge, region)]
        columns += [*(_deviation(one, region) for one in laplacians), _mean(laplacians[1], region)]
    return np.stack(columns, axis=1)


def _mean(values: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Mean of `values` in the region of each image, ``(N,)``; 0 for an empty region."""
    return np.where(region, values, 0.0).sum((1, 2)) / np.maximum(region.sum((1, 2)), 1)


def _deviation(values: np.ndarray, region: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(_mean(values**2, region) - _mean(values, region) ** 2, 0.0))
