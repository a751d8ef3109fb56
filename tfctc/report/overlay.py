"""Saliency drawn over bright-field, with the outline of the nucleus."""

import numpy as np
from scipy import ndimage

#: Colours of saliency and outline, 0 to 255.
HEAT, OUTLINE = (255, 120, 0), (60, 190, 255)
#: Side in pixels that a small picture is enlarged to, so that the outline is thin.
SIDE = 128
#: Standard deviation in pixels of the Gaussian that smooths the saliency for display alone.
SMOOTHING = 1.0
#: Percentile of the saliency that is drawn in full colour.
FULL = 99.5


def overlay(
    brightfield: np.ndarray, saliency: np.ndarray, nucleus: np.ndarray, limits: tuple[float, float]
) -> np.ndarray:
    """A picture as uint8 ``(h, w, 3)``, enlarged by a whole number.

    Args:
        brightfield: ``(H, W)`` in [0, 1].
        saliency: ``(H, W)``, 0 or more.
        nucleus: ``(H, W)`` bool; no outline where it is empty.
        limits: pixel values of bright-field that are shown as black and as white.
    """
    factor = max(1, SIDE // min(brightfield.shape))
    low, high = limits
    grey = 255 * np.clip((brightfield - low) / (high - low), 0, 1)
    smooth = ndimage.gaussian_filter(np.asarray(saliency, np.float64), SMOOTHING)
    heat = np.clip(smooth / max(np.percentile(smooth, FULL), np.finfo(float).tiny), 0, 1)
    grey, heat, mask = (np.kron(one, np.ones((factor, factor))) for one in (grey, heat, nucleus.astype(float)))
    share = 0.75 * heat[..., None]
    picture = (1 - share) * grey[..., None] + share * np.array(HEAT)
    inside = mask > 0.5
    picture[inside & ~ndimage.binary_erosion(inside, iterations=2)] = OUTLINE
    return np.rint(picture).astype(np.uint8)
