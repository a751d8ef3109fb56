"""Scale of the images, in micrometres per pixel: that of the user or the file is compared with that of the model."""

from pathlib import Path

import numpy as np

from tfctc.cells import DatasetFacts, same_scale
from tfctc.errors import ConfigError, ImageError
from tfctc.io.images import rescaled


class Scale:
    """Checks the scale of each image, and rescales the image if the user asked for it.

    Args:
        facts: facts of the images that the model takes.
        mpp: micrometres per pixel of the images, as the user declares them; None takes what their files declare. An
            image that declares nothing counts as one of the training images.
        rescale: whether images of another scale are rescaled; otherwise they are refused.

    Raises:
        ConfigError: `mpp` is not that of the model, and `rescale` is not set; or one of them is given, and the model
            does not know its scale.
    """

    def __init__(self, facts: DatasetFacts, mpp: float | None = None, rescale: bool = False):
        self._facts, self._mpp, self._rescale = facts, mpp, rescale
        if facts.mpp is None and (mpp is not None or rescale):
            problem = "the model does not know its micrometres per pixel"
            raise ConfigError(problem, fix="leave out --mpp and --rescale-mpp, or import its data set again with --mpp")
        if mpp is not None and facts.mpp is not None and not same_scale(mpp, facts.mpp) and not rescale:
            problem = f"the images have {mpp:g} um a pixel, and the model was trained at {facts.mpp:g}"
            raise ConfigError(problem, fix="give --rescale-mpp too, and they are rescaled")

    def apply(self, pixels: np.ndarray, declared: float | None, path: str | Path) -> np.ndarray:
        """Pixels at the scale of the model.

        Args:
            pixels: unsigned integers ``(H, W)`` or ``(H, W, 1)``.
            declared: micrometres per pixel that the file declares; None if it declares none.
            path: the file, for messages.

        Returns:
            `pixels` if their scale is that of the model; else rescaled, ``(H', W')`` of the same type.

        Raises:
            ImageError: an image of another scale, or of an unknown one where the training images were rescaled.
            ConfigError: scales that differ too much to be rescaled.
        """
        own = self._facts.mpp
        mpp = self._of_image(declared)
        if own is None or (mpp is not None and same_scale(mpp, own)):
            return pixels
        if mpp is None:
            problem = f"declares no micrometres per pixel; the images of the model were rescaled to {own:g}"
            raise ImageError(problem, path=path, fix="give --mpp and --rescale-mpp")
        if not self._rescale:
            problem = f"declares {mpp:g} um a pixel, {own:g} expected"
            fix = f"give --rescale-mpp to rescale such images; if the file is wrong: --mpp {own:g}"
            raise ImageError(problem, path=path, fix=fix)
        return rescaled(pixels, mpp, own)

    def _of_image(self, declared: float | None) -> float | None:
        """Micrometres per pixel of an image; None if they cannot be known."""
        if self._mpp is not None:
            return self._mpp
        of_files = self._facts.files_mpp
        if not self._facts.rescaled and (declared is None or (of_files and same_scale(declared, of_files))):
            # As in the training images, whose files declared another scale wrongly, or none.
            return self._facts.mpp
        return declared
