"""Pixel size, labels and stack sizes in the description that ImageJ writes into a TIFF file."""

import contextlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from tfctc.io.pixels.ome import equal_scale
from tfctc.io.pixels.tags import Directory

X_RESOLUTION, Y_RESOLUTION = 282, 283
#: Tags of ImageJ's own: sizes of its entries, and the entries.
ENTRY_BYTES, ENTRIES = 50838, 50839
#: Names of the micrometre. ImageJ writes its first letter with a backslash, as Java does.
MICROMETRES = ("micron", "microns", "micrometer", "micrometre", "um", "µm", "μm", "\\u00b5m")


@dataclass(frozen=True)
class ImageJ:
    """Facts about a file from the description of ImageJ.

    Args:
        mpp: micrometres per pixel; None if unknown, or not the same in x and y.
        images: number of images in the file.
        stack: what the file holds beside channels, such as "3 z positions"; "" if nothing.
        signed: whether it holds signed numbers of 16 bits, stored with 32768 added.
    """

    mpp: float | None
    images: int
    stack: str
    signed: bool


def parse_imagej(text: str, directory: Directory) -> ImageJ | None:
    """The facts in the description of the first directory; None if it is no description of ImageJ."""
    if not text.startswith("ImageJ="):
        return None
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    stack = ""
    if _whole(values, "channels") > 1:
        sizes = {"z positions": _whole(values, "slices"), "time points": _whole(values, "frames")}
        stack = " and ".join(f"{size} {kind}" for kind, size in sizes.items() if size > 1)
    mpp = None
    if values.get("unit", "").strip().lower() in MICROMETRES and values.get("yunit", values["unit"]) == values["unit"]:
        x, y = directory.fraction(X_RESOLUTION), directory.fraction(Y_RESOLUTION)
        mpp = equal_scale(1 / x if x else None, 1 / y if y else None)
    # A straight line (function 0) that begins 32768 below zero is how ImageJ marks signed numbers.
    line = [values.get(name, "").strip() for name in ("cf", "c0", "c1")]
    return ImageJ(mpp, _whole(values, "images"), stack, line in (["0", "-32768.0", "1.0"], ["0", "-32768", "1"]))


def slice_labels(directory: Directory) -> tuple[str, ...]:
    """Labels of the images of a stack, first line each, as ImageJ keeps them in the first directory; () without any."""
    sizes, content = directory.numbers(ENTRY_BYTES, ()), directory.raw(ENTRIES)
    order = directory.order
    if not sizes or content[:4] != (b"IJIJ" if order == ">" else b"JIJI"):
        return ()
    head = content[4 : sizes[0]]
    # The head counts the entries of each type, in their order; "labl" is the type of labels.
    kinds = [(kind, count) for kind, count in struct.iter_unpack(order + "4sI", head[: len(head) // 8 * 8])]
    labels: list[str] = []
    place, number = sizes[0], 1
    for kind, count in kinds:
        for size in sizes[number : number + count]:
            if kind == (b"labl" if order == ">" else b"lbal"):
                text = content[place : place + size].decode("utf-16-be" if order == ">" else "utf-16-le", "replace")
                labels.append(text.partition("\n")[0].strip())
            place += size
        number += count
    return tuple(labels)


def _whole(values: Mapping[str, str], name: str) -> int:
    with contextlib.suppress(ValueError):
        return max(1, int(values.get(name, 1)))
    return 1
