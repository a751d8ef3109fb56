"""Near-duplicates: the same cell under two ids, saved again, cropped again, brighter, or with noise added.

If the two ids belong to two patients, a split by patient does not keep them apart: the network is tested on a cell that
it was trained on.

First a descriptor of every bright-field image is compared with all others: the image without uneven light, smoothed,
sampled around the centre of the cell, with mean 0 and norm 1. Each pair of mutual nearest neighbours is then verified
on the full images, at the best of the shifts around the one that makes their centres meet. Two correlations count:
that of the structure (a difference of Gaussians), and that of the finest detail, which is mostly camera noise and which
two images of different cells do not share.
"""

import math

import numpy as np
from scipy import ndimage
from sklearn.neighbors import NearestNeighbors

from tfctc.data.inspect.check import CHECKS, Check
from tfctc.data.inspect.images import NOISE_KERNEL, CellImages, centroid
from tfctc.data.inspect.section import Finding, Gallery, Histograms, Part, Section
from tfctc.data.inspect.survey import Survey
from tfctc.errors import ImageError
from tfctc.io.names import plural
from tfctc.progress import tracked

#: Side of the sampled grid, and its extent as a share of the shorter side of the image.
GRID, EXTENT = 12, 0.8
#: Number of nearest neighbours of a cell, itself included, of which a pair must be in both lists.
NEIGHBOURS = 4
#: Pixels by which a pair is moved in each direction around the shift that makes the centres meet.
SEARCH = 2
#: Standard deviations of the noise at which the finest detail is cut off.
CUT = 2.0
#: Score from which a pair is one cell. Among the most similar pairs of 20,000 different simulated cells the highest
#: score was 2.43, and 2.26 among 2,074 Jurkat cells. Of 900 copies of such cells, moved by up to 2 pixels, with another
#: gain and up to twice the noise, none scored less than 2.77.
SAME = 2.6
SHOWN = 12


@CHECKS.register("duplicates")
class Duplicates(Check):
    """Pairs of ids with the image of one cell, in two patients or in one."""

    def measure(self, cell: CellImages) -> dict:
        return {"descriptor": descriptor(cell), "centre": centroid(cell.cell).astype(np.float32)}

    def section(self, survey: Survey) -> Section:
        pairs, scores = verified_pairs(survey, candidates(survey.values["descriptor"]))
        same = np.argsort(-scores)[: int((scores >= SAME).sum())]
        patients, labels = survey.column("patient_id"), survey.labels
        in_one = patients[pairs[same, 0]] == patients[pairs[same, 1]]
        across, within = same[~in_one], same[in_one]
        group = survey.manifest.facts.group
        findings = []
        if len(across):
            problem = f"{_cells(len(across))} in the data twice, under different {plural(group)}"
            opposed = int((labels[pairs[across]].sum(axis=1) == 1).sum())
            problem += f" ({opposed} with both labels)" if opposed else ""
            advice = f"Keep one of each pair: else the test {plural(group)} hold cells that the network was trained on."
            findings.append(Finding(problem, advice, [_pair_name(survey, pairs[k]) for k in across]))
        if len(within):
            problem = f"{_cells(len(within))} in the data twice, in one {group}"
            advice = "Keep one of each pair: else it counts twice, and intervals are too narrow."
            findings.append(Finding(problem, advice, [_pair_name(survey, pairs[k]) for k in within]))
        parts: list[Part] = []
        if len(scores):
            shares, edges = np.histogram(np.clip(scores, 0, 5), 50, (0, 5))
            axis = f"score; {SAME} or more: the same cell"
            pairs_shares = {"pairs": shares / len(scores)}
            parts.append(Histograms(f"Scores of the {len(scores):,} most similar pairs", axis, edges, pairs_shares))
        if shown := [*across, *within][:SHOWN]:
            captions = [f"{_pair_name(survey, pairs[k])} · score {scores[k]:.1f}" for k in shown]
            cells = [tuple(int(i) for i in survey.cells[pairs[k]]) for k in shown]
            parts.append(Gallery("The same cell under two ids", cells, captions))
        text = (
            "Each bright-field image was compared with all others. Copies are found even if they were moved by some "
            f"pixels, made brighter or noisier. The {len(scores):,} most similar pairs were compared pixel by pixel. "
            "Mirrored and turned copies are not found."
        )
        values = {
            "compared_pairs": len(scores),
            "threshold": SAME,
            "across_patients": [_pair_values(survey, pairs[k], scores[k]) for k in across],
            "within_patients": [_pair_values(survey, pairs[k], scores[k]) for k in within],
        }
        summary = f"{len(across)} across {plural(group)}, {len(within)} within one"
        return Section("Near-duplicates", 60, text, summary, parts, findings, values)


