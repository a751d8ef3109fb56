"""Reading one channel image from a file. Pillow reads PNG and TIFF alike (LZW too, which tifffile alone does not)."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from tfctc.cells import DatasetFacts
from tfctc.errors import ImageError

FORMATS = ("PNG", "TIFF")
#: The TIFF tag that says what zero is, and its value for white.
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
#: More pixels than the frame of a camera has are a slide, not a cell; decoding it could fill the memory.
MOST_PIXELS = 2**26


def read_pixels(path: str | Path) -> np.ndarray:
    """Reads a single-channel image as it is stored.

    Returns:
        ``(H, W)``, uint8 or uint16.

    Raises:
        ImageError: missing, damaged, neither PNG nor TIFF, more than `MOST_PIXELS`, several frames, colour, zero for
            white, signed, 32-bit or floating point pixels.
    """
    try:
        # What Pillow finds odd in a file that it reads all the same would stand beside the one line of an error.
        with warnings.catch_warnings(action="ignore"):
            pixels = _decoded(path)
    except FileNotFoundError:
        raise ImageError("no such file", path=path, fix="check the path or the manifest") from None
    except UnidentifiedImageError:
        raise ImageError("is not a PNG or TIFF image", path=path, fix="export it as PNG or TIFF") from None
    except Image.DecompressionBombError:
        raise ImageError("is too large for the image of one cell", path=path, fix="crop single cells") from None
    except ImageError:
        raise
    except Exception as error:  # A damaged file makes Pillow raise whatever its decoders happen to stumble over.
        problem = f"cannot be read ({str(error) or type(error).__name__})"
        raise ImageError(problem, path=path, fix="copy or export the file again") from None
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise ImageError("holds NaN or infinite pixels", path=path, fix="export the raw counts again")
    if pixels.dtype.kind != "u" or pixels.dtype.itemsize > 2:
        problem = f"has {pixels.dtype} pixels, 8 or 16 bit unsigned expected"
        raise ImageError(problem, path=path, fix="export the raw counts")
    return pixels.astype(pixels.dtype.newbyteorder("="))


def _decoded(path: str | Path) -> np.ndarray:
    with Image.open(path, formats=FORMATS) as image:
        _check_header(image, path)
        if image.format != "PNG":
            return np.asarray(image)
        # Decoding looks at no check sum of the pixels; and what has been verified is to be opened anew.
        image.verify()
    with Image.open(path, formats=FORMATS) as image:
        return np.asarray(image)


def _check_header(image: Image.Image, path: str | Path) -> None:
    """Raises what `read_pixels` does for an image that is whole, but not of its kind."""
    if image.width * image.height > MOST_PIXELS:
        raise Image.DecompressionBombError
    if (frames := getattr(image, "n_frames", 1)) != 1:
        raise ImageError(f"holds {frames} frames, one expected", path=path, fix="save one frame a file")
    if image.mode not in ("L", "I;16", "I;16L", "I;16B", "I;12", "F", "I"):
        raise ImageError(f"is a {image.mode} image, one grey channel expected", path=path, fix="export the raw channel")
    # Where nothing is said Pillow takes zero for white; and it turns such pixels round if they have 8 bits, not 16.
    if isinstance(image, TiffImageFile) and image.tag_v2.get(PHOTOMETRIC, WHITE_IS_ZERO) == WHITE_IS_ZERO:
        raise ImageError("does not say that zero is black", path=path, fix="save it as BlackIsZero")


def read_channel(path: str | Path, facts: DatasetFacts) -> np.ndarray:
    """Reads a single-channel image and holds it against what the data set declares.

    Returns:
        ``(H, W, 1)``, `facts.dtype`, values 0 to `facts.full_scale`.

    Raises:
        ImageError: as `read_pixels`, and for another size, pixel type or range than declared.
    """
    return as_declared(read_pixels(path), facts, path)


def as_declared(pixels: np.ndarray, facts: DatasetFacts, path: str | Path = "image") -> np.ndarray:
    """Holds pixels ``(H, W)`` or ``(H, W, 1)`` against what the data set declares, and returns them as ``(H, W, 1)``.

    Raises:
        ImageError: another size, pixel type or range than declared.
    """
    if pixels.dtype != facts.dtype:
        raise ImageError(
            f"has {pixels.dtype} pixels, {facts.dtype} expected (bit depth {facts.bit_depth})",
            path=path,
            fix="never mix 8 and 16 bit in one data set",
        )
    if pixels.shape not in (tuple(facts.image_size), (*facts.image_size, 1)):
        raise ImageError(
            f"is {' x '.join(map(str, pixels.shape))} px, {facts.image_size[0]} x {facts.image_size[1]} expected",
            path=path,
            fix="crop all cells to one size",
        )
    if pixels.max() > facts.full_scale:
        raise ImageError(
            f"has a pixel of {pixels.max()}, above {facts.full_scale} (bit depth {facts.bit_depth})",
            path=path,
            fix="declare the right bit depth",
        )
    return pixels.reshape(*facts.image_size, 1)


def to_unit(pixels: np.ndarray, facts: DatasetFacts) -> np.ndarray:
    """Stored pixels as float32 in [0, 1], by the full scale of the declared bit depth."""
    return pixels.astype(np.float32) / np.float32(facts.full_scale)
