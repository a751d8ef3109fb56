"""Registration of the channels: the shift of the nucleus in DAPI against the cell in bright-field.

The two channels look too different to be matched pixel by pixel: on simulated and on Jurkat cells, the peak of their
cross-correlation recovered only 40 to 90 % of a planted shift. The distance of two centroids recovers it fully. A
nucleus is seldom in the middle of its cell, but it lies in any direction; so the median over many cells is near 0 if
the channels are aligned.
"""

import math

import numpy as np

from tfctc.data.inspect.check import CHECKS, Check
from tfctc.data.inspect.images import CellImages, centroid
from tfctc.data.inspect.section import Finding, Gallery, Part, Section, Shifts, Table
from tfctc.data.inspect.survey import Survey
from tfctc.io.names import counted

#: Median shift, in pixels, from which a group is named. Real channels that count as registered differ by less: the
#: Jurkat images by 0.6.
LIMIT = 1.0
#: Standard errors by which the median must exceed the limit; among 1,000 groups chance alone reaches it once.
CONFIDENCE = 3.1
#: Smallest group whose median is judged.
FEWEST = 8
#: Distance from the median, in standard deviations and in pixels, from which a cell counts as shifted by itself.
FAR, FAR_PIXELS = 3.0, 2.0
#: Natural logarithm of the smallest chance that the directions of shifted cells agree as they do (Rayleigh test).
AGREEMENT = math.log(1e-6)
#: Smallest share of the cells that is named as shifted by itself.
SHARE = 0.01
#: Number of cells in the gallery.
SHOWN = 8


@CHECKS.register("registration")
class Registration(Check):
    """Medians of the shift by site and by patient, and cells that share a shift of their own."""

    def measure(self, cell: CellImages) -> dict:
        shift = centroid(cell.nucleus) - centroid(cell.cell)
        return {"shift": shift.astype(np.float32)}

    def section(self, survey: Survey) -> Section:
        shifts = survey.values["shift"].astype(float)
        known = np.isfinite(shifts).all(axis=1)
        text = (
            "Shift of the centre of the nucleus (DAPI) from the centre of the cell (bright-field), down and right. A "
            "nucleus lies in any direction from the centre of its cell, so single cells scatter. The median of a group "
            "does not: if it is not near 0, the channels are displaced."
        )
        if not known.any():
            return Section("Registration", 40, f"{text} No cell has both channels.", "not measured: no DAPI")
        by, places = survey.places()
        columns = {by: places} | {survey.manifest.facts.group: survey.column("patient_id")}
        findings, medians, taken = [], {}, np.zeros(len(survey), bool)
        for name, groups in columns.items():
            found = {group: median_shift(shifts[known & (groups == group)]) for group in np.unique(groups[known])}
            medians[name] = found
            displaced = {group: one for group, one in found.items() if is_displaced(*one)}
            # A patient of a site that is named needs no line of its own.
            new = {group: one for group, one in displaced.items() if not taken[groups == group].all()}
            if new:
                findings.append(_group_finding(survey, name, new))
                taken |= np.isin(groups, list(new))
        rest = known & ~taken
        overall = median_shift(shifts[known])
        apart, direction = shifted_cells(shifts[rest])
        if len(apart):
            findings.append(_cell_finding(survey, np.flatnonzero(rest)[apart], direction, int(rest.sum())))
        middle = np.median(shifts[rest], axis=0) if rest.any() else overall[0]
        distance = np.where(known, np.hypot(*(np.nan_to_num(shifts) - middle).T), -1)
        far = np.argsort(-distance)[: min(SHOWN, int(known.sum()))]
        rows = [
            (group, f"{one[0][0]:+.2f}", f"{one[0][1]:+.2f}", f"{1.96 * one[1]:.2f}", one[2])
            for group, one in medians[by].items()
        ]
        markers = {str(group): (float(one[0][0]), float(one[0][1])) for group, one in medians[by].items() if one[2]}
        parts: list[Part] = [
            Shifts(f"Shift of DAPI against bright-field, medians by {by}", shifts[known], markers, LIMIT),
            Table(f"Median shift by {by}, pixels", (by, "down", "right", "95 % interval, +-", "cells"), rows),
            Gallery(
                "Largest shifts: often a second cell in the image, or a nucleus at the edge of its cell",
                [(int(survey.cells[row]),) for row in far],
                [f"{survey.ids([row])[0]} · {distance[row]:.1f} px" for row in far],
            ),
        ]
        values = {
            "cells": int(known.sum()),
            "median_px": overall[0].tolist(),
            "by": {
                name: {str(group): [*one[0].tolist(), one[1], one[2]] for group, one in found.items()}
                for name, found in medians.items()
            },
            "by_columns": ["down_px", "right_px", "standard_error_px", "cells"],
        }
        judged = {str(group): one[0] for group, one in medians[by].items() if one[2] >= FEWEST}
        size = max(np.hypot(*one) for one in (judged or {"all": overall[0]}).values())
        summary = f"largest median shift by {by}: {size:.1f} px"
        return Section("Registration", 40, text, summary, parts, findings, values)


