"""Quality of single images: focus, saturation, empty images."""

from typing import Any, NamedTuple

import numpy as np
from scipy import ndimage

from tfctc.cells import BRIGHTFIELD, DAPI, OTHER
from tfctc.data.inspect.check import CHECKS, Check
from tfctc.data.inspect.images import CellImages, flattened, noise
from tfctc.data.inspect.section import Finding, Gallery, Histograms, Part, Section, Table
from tfctc.data.inspect.survey import Survey
from tfctc.io.names import counted

TITLES = {BRIGHTFIELD: "bright-field", DAPI: "DAPI"}
#: Standard deviations below the median of its site from which an image is blurred. Of 8,000 simulated cells, whose
#: focus varies by 2.5 um, none is more than 4.9 below; a Gaussian blur of 4 pixels puts three of four cells beyond 6.
BLURRED = 6.0
#: Share of pixels at the highest value from which an image is saturated: more than a hot pixel, 20 of 64 x 64.
SATURATED = 0.005
#: Share of pixels that are 0 from which an image is cut off at black. DAPI has a dark background, so more is allowed.
BLACK = {BRIGHTFIELD: 0.005, DAPI: 0.2}
#: Contrast of an image smoothed by a Gaussian of 1.5 pixels, in units of what its noise alone would leave; below it
#: there is nothing but noise. Of 1,500 images of white noise, 40 pixels wide, none had more than 1.4; of 10,000
#: simulated cells, some of them nearly invisible in focus, none less than 1.9.
EMPTY = 1.6
#: Contrast in the same units below which sharpness is not judged: there is too little above the noise.
FAINT = 3.0
#: Share of the images of a channel from which saturation or a cut at black is a finding. A bright nucleus may saturate
#: now and then: 3 of 2,000 simulated ones do.
COMMON = 0.01
#: Share of the standard deviation of white noise that a Gaussian of standard deviation s leaves: 1 / (2 s sqrt(pi)).
LEFT = 1 / (2 * 1.5 * np.sqrt(np.pi))
SHOWN = 6


class Fault(NamedTuple):
    """One kind of fault.

    Args:
        problem: the fault, as it stands after a number of images.
        advice: remedy.
        least: share of the images of a channel from which it is a finding.
    """

    problem: str
    advice: str
    least: float = 0.0


FAULTS = {
    "empty": Fault("nothing but background", "Remove these cells, or export their images again."),
    "blurred": Fault("far less sharp than the others of the same group", "Look at them; remove what is out of focus."),
    "saturated": Fault("saturated", "Expose shorter: what is above full scale is lost.", COMMON),
    "black": Fault("cut off at black (pixels of 0)", "Raise the camera's offset: what is below 0 is lost.", COMMON),
}

NAMES = {name: {"black": "clipped"}.get(name, name) for name in FAULTS}


@CHECKS.register("quality")
class Quality(Check):
    """Sharpness relative to the group, and shares of pixels at the ends of the range."""

    def measure(self, cell: CellImages) -> dict:
        values: dict[str, Any] = {}
        for channel, image in ((BRIGHTFIELD, cell.brightfield), (DAPI, cell.dapi)):
            found = (np.nan,) * 4 if image is None else measure_image(image)
            names = ("sharpness", "visibility", "at_maximum", "at_zero")
            values |= {f"{channel}_{name}": np.float32(one) for name, one in zip(names, found, strict=True)}
        return values

    def section(self, survey: Survey) -> Section:
        by, groups = survey.places()
        parts: list[Part] = []
        findings, rows, values = [], [], {}
        for channel, title in TITLES.items():
            known = np.isfinite(survey.values[f"{channel}_visibility"])
            if not known.any():
                continue
            faults, depth = find_faults(survey, channel, groups)
            values[channel] = {name: survey.ids(found) for name, found in faults.items()}
            rows.append((title, int(known.sum()), *(len(found) for found in faults.values())))
            shares, edges = np.histogram(np.clip(depth[np.isfinite(depth)], -10, 10), 60, (-10, 10))
            line = {f"all {len(depth):,} cells": shares / max(1, shares.sum())}
            axis = f"standard deviations from the median of the {by}"
            parts.append(Histograms(f"Sharpness of {title}", axis, edges, line))
            for name, found in faults.items():
                if len(found) > FAULTS[name].least * known.sum():
                    problem = f"{counted(len(found), f'{title} image')}: {FAULTS[name].problem}"
                    findings.append(Finding(problem, FAULTS[name].advice, survey.ids(found)))
                    shown = [(int(survey.cells[row]),) for row in found[:SHOWN]]
                    parts.append(Gallery(problem, shown, survey.ids(found[:SHOWN])))
        if survey.unreadable:
            first = next(iter(survey.unreadable.values()))
            problem = f"{counted(len(survey.unreadable), 'image')}: unreadable. The first one: {first}"
            advice = "If that is not possible, remove the lines from manifest.csv: training would stop there."
            findings.insert(0, Finding(problem, advice, list(survey.unreadable)))
        headers = ("channel", "images", *NAMES.values())
        parts.insert(0, Table("Images with a fault", headers, rows))
        text = (
            "Sharpness is the contrast of the finest detail above the noise, relative to the contrast of the whole "
            f"image. An image more than {BLURRED:.0f} standard deviations below the median is called blurred. In a "
            f"saturated image {SATURATED:.1%} of the pixels or more share the highest value; in a clipped one many are "
            f"0. Both are named if {COMMON:.0%} of the images are so."
        )
        if survey.manifest.facts.other:
            text += f" Images of class {OTHER} are not judged."
        counts = {name: sum(len(found[name]) for found in values.values()) for name in FAULTS}
        summary = ", ".join(f"{count} {NAMES[name]}" for name, count in counts.items())
        return Section("Focus, saturation, empty images", 50, text, summary, parts, findings, values)


