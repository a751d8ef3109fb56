"""Texture of a bright-field image: of the object that the DAPI image shows, of its surroundings, and of the image."""

import numpy as np
from scipy import ndimage

from tfctc.distill.morphometry import IN_PLANE, TINY, central_object, deviation_in, gradient, laplacian, mean_in

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
    relative = images / np.maximum(np.median(images, axis=(1, 2)), TINY)[:, None, None] - 1
    inside = central_object(dapi)
    ring = ndimage.binary_dilation(inside, IN_PLANE, iterations=RING) & ~inside
    edge, laplacians = gradient(relative, FINE), [laplacian(relative, sigma) for sigma in (FINE, MEDIUM, COARSE)]
    columns = []
    for region in (inside, ring, np.ones_like(inside)):
        columns += [mean_in(region, relative), deviation_in(region, relative), mean_in(region, edge)]
        columns += [*(deviation_in(region, one) for one in laplacians), mean_in(region, laplacians[1])]
    return np.stack(columns, axis=1)