def median_shift(shifts: np.ndarray) -> tuple[np.ndarray, float, int]:
    """Median of shifts ``(N, 2)``, its standard error along an axis, and N.

    The standard error is that of the median of normally distributed values, 1.2533 s / sqrt(N). Their standard
    deviation s is estimated by the median absolute deviation, so that a second cell in an image does not count.
    """
    median = np.median(shifts, axis=0)
    spread = 1.4826 * np.median(np.abs(shifts - median))
    return median, float(1.2533 * max(spread, 0.2) / math.sqrt(len(shifts))), len(shifts)


def is_displaced(median: np.ndarray, error: float, count: int) -> bool:
    """Whether the median shift of a group is above `LIMIT` with confidence."""
    return count >= FEWEST and float(np.hypot(*median)) - CONFIDENCE * error > LIMIT


def shifted_cells(shifts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cells that are shifted in the same direction, among cells that are not.

    Nuclei lie in any direction from the centre of their cells, so far ones do too. The directions of all cells far from
    the median are therefore tested for uniformity (Rayleigh test: with n unit vectors of mean length r, chance gives
    ``exp(-n r^2)``). If they agree, the cells within 45 degrees of the mean direction are returned, provided they
    outnumber those on the opposite side by `SHARE` of all cells.

    Args:
        shifts: ``(N, 2)``.

    Returns:
        Rows of these cells, the farthest first, and their mean shift from the median ``(2,)``.
    """
    none = np.zeros(0, int), np.zeros(2)
    if len(shifts) < FEWEST:
        return none
    apart = shifts - np.median(shifts, axis=0)
    distance = np.hypot(*apart.T)
    spread = 1.4826 * np.median(np.abs(apart))
    far = np.flatnonzero(distance > max(FAR * spread, FAR_PIXELS))
    if len(far) < FEWEST:
        return none
    units = apart[far] / distance[far, None]
    mean = units.mean(axis=0)
    if -len(far) * float(mean @ mean) > AGREEMENT:
        return none
    along = units @ (mean / np.hypot(*mean))
    inside, opposite = far[along > math.sqrt(0.5)], far[along < -math.sqrt(0.5)]
    if len(inside) - len(opposite) < SHARE * len(shifts):
        return none
    common = np.median(apart[inside], axis=0)
    # A second cell in the image can be in this direction too, but seldom at this distance.
    inside = inside[np.hypot(*(apart[inside] - common).T) < max(FAR * spread, FAR_PIXELS)]
    return inside[np.argsort(-distance[inside])], common


def _words(shift: np.ndarray, mpp: float | None) -> str:
    """A shift in words: "3.0 px (down 0.1, right 3.0)"."""
    down, right = shift
    size = float(np.hypot(down, right))
    um = f" = {size * mpp:.1f} um" if mpp else ""
    vertical = f"{'down' if down >= 0 else 'up'} {abs(down):.1f}"
    return f"{size:.1f} px{um} ({vertical}, {'right' if right >= 0 else 'left'} {abs(right):.1f})"


ADVICE = (
    "Align the channels and import again: a teacher that reads both channels needs the same pixel to be the same place."
)


def _group_finding(survey: Survey, by: str, displaced: dict) -> Finding:
    worst = max(displaced.values(), key=lambda one: float(np.hypot(*one[0])))
    shift = _words(worst[0], survey.manifest.facts.mpp)
    what = f"the cells of {counted(len(displaced), by)}"
    up_to = "" if len(displaced) == 1 else "up to "
    return Finding(
        f"DAPI is displaced against bright-field by {up_to}{shift} in {what}",
        ADVICE,
        groups=[str(group) for group in sorted(displaced, key=lambda group: -np.hypot(*displaced[group][0]))],
    )


def _cell_finding(survey: Survey, rows: np.ndarray, direction: np.ndarray, count: int) -> Finding:
    shift = _words(direction, survey.manifest.facts.mpp)
    problem = f"DAPI is displaced against bright-field by about {shift} in {len(rows)} of {count} cells"
    return Finding(problem, ADVICE, survey.ids(rows))
