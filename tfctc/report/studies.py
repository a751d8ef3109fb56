"""Studies of a student that need its network: saliency and robustness, on a bounded number of test cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np

from tfctc.cells import BRIGHTFIELD, DAPI
from tfctc.data.inspect.images import CellImages, images
from tfctc.data.manifest import Manifest
from tfctc.errors import ImageError
from tfctc.evaluation.predictions import Predictions
from tfctc.evaluation.robustness import RobustnessPoint, measure_robustness
from tfctc.evaluation.saliency import NucleusEnergy, nucleus_energy, saliency
from tfctc.progress import Progress, Task, silent
from tfctc.report import CELLS
from tfctc.runs.folder import RunFolder

#: Share of the test cells for robustness on which saliency is measured.
SALIENCY_SHARE = 0.25


@dataclass(frozen=True)
class Studies:
    """Results of the studies.

    Args:
        cells: number of cells on which robustness was measured.
        energy: saliency inside the nucleus: first the student, then the teacher by channel; empty without DAPI.
        robustness: metrics under every change, first without one; empty if no image could be read.
        maps: position in the manifest -> saliency ``(H, W)`` of the student, for galleries.
    """

    cells: int
    energy: Sequence[NucleusEnergy]
    robustness: Sequence[RobustnessPoint]
    maps: Mapping[int, np.ndarray]


def study(
    run: RunFolder,
    manifest: Manifest,
    test: Predictions,
    positions: Mapping[str, int],
    threshold: float,
    galleries: Sequence[int] = (),
    *,
    cells: int = CELLS,
    share: float = SALIENCY_SHARE,
    seed: int = 0,
    progress: Progress = silent,
) -> Studies:
    """Measures saliency and robustness. A cell whose image cannot be read is left out.

    Args:
        run: the run.
        manifest: its data set.
        test: the test cells.
        positions: cell id -> position in the manifest, of all test cells.
        threshold: a cell is called positive if its probability is this number or higher.
        galleries: positions of the cells whose saliency is drawn.
        cells: largest number of cells for robustness.
        share: share of them on which saliency is measured, in (0, 1].
        seed: seed of the choice of cells and of noise.
        progress: called with the progress of long tasks.
    """
    student = run.calibrated_student()
    rows, pixels = _readable(manifest, test, positions, balanced(test.label, cells, np.random.default_rng(seed)))
    chosen, points = test.of(np.array(rows, int)), []
    if rows:
        brightfield = np.stack([one[BRIGHTFIELD] for one in pixels])
        points = measure_robustness(student, brightfield, chosen, threshold, seed, progress)
    stained = [i for i, one in enumerate(pixels) if DAPI in one]
    # In turn of the classes, so that a part of the cells is as balanced as all of them.
    stained = stained[: max(2, round(share * cells))]
    energy = []
    if len(stained) > 1:
        stacks = {channel: np.stack([pixels[i][channel] for i in stained]) for channel in (BRIGHTFIELD, DAPI)}
        nuclei = np.stack([CellImages(pixels[i]).nucleus for i in stained])
        patients = chosen.patient_id[stained]
        models = {"student": student} | ({"teacher": run.teacher()} if run.has_teacher else {})
        for name, model in models.items():
            task = Task(progress, f"Saliency of the {name}", len(stained))
            maps = saliency(model, stacks, np.random.default_rng(seed), task=task)
            found = [nucleus_energy(maps[channel], nuclei, patients, name, channel) for channel in maps]
            energy += [one for one in found if one is not None]
    return Studies(len(rows), energy, points, _maps(student, manifest, galleries, seed, progress))


def _maps(
    student: keras.Model, manifest: Manifest, galleries: Sequence[int], seed: int, progress: Progress
) -> dict[int, np.ndarray]:
    found: dict[int, np.ndarray] = {}
    pictures = {position: read_cell(manifest, position).get(BRIGHTFIELD) for position in galleries}
    kept = {position: image for position, image in pictures.items() if image is not None}
    if kept:
        task = Task(progress, "Saliency of the cells shown", len(kept))
        stack = {BRIGHTFIELD: np.stack(list(kept.values()))}
        found = dict(
            zip(kept, saliency(student, stack, np.random.default_rng(seed), task=task)[BRIGHTFIELD], strict=True)
        )
    return found


def balanced(labels: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """Up to `count` random rows, in turn of both classes; where a class has too few cells, more of the other."""
    labels = np.asarray(labels)
    order = rng.permutation(len(labels))
    turn = np.empty(len(labels), int)
    for label in (0, 1):
        inside = labels[order] == label
        turn[inside] = np.arange(inside.sum())
    return order[np.argsort(turn, kind="stable")][:count]


def read_cell(manifest: Manifest, position: int) -> dict[str, np.ndarray]:
    """Channel -> float32 ``(H, W)`` in [0, 1] of one cell; empty if an image cannot be read."""
    try:
        return images(manifest.cell(position), manifest.facts)
    except ImageError:
        return {}


def _readable(
    manifest: Manifest, test: Predictions, positions: Mapping[str, int], rows: np.ndarray
) -> tuple[list[int], list[dict[str, np.ndarray]]]:
    """Rows whose images can be read, and the images."""
    kept, pixels = [], []
    for row in rows.tolist():
        position = positions.get(str(test.cell_id[row]))
        if position is not None and (found := read_cell(manifest, position)):
            kept.append(row)
            pixels.append(found)
    return kept, pixels