def measure_image(image: np.ndarray) -> tuple[float, float, float, float]:
    """Sharpness, visibility, share of pixels at the highest value, share of pixels that are 0.

    Sharpness is the logarithm of the variance of the Laplacian (Pech-Pacheco et al. 2000, ICPR) of the image smoothed
    by one pixel, less the part of white noise, over the variance of the smoothed image. Visibility is the contrast of
    the image in units of the noise that smoothing leaves. Sharpness is NaN if hardly anything is
    visible.

    Args:
        image: ``(H, W)`` in [0, 1].
    """
    # Without the plane of uneven light, which would be the contrast of an image of a faint cell.
    flat = flattened(image)
    smooth = ndimage.gaussian_filter(flat, 1.5)
    contrast, sigma = float(smooth.std()), noise(image)
    # An image without noise (computed, or heavily denoised) has at least the noise of its integers: 16 bits at most.
    visibility = contrast / (LEFT * max(sigma, 2**-16))
    top, lowest = float(image.max()), float((image == 0).mean())
    highest = float((image == top).mean())
    # Below full scale, equal maxima come from a camera that saturates early. Few levels repeat by chance: so the
    # highest must be much more frequent than the levels below it.
    if top < 1:
        below = float(((image < top) & (image >= top - 0.02 * (top - image.min()))).mean())
        highest = highest if highest > below else 0.0
    if visibility < FAINT:
        return np.nan, visibility, highest if contrast > 0 else 0.0, lowest
    laplacian = ndimage.gaussian_laplace(flat, 1.0)
    # White noise of variance 1 gives a Laplacian of Gaussian of variance 1 / (2 pi sigma^6).
    fine = max(float(laplacian.var()) - sigma**2 / (2 * np.pi), 1e-3 * float(laplacian.var()))
    return float(np.log(fine / contrast**2)), visibility, highest, lowest


def find_faults(survey: Survey, channel: str, groups: np.ndarray) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Rows with each of `FAULTS`, the worst first, and every row's sharpness in standard deviations of its group.

    Rows of the class other have no fault.
    """
    sharpness, visibility, maximum, zero = (
        survey.values[f"{channel}_{name}"] for name in ("sharpness", "visibility", "at_maximum", "at_zero")
    )
    depth = np.full(len(survey), np.nan)
    for group in np.unique(groups):
        rows = np.flatnonzero((groups == group) & np.isfinite(sharpness))
        if len(rows) >= 8:
            middle = np.median(sharpness[rows])
            spread = 1.4826 * np.median(np.abs(sharpness[rows] - middle))
            depth[rows] = (sharpness[rows] - middle) / max(spread, 0.05)
    # Debris and doublets are meant to look so.
    judged = survey.column("label") != OTHER
    empty = visibility < EMPTY
    worst = {"empty": -visibility, "blurred": -depth, "saturated": maximum, "black": zero}
    masks = {
        "empty": empty,
        "blurred": depth < -BLURRED,
        "saturated": ~empty & (maximum >= SATURATED),
        "black": ~empty & (zero >= BLACK[channel]),
    }
    found = {name: np.flatnonzero(mask & judged) for name, mask in masks.items()}
    return {name: rows[np.argsort(-worst[name][rows], kind="stable")] for name, rows in found.items()}, depth
