"""One grey plane of an image file, what its file declares and what was converted, and the bounds of all readers."""

from dataclasses import dataclass

import numpy as np

from tfctc.errors import ImageError

#: Largest number of pixels that is decoded, above the frame of any camera. A larger image, of a whole slide, could fill
#: the memory.
MOST_PIXELS = 2**26
#: Largest number of bytes that the samples of one image may have when they are decoded.
MOST_BYTES = 2**28

#: Notes of a `Plane`. No other phrase is used.
GREY_AS_RGB = "grey saved as RGB"
ONE_COLOUR = "one colour plane used"
TABLE_LEFT_OUT = "colour table left out"
TABLE_OF_GREYS = "greys looked up in the colour table"
ALPHA_LEFT_OUT = "opaque alpha channel left out"
WHOLE_FLOATS = "whole numbers saved as float"
WHOLE_SIGNED = "counts saved as signed numbers"
WHOLE_WIDE = "counts saved with more than 16 bits"
TURNED = "turned by its orientation tag"
INVERTED = "inverted, because 0 is white in it"
NOTES = (
    GREY_AS_RGB,
    ONE_COLOUR,
    TABLE_LEFT_OUT,
    TABLE_OF_GREYS,
    ALPHA_LEFT_OUT,
    WHOLE_FLOATS,
    WHOLE_SIGNED,
    WHOLE_WIDE,
    TURNED,
    INVERTED,
)

#: Remedies that several messages share.
AGAIN = "copy or export the file again"
FIJI_TIFF = "open it in Fiji and save it with File > Save As > Tiff"
FROM_IDEAS = "export its images from IDEAS as 16 bit TIFF (Tools > Export .tif Images)"
EXPORT_RAW = "export the raw counts as an uncompressed TIFF of 8 or 16 bits"


@dataclass(frozen=True)
class Plane:
    """A grey plane of an image file.

    Args:
        pixels: counts ``(H, W)``, uint8 or uint16 in native byte order.
        bits: bits of a sample that the file declares, 8 to 16; 16 for all types with more.
        mpp: micrometres per pixel that OME-XML or ImageJ declares; None if unknown, or not the same in x and y.
        notes: conversions that were made, each one of `NOTES`.
    """

    pixels: np.ndarray
    bits: int
    mpp: float | None
    notes: tuple[str, ...]


def check_size(width: int, height: int, pixel_bytes: float = 1) -> None:
    """Checks the size of an image before its pixels are read.

    Args:
        width: pixels of a row.
        height: number of rows.
        pixel_bytes: bytes of a pixel when it is decoded, all samples together.

    Raises:
        ImageError: no pixels, more than `MOST_PIXELS`, or more than `MOST_BYTES`.
    """
    if not width or not height:
        raise ImageError(f"is {height} x {width} px, which holds no pixel", fix=AGAIN)
    if width * height > MOST_PIXELS or width * height * pixel_bytes > MOST_BYTES:
        raise ImageError("is too large for the image of one cell", fix="crop each cell to a file")


def oriented(pixels: np.ndarray, orientation: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Pixels as the orientation tag of TIFF and EXIF wants them shown, and the notes about it.

    Args:
        pixels: ``(H, W)``.
        orientation: 1 to 8; 0, which some programs write, stands for 1.

    Raises:
        ImageError: another orientation.
    """
    if not 0 <= orientation <= 8:
        raise ImageError(f"has the orientation {orientation}, 1 to 8 expected", fix=FIJI_TIFF)
    if orientation < 2:
        return pixels, ()
    mirrored = {3: (-1, -1), 2: (1, -1), 4: (-1, 1), 5: (1, 1), 6: (-1, 1), 7: (-1, -1), 8: (1, -1)}
    rows, columns = mirrored[orientation]
    turned = pixels[::rows, ::columns]
    return np.ascontiguousarray(turned.T if orientation > 4 else turned), (TURNED,)
