"""Page of an inspection or of a run: one HTML file with all plots and pictures inside."""

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape
from PIL import Image

from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI
from tfctc.data.inspect import Finding, Gallery, Section
from tfctc.io.files import atomic_file
from tfctc.report.colours import SERIES
from tfctc.report.plots import DRAWN, draw

#: Percentiles of the pixels on the contact sheet that are shown as black and white.
RANGE = (0.1, 99.9)
#: Picture beside the channels: where a model looks, drawn over bright-field.
SALIENCY = "saliency"
#: Images of one cell by its position in the manifest: channel -> float32 ``(H, W)`` in [0, 1], or a picture as uint8
#: ``(H, W, 3)``.
ReadCell = Callable[[int], Mapping[str, np.ndarray]]


@dataclass(frozen=True)
class Page:
    """Content of the page.

    Args:
        title: heading.
        notes: sentences below the heading.
        verdict: sentence about the findings.
        findings: all findings, in order.
        sections: all sections, in order.
        missing: why `tfctc fit` cannot train on the data set; empty if it can.
        banner: words above everything; empty for none.
        cautions: sentences below the verdict.
        channels: pictures of a cell in galleries, from left to right.
    """

    title: str
    notes: Sequence[str]
    verdict: str
    findings: Sequence[Finding]
    sections: Sequence[Section]
    missing: str = ""
    banner: str = ""
    cautions: Sequence[str] = ()
    channels: tuple[str, ...] = CHANNELS


def write_page(path: Path, page: Page, read: ReadCell) -> None:
    """Writes the page atomically.

    Args:
        path: HTML file to write.
        page: its content.
        read: reader of the cells in galleries.

    Raises:
        OutputError: as `tfctc.io.files.atomic_file`.
    """
    text = render_page(page, read)
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def render_page(page: Page, read: ReadCell) -> str:
    """The page as HTML text. Same arguments as `write_page`."""
    templates = Environment(
        loader=PackageLoader("tfctc.report"),
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    galleries = [part for section in page.sections for part in section.parts if isinstance(part, Gallery)]
    shown = {position for gallery in galleries for cells in gallery.cells for position in cells}
    pixels = {position: read(position) for position in sorted(shown)}
    limits = display_limits(pixels.values())
    pictures = {position: _pictures(images, limits) for position, images in pixels.items()}
    plots = {
        id(part): draw(part, f"plot{number}-{i}")
        for number, section in enumerate(page.sections)
        for i, part in enumerate(section.parts)
        if type(part) in DRAWN
    }
    values: dict[str, Any] = {
        "page": page,
        "pictures": pictures,
        "plots": plots,
        "channels": page.channels,
        "names": {BRIGHTFIELD: "bright-field", DAPI: "DAPI", SALIENCY: "saliency"},
        "sizes": {position: images[BRIGHTFIELD].shape for position, images in pixels.items() if BRIGHTFIELD in images},
        "series": SERIES,
    }
    values["ranges"] = {
        name: f"{limits[channel][0]:.3f} to {limits[channel][1]:.3f}"
        for channel, name in ((BRIGHTFIELD, "bright-field"), (DAPI, "DAPI"))
        if channel in limits
    }
    templates.filters |= {"value": _value, "kind": lambda part: type(part).__name__}
    templates.filters["key"] = id
    return templates.get_template("page.html").render(values) + "\n"


def display_limits(cells: Any) -> dict[str, tuple[float, float]]:
    """Channel -> pixel values that are shown as black and as white, the same for all pictures of the page."""
    limits = {}
    for channel in CHANNELS:
        seen = [images[channel].ravel() for images in cells if channel in images]
        if seen:
            low, high = np.percentile(np.concatenate(seen), RANGE)
            limits[channel] = (float(low), float(max(high, low + 1e-6)))
    return limits


def _pictures(images: Mapping[str, np.ndarray], limits: Mapping[str, tuple[float, float]]) -> dict[str, str]:
    """Channel -> PNG file in base64."""
    encoded = {}
    for channel, pixels in images.items():
        if pixels.dtype != np.uint8:
            low, high = limits[channel]
            pixels = np.rint(255 * np.clip((pixels - low) / (high - low), 0, 1)).astype(np.uint8)
        file = io.BytesIO()
        picture = Image.fromarray(pixels)
        if pixels.ndim == 3:
            # A third of the size. This method keeps rare colours, such as that of an outline.
            picture = picture.quantize(128, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        picture.save(file, "PNG", optimize=True)
        encoded[channel] = base64.b64encode(file.getvalue()).decode()
    return encoded


def _value(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)
