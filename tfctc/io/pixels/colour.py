"""Grey planes out of colour images, where the colours carry nothing that one plane does not."""

import numpy as np

from tfctc.errors import ImageError
from tfctc.io.pixels.plane import GREY_AS_RGB, ONE_COLOUR, TABLE_LEFT_OUT, TABLE_OF_GREYS

IN_FIJI = "in Fiji: Image > Color > Split Channels, and save the right one, or export the raw channel"
#: Largest step between neighbouring entries, of 255, of a colour table that is a gradient rather than a list.
SMOOTH = 32


def grey_of_colours(planes: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The one plane of an RGB image, and the note about it.

    Args:
        planes: ``(3, H, W)``: red, green and blue.

    Raises:
        ImageError: planes that are not zero differ from each other.
    """
    lit = [plane for plane in planes if plane.any()]
    if not lit:
        return np.ascontiguousarray(planes[0]), (GREY_AS_RGB,)
    if any(not np.array_equal(lit[0], other) for other in lit[1:]):
        raise ImageError("is a colour image whose red, green and blue differ, one grey channel expected", fix=IN_FIJI)
    return np.ascontiguousarray(lit[0]), (GREY_AS_RGB if len(lit) == len(planes) else ONE_COLOUR,)


def check_opaque(alpha: np.ndarray, bits: int) -> None:
    """Checks that an alpha channel of unsigned numbers of so many bits is opaque everywhere.

    Raises:
        ImageError: it is not.
    """
    if alpha.dtype.kind != "u" or (alpha != 2**bits - 1).any():
        raise ImageError("has transparent pixels (an alpha channel)", fix="save it without transparency")


def grey_of_table(indices: np.ndarray, table: np.ndarray, imagej: bool) -> tuple[np.ndarray, tuple[str, ...]]:
    """Counts of an image with a colour table, and the note about it.

    A full table that rises is a gradient put over the counts to show them: the indices are the counts. A table with
    fewer entries was made from the colours that occur: its indices mean nothing, but greys can be looked up in it.

    Args:
        indices: ``(H, W)``, unsigned.
        table: ``(entries, 3)``: red, green and blue, 0 to 255, or to 65535 for a full table.
        imagej: whether ImageJ wrote the file: of its many gradients, some also fall.

    Raises:
        ImageError: colours that do not tell the counts.
    """
    if indices.max() >= len(table):
        raise ImageError("is damaged: its pixels are not all in its colour table", fix="copy or export the file again")
    steps = np.diff(table.astype(np.int64), axis=0)
    grey = bool((table == table[:, :1]).all())
    if len(table) == np.iinfo(indices.dtype).max + 1:
        rising, falling = bool((steps >= 0).all()), bool((steps <= 0).all())
        smooth = 255 * np.abs(steps).max() <= SMOOTH * int(table.max())
        if table.any() and not falling and (rising or (imagej and smooth)):
            return indices, (TABLE_LEFT_OUT,)
    elif grey:
        if np.array_equal(table[:, 0], np.arange(len(table))):
            return indices, (TABLE_LEFT_OUT,)
        return table[:, 0].astype(indices.dtype)[indices], (TABLE_OF_GREYS,)
    raise ImageError("has a colour table from which its counts cannot be told", fix="export the raw channel without it")
