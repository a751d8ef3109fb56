"""Images of one cell, and where the cell and its nucleus are in them."""

from functools import cached_property, lru_cache

import numpy as np
from scipy import ndimage

from tfctc.cells import BRIGHTFIELD, DAPI, Cell, DatasetFacts
from tfctc.io.images import read_channel, to_unit

#: Height of the threshold of a mask, from the level of the border (0) to the bright part of the image (1).
CELL_LEVEL, NUCLEUS_LEVEL = 0.25, 0.3
#: Standard deviation of the Gaussian that smooths bright-field before the threshold, and DAPI; in pixels.
CELL_SMOOTHING, NUCLEUS_SMOOTHING = 1.5, 1.0
#: Kernel whose response has no part of a locally quadratic image: noise alone remains (Immerkaer 1996, Computer Vision
#: and Image Understanding 64:300). White noise of standard deviation 1 gives a response of standard deviation 6.
NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def images(cell: Cell, facts: DatasetFacts) -> dict[str, np.ndarray]:
    """Channel -> float32 ``(H, W)`` in [0, 1]; a cell without DAPI has bright-field alone.

    Raises:
        ImageError: as `tfctc.io.images.read_channel`.
    """
    paths = {BRIGHTFIELD: cell.brightfield, DAPI: cell.dapi}
    return {
        channel: to_unit(read_channel(path, facts, channel), facts, channel)[:, :, 0]
        for channel, path in paths.items()
        if path
    }


class CellImages:
    """Images of one cell with their masks, each computed once.

    Args:
        pixels: channel -> float32 ``(H, W)`` in [0, 1].
    """

    def __init__(self, pixels: dict[str, np.ndarray]):
        self.brightfield, self.dapi = pixels[BRIGHTFIELD], pixels.get(DAPI)

    @cached_property
    def flat(self) -> np.ndarray:
        """Bright-field without the plane of uneven light through its border, ``(H, W)``; the background is 0."""
        return flattened(self.brightfield)

    @cached_property
    def cell(self) -> np.ndarray:
        """Mask of the cell, ``(H, W)`` bool: where bright-field differs from its background. May be empty."""
        return central_mask(ndimage.gaussian_filter(np.abs(self.flat), CELL_SMOOTHING), CELL_LEVEL)

    @cached_property
    def nucleus(self) -> np.ndarray:
        """Mask of the nucleus in DAPI, ``(H, W)`` bool. Empty without DAPI."""
        if self.dapi is None:
            return np.zeros(self.brightfield.shape, bool)
        return central_mask(ndimage.gaussian_filter(self.dapi, NUCLEUS_SMOOTHING), NUCLEUS_LEVEL)


@lru_cache(maxsize=8)
def _plane(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates of a plane ``(H * W, 3)``, the border's mask, and the border's pseudo-inverse."""
    rows, columns = np.indices(shape)
    coordinates = np.stack([np.ones(rows.size), rows.ravel() / shape[0] - 0.5, columns.ravel() / shape[1] - 0.5], 1)
    border = border_mask(shape).ravel()
    return coordinates.astype(np.float32), border, np.linalg.pinv(coordinates[border]).astype(np.float32)


def border_mask(shape: tuple[int, int]) -> np.ndarray:
    """Mask of the outer tenth of an image, ``(H, W)`` bool."""
    width = max(1, min(shape) // 10)
    border = np.ones(shape, bool)
    border[width:-width, width:-width] = False
    return border


def flattened(image: np.ndarray) -> np.ndarray:
    """An image minus the plane fitted to its border by least squares, ``(H, W)`` float32."""
    coordinates, border, inverse = _plane(image.shape)
    return image - (coordinates @ (inverse @ image.ravel()[border])).reshape(image.shape)


def central_mask(image: np.ndarray, level: float) -> np.ndarray:
    """Mask of the object that is largest and nearest to the centre.

    The threshold lies at `level` between the median of the border and the 98th percentile. Holes are filled.

    Args:
        image: ``(H, W)``, brighter where the object is.
        level: height of the threshold, in (0, 1).

    Returns:
        ``(H, W)`` bool; empty if nothing is above the threshold.
    """
    low = np.median(image[border_mask(image.shape)])
    high = np.percentile(image, 98)
    above = ndimage.binary_fill_holes(image > low + level * (high - low))
    objects, count = ndimage.label(above)
    if not count or high <= low:
        return np.zeros(image.shape, bool)
    nearness = ndimage.sum_labels(_centre_weights(image.shape), objects, np.arange(1, count + 1))
    return objects == 1 + int(np.argmax(nearness))


@lru_cache(maxsize=8)
def _centre_weights(shape: tuple[int, int]) -> np.ndarray:
    rows, columns = np.indices(shape) - (np.array(shape) - 1)[:, None, None] / 2
    return np.exp(-0.5 * (rows**2 + columns**2) / (min(shape) / 4) ** 2)


def centroid(mask: np.ndarray) -> np.ndarray:
    """Centre of a mask: row and column; NaN if the mask is empty."""
    rows, columns = np.nonzero(mask)
    return np.array([rows.mean(), columns.mean()]) if len(rows) else np.full(2, np.nan)


def noise(image: np.ndarray) -> float:
    """Standard deviation of the noise of an image, by `NOISE_KERNEL`; a median, so that edges do not count."""
    response = np.abs(ndimage.convolve(image, NOISE_KERNEL)[1:-1, 1:-1])
    return float(np.median(response) / (0.6745 * 6)) if response.size else 0.0
