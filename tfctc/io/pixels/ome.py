"""Pixel size, channel names and stack sizes in OME-XML, the description of an OME-TIFF."""

import contextlib
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass, field

#: Micrometres of each unit of length.
UNITS = {"µm": 1.0, "μm": 1.0, "um": 1.0, "nm": 1e-3, "mm": 1e3, "cm": 1e4, "m": 1e6, "Å": 1e-4, "pm": 1e-6}


@dataclass(frozen=True)
class Ome:
    """Facts about a file from OME-XML.

    Args:
        mpp: micrometres per pixel; None if unknown, or not the same in x and y.
        names: number of a directory in the file -> name of its channel.
        channels: names of all channels, "" for one without.
        stack: what the file holds beside channels, such as "3 z positions"; "" if nothing.
    """

    mpp: float | None = None
    names: Mapping[int, str] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    stack: str = ""


def parse_ome(text: str) -> Ome | None:
    """The facts in a description; None if it is no OME-XML, or XML with entities of its own."""
    if "<OME" not in text[:4096] and ":OME" not in text[:4096] or "<!DOCTYPE" in text:
        return None
    try:
        root = ElementTree.fromstring(text.encode())
    except (ElementTree.ParseError, ValueError):
        return None
    images = [child for child in root if _name(child) == "Image"]
    pixels = [child for image in images for child in image if _name(child) == "Pixels"]
    if not pixels:
        return None
    first = pixels[0]
    channels = tuple(child.get("Name", "").strip() for child in first if _name(child) == "Channel")
    sizes = {"z positions": _whole(first, "SizeZ", 1), "time points": _whole(first, "SizeT", 1)}
    parts = [f"{len(pixels)} images"] * (len(pixels) > 1) + [
        f"{size} {kind}" for kind, size in sizes.items() if size > 1
    ]
    mpp = equal_scale(_length(first, "X"), _length(first, "Y"))
    return Ome(mpp, _directories(first, channels, root.get("UUID")), channels, " and ".join(parts))


def equal_scale(x: float | None, y: float | None) -> float | None:
    """The micrometres per pixel in x, if those in y are the same within 0.1 %; otherwise None."""
    if not x or not y or not 0 < x < math.inf or not math.isclose(x, y, rel_tol=1e-3):
        return None
    return x


def _directories(pixels: ElementTree.Element, channels: tuple[str, ...], uuid: str | None) -> dict[int, str]:
    """Names by directory: the channels in their order, unless TiffData elements tell another one."""
    blocks = [child for child in pixels if _name(child) == "TiffData" and child.keys()]
    if not blocks:
        return dict(enumerate(channels))
    names: dict[int, str] = {}
    for block in blocks:
        files = [child.text for child in block if _name(child) == "UUID"]
        if files and uuid and files[0] != uuid:  # In another file of the set.
            continue
        start, channel = _whole(block, "IFD", 0), _whole(block, "FirstC", 0)
        count = _whole(block, "PlaneCount", len(channels) if block.get("IFD") is None else 1)
        for number in range(min(count, len(channels) - channel)):
            names[start + number] = channels[channel + number]
    return names


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _whole(element: ElementTree.Element, name: str, default: int) -> int:
    with contextlib.suppress(ValueError):
        return max(0, int(element.get(name, default)))
    return default


def _length(pixels: ElementTree.Element, axis: str) -> float | None:
    """Micrometres of a pixel along an axis; None if unknown."""
    unit = UNITS.get(pixels.get(f"PhysicalSize{axis}Unit", "µm"))
    with contextlib.suppress(ValueError):
        return float(pixels.get(f"PhysicalSize{axis}", "")) * unit if unit else None
    return None