def descriptor(cell: CellImages) -> np.ndarray:
    """Descriptor of a bright-field image, ``(GRID**2,)`` float32 with mean 0 and norm 1; NaN if there is no cell.

    It does not change with gain and offset, and hardly with the position of the cell in the image.
    """
    centre = centroid(cell.cell)
    if not np.isfinite(centre).all():
        return np.full(GRID**2, np.nan, np.float32)
    spacing = EXTENT * min(cell.flat.shape) / GRID
    smooth = ndimage.gaussian_filter(cell.flat, spacing / 2)
    steps = (np.arange(GRID) - (GRID - 1) / 2) * spacing
    places = np.stack(np.meshgrid(centre[0] + steps, centre[1] + steps, indexing="ij"))
    sampled = ndimage.map_coordinates(smooth, places, order=1, mode="nearest").ravel().astype(np.float32)
    sampled -= sampled.mean()
    norm = float(np.linalg.norm(sampled))
    return sampled / norm if norm > 0 else np.full(GRID**2, np.nan, np.float32)


def candidates(descriptors: np.ndarray) -> np.ndarray:
    """Pairs of cells that are among each other's nearest neighbours, ``(P, 2)``; NaN descriptors are left out."""
    known = np.flatnonzero(np.isfinite(descriptors).all(axis=1))
    if len(known) < 2:
        return np.zeros((0, 2), int)
    # Blockwise and exact: memory grows with the number of cells, not with its square.
    search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(known)), algorithm="brute").fit(descriptors[known])
    near = search.kneighbors(return_distance=True, X=descriptors[known])[1]
    first = np.repeat(np.arange(len(known)), near.shape[1])
    directed = np.stack([first, near.ravel()], axis=1)
    directed = directed[directed[:, 0] != directed[:, 1]]
    found, times = np.unique(np.sort(directed, axis=1), axis=0, return_counts=True)
    return known[found[times == 2]]


def verified_pairs(survey: Survey, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs whose images could be compared, ``(P, 2)`` rows of the survey, and their scores ``(P,)``."""
    scores = np.full(len(pairs), np.nan)
    centres = survey.values["centre"]
    for k, (i, j) in enumerate(tracked(survey.progress, "Comparing similar cells", pairs, len(pairs))):
        try:
            first, second = survey.images(i).flat, survey.images(j).flat
        except ImageError:
            continue
        scores[k] = score(first, second, np.rint(centres[i] - centres[j]).astype(int))
    return pairs[np.isfinite(scores)], scores[np.isfinite(scores)]


def score(first: np.ndarray, second: np.ndarray, shift: np.ndarray) -> float:
    """Likeness of two flattened images: artanh of the correlation of structure, plus twice that of the finest detail.

    Artanh makes the spread of a correlation the same everywhere (Fisher 1921).

    Args:
        first, second: ``(H, W)``.
        shift: rows and columns by which the second image is moved before the search, ``(2,)``.
    """
    fine = [ndimage.gaussian_filter(image, 1) - ndimage.gaussian_filter(image, 3) for image in (first, second)]
    best, where = 0.0, (0, 0)
    for down in range(shift[0] - SEARCH, shift[0] + SEARCH + 1):
        for right in range(shift[1] - SEARCH, shift[1] + SEARCH + 1):
            if max(abs(down), abs(right)) < min(first.shape) // 2:
                found = _correlation(*_overlap(fine[0], fine[1], down, right))
                if found > best:
                    best, where = found, (down, right)
    detail = [_fine_detail(image) for image in (first, second)]
    inner = [image[1:-1, 1:-1] for image in _overlap(detail[0], detail[1], *where)]
    return math.atanh(min(best, 0.999999)) + 2 * _correlation(*inner)


def _fine_detail(image: np.ndarray) -> np.ndarray:
    """Response to `NOISE_KERNEL`, cut off where it is above the noise: else the sharp rims of two cells would agree."""
    response = ndimage.convolve(image, NOISE_KERNEL)
    limit = CUT * float(np.median(np.abs(response))) / 0.6745
    return np.clip(response, -limit, limit)


def _overlap(first: np.ndarray, second: np.ndarray, down: int, right: int) -> tuple[np.ndarray, np.ndarray]:
    """The parts of two images that overlap once the second is moved."""
    height, width = first.shape
    return (
        first[max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)],
        second[max(0, -down) : height + min(0, -down), max(0, -right) : width + min(0, -right)],
    )


def _correlation(first: np.ndarray, second: np.ndarray) -> float:
    first, second = (first - first.mean()).ravel(), (second - second.mean()).ravel()
    norm = math.sqrt(float(first @ first) * float(second @ second))
    return float(first @ second) / norm if norm > 0 else 0.0


def _cells(count: int) -> str:
    return "1 cell is" if count == 1 else f"{count:,} cells are"


def _pair_name(survey: Survey, pair: np.ndarray) -> str:
    return " = ".join(survey.ids(pair))


def _pair_values(survey: Survey, pair: np.ndarray, found: float) -> dict:
    cells = [survey.cell(row) for row in pair]
    return {
        "cells": [cell.cell_id for cell in cells],
        "patients": [cell.patient_id for cell in cells],
        "labels": [cell.label for cell in cells],
        "score": float(found),
    }
