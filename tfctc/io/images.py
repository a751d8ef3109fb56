"""Reader of one channel image. Pillow reads PNG and TIFF; tifffile would need another library for LZW compression."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from tfctc.cells import DatasetFacts
from tfctc.errors import ImageError

FORMATS = ("PNG", "TIFF")
#: TIFF tag PhotometricInterpretation, and its value for images in which 0 is white.
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
#: Largest number of pixels that is decoded, above the frame of any camera. A larger image, of a whole slide, could fill
#: the memory.
MOST_PIXELS = 2**26


def read_pixels(path: str | Path) -> np.ndarray:
    """Reads a single-channel image without any conversion of its pixels.

    Returns:
        ``(H, W)``, uint8 or uint16.

    Raises:
        ImageError: a file that is missing, damaged, or neither PNG nor TIFF; an image of more than `MOST_PIXELS`
            pixels, several frames, colour, or 0 for white; signed, 32-bit or floating point pixels.
    """
    try:
        # A warning of Pillow about a file that it can read would be printed beside the one line of an error.
        with warnings.catch_warnings(action="ignore"):
            pixels = _decoded(path)
    except FileNotFoundError:
        raise ImageError("no such file", path=path, fix="check the path or the manifest") from None
    except UnidentifiedImageError:
        raise ImageError("is not a PNG or TIFF image", path=path, fix="export it as PNG or TIFF") from None
    except Image.DecompressionBombError:
        raise ImageError("is too large for the image of one cell", path=path, fix="crop each cell to a file") from None
    except ImageError:
        raise
    except Exception as error:  # On a damaged file, Pillow's decoders may raise anything.
        problem = f"cannot be read ({str(error) or type(error).__name__})"
        raise ImageError(problem, path=path, fix="copy or export the file again") from None
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ImageError("holds NaN or infinite pixels", path=path, fix="export the raw counts again")
    if pixels.dtype.kind != "u" or pixels.dtype.itemsize > 2:
        problem = f"has {pixels.dtype} pixels, 8 or 16 bit unsigned expected"
        raise ImageError(problem, path=path, fix="export the raw counts as 8 or 16 bit unsigned integers")
    return pixels.astype(pixels.dtype.newbyteorder("="))


def _decoded(path: str | Path) -> np.ndarray:
    with Image.open(path, formats=FORMATS) as image:
        _check_header(image, path)
        if image.format != "PNG":
            return np.asarray(image)
        # Decoding does not check the pixels' checksums, `verify` does; after it the file must be opened again.
        image.verify()
    with Image.open(path, formats=FORMATS) as image:
        return np.asarray(image)


def _check_header(image: Image.Image, path: str | Path) -> None:
    """Checks size, frames, colour and black level by the header alone. Raises as `read_pixels`."""
    if image.width * image.height > MOST_PIXELS:
        raise Image.DecompressionBombError
    if (frames := getattr(image, "n_frames", 1)) != 1:
        raise ImageError(f"holds {frames} frames, one expected", path=path, fix="save each frame as a file of its own")
    if image.mode not in ("L", "I;16", "I;16L", "I;16B", "I;12", "F", "I"):
        problem = f"has Pillow mode {image.mode}, one grey channel of 8 or 16 bits expected"
        raise ImageError(problem, path=path, fix="export the raw channel")
    # Without this tag Pillow assumes that zero is white. It then inverts 8-bit pixels, but not 16-bit ones.
    if isinstance(image, TiffImageFile) and image.tag_v2.get(PHOTOMETRIC, WHITE_IS_ZERO) == WHITE_IS_ZERO:
        problem = "does not say that zero is black (TIFF tag PhotometricInterpretation)"
        raise ImageError(problem, path=path, fix="save it as BlackIsZero")


def read_channel(path: str | Path, facts: DatasetFacts) -> np.ndarray:
    """Reads a single-channel image and checks it against the facts of its data set.

    Returns:
        ``(H, W, 1)``, `facts.dtype`, values 0 to `facts.full_scale`.

    Raises:
        ImageError: as `read_pixels` and `check_pixels`.
    """
    return check_pixels(read_pixels(path), facts, path)


def check_pixels(pixels: np.ndarray, facts: DatasetFacts, path: str | Path = "image") -> np.ndarray:
    """Checks pixels against the facts of their data set, and returns them as ``(H, W, 1)``.

    Args:
        pixels: ``(H, W)`` or ``(H, W, 1)``.
        facts: facts of the data set.
        path: file of the pixels, for messages.

    Raises:
        ImageError: the pixels have another size or type than the facts say, or a value above `facts.full_scale`.
    """
    if pixels.dtype != facts.dtype:
        raise ImageError(
            f"has {pixels.dtype} pixels, {facts.dtype} expected (bit depth {facts.bit_depth})",
            path=path,
            fix=f"export it again as {facts.dtype}, like all images of its data set",
        )
    if pixels.shape not in (tuple(facts.image_size), (*facts.image_size, 1)):
        raise ImageError(
            f"is {' x '.join(map(str, pixels.shape))} px, {facts.image_size[0]} x {facts.image_size[1]} expected",
            path=path,
            fix="crop it to this size, like all images of its data set",
        )
    if pixels.max() > facts.full_scale:
        raise ImageError(
            f"has a pixel of {pixels.max()}, above {facts.full_scale} (bit depth {facts.bit_depth})",
            path=path,
            fix=f"give images of {facts.bit_depth} bits, or import all again with --bit-depth "
            f"{int(pixels.max()).bit_length()} or more",
        )
    return pixels.reshape(*facts.image_size, 1)


def to_unit(pixels: np.ndarray, facts: DatasetFacts) -> np.ndarray:
    """Pixels as float32 in [0, 1], of the same shape: stored integers divided by `facts.full_scale`."""
    return pixels.astype(np.float32) / np.float32(facts.full_scale)
