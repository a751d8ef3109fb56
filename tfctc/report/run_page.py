"""Page of a finished run: report.html, and its numbers in report.json."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfctc.cells import BRIGHTFIELD, CHANNELS
from tfctc.data.inspect.images import CellImages
from tfctc.data.manifest import Manifest
from tfctc.errors import RunError, TfctcError
from tfctc.evaluation.evaluate import Evaluation
from tfctc.evaluation.predictions import Predictions
from tfctc.evaluation.stored import stored_evaluation
from tfctc.io.files import write_json
from tfctc.io.names import counted
from tfctc.progress import Progress, silent
from tfctc.report.overlay import overlay
from tfctc.report.page import SALIENCY, Page, display_limits, write_page
from tfctc.report.sections import SECTIONS, Material
from tfctc.report.studies import CELLS, read_cell, study
from tfctc.runs.folder import EVALUATION, PREDICTIONS, REPORT, REPORT_VALUES, RunFolder
from tfctc.runs.predictions import read_predictions

#: Cells in each gallery.
SHOWN = 16


def write_run_page(
    run: RunFolder,
    *,
    manifest: Manifest | None = None,
    studies: bool = True,
    cells: int = CELLS,
    seed: int = 0,
    progress: Progress = silent,
) -> Path:
    """Writes report.html and report.json into the folder of an evaluated run, and returns the path of the page.

    Args:
        run: the run.
        manifest: its data set, if it has been opened already.
        studies: whether saliency and robustness are measured, which needs the network.
        cells: largest number of test cells for the studies.
        seed: seed of the random cells, and of the studies.
        progress: called with the progress of long tasks.

    Raises:
        RunError: the run has not been evaluated, or a file of it is damaged.
        OutputError: the page cannot be written.
    """
    material = gather(run, manifest, studies, cells, seed, progress)
    made = (SECTIONS[name]().section(material) for name in SECTIONS)
    sections = [section for section in made if section is not None]
    sections.sort(key=lambda section: section.place)
    images = _pictures(material)
    seen = {channel for pictures in images.values() for channel in pictures}
    channels = tuple(channel for channel in (*CHANNELS, SALIENCY) if channel in seen)
    found = material.evaluation
    words = counted(found.cells, f"SIMULATED {found.kind} cell" if found.simulated else f"{found.kind} cell")
    height, width = run.facts.image_size
    missing = [] if material.studies else [f"Saliency and robustness were not measured: tfctc report {run.folder}"]
    if run.cross_validation is not None:
        missing = ["Out-of-fold predictions; the final model has no test cells to measure saliency and robustness on."]
    page = Page(
        title=f"{run.name}: {words} of {counted(found.patients, found.interval_by)}",
        notes=[
            f"Data set {found.data}, {height} x {width} px; {run.config.mode}, {run.config.student.backbone}. "
            "The numbers are in evaluation.json, predictions.csv and report.json.",
            *missing,
        ],
        verdict=found.verdict,
        findings=(),
        sections=sections,
        banner="SIMULATED CELLS: nothing on this page says anything about patients." if found.simulated else "",
        cautions=found.cautions,
        channels=channels,
    )
    path = run.folder / REPORT
    write_page(path, page, lambda position: images[position])
    values = {"seed": seed, "sections": {section.title: section.values for section in sections if section.values}}
    write_json(run.folder / REPORT_VALUES, _plain(values))
    return path


def stored_run(run: RunFolder) -> tuple[Evaluation, Predictions]:
    """Metrics and predictions of the student that `tfctc evaluate` wrote into a run folder.

    Those of a cross-validated run are the out-of-fold predictions of its first repeat.

    Raises:
        RunError: the run has not been evaluated, or a file is damaged.
    """
    evaluation, path = run.evaluation, run.folder / PREDICTIONS
    crossed = run.cross_validation is not None
    if evaluation is None or not (crossed or path.exists()):
        raise RunError("has not been evaluated", path=run.folder, fix=f"first: tfctc evaluate {run.folder}")
    stored = _stored(evaluation, run.folder / EVALUATION)
    if crossed:
        rows = run.out_of_fold()
        return stored, rows.rows(rows.repeat == 0)
    return stored, read_predictions(path, run.facts)


def gather(
    run: RunFolder, manifest: Manifest | None, studies: bool, cells: int, seed: int, progress: Progress = silent
) -> Material:
    """Material of the sections of the page. Same arguments and errors as `write_run_page`."""
    found, test = stored_run(run)
    manifest = manifest or _manifest(run)
    shown = shown_cells(test, found.threshold, found.classes, seed)
    positions = _positions(manifest, test)
    gallery = sorted({positions[i] for rows in shown.values() for i in rows if i in positions})
    measured = None
    if studies and manifest is not None and run.cross_validation is None:
        by_id = {str(test.cell_id[row]): position for row, position in positions.items()}
        measured = study(
            run, manifest, test, by_id, found.threshold, gallery, cells=cells, seed=seed, progress=progress
        )
    shown_rows = {i for rows in shown.values() for i in rows}
    return Material(
        run=run,
        evaluation=found,
        predictions=test,
        manifest=manifest,
        positions={str(test.cell_id[i]): positions[i] for i in sorted(shown_rows) if i in positions},
        shown=shown,
        studies=measured,
        teacher=_other(run.folder / f"teacher_{EVALUATION}"),
        external=_external(run.folder / "external"),
    )


def shown_cells(
    test: Predictions, threshold: float, classes: tuple[str, str], seed: int, count: int = SHOWN
) -> dict[str, list[int]]:
    """Rows of the worst errors and of random cells, by the title of their gallery.

    Args:
        test: predictions for the test cells.
        threshold: a cell is called positive if its probability is this number or higher.
        classes: negative and positive class.
        seed: seed of the random cells.
        count: largest number of cells in a gallery.
    """
    probability = np.asarray(test.probability, np.float64)
    called = probability >= threshold
    false_positive, false_negative = (np.flatnonzero((test.label == i) & (called != i)) for i in (0, 1))
    negative, positive = classes
    worst_positive = false_positive[np.argsort(-probability[false_positive], kind="stable")][:count]
    worst_negative = false_negative[np.argsort(probability[false_negative], kind="stable")][:count]
    random = np.random.default_rng(seed).permutation(len(test))[:count]
    return {
        f"{negative} cells called {positive}: the {len(worst_positive)} highest of {len(false_positive):,}": (
            worst_positive.tolist()
        ),
        f"{positive} cells called {negative}: the {len(worst_negative)} lowest of {len(false_negative):,}": (
            worst_negative.tolist()
        ),
        "random test cells": random.tolist(),
    }


def _pictures(material: Material) -> dict[int, dict[str, np.ndarray]]:
    """Pictures of the cells in galleries, by position."""
    if material.manifest is None:
        return {}
    found = {position: read_cell(material.manifest, position) for position in material.positions.values()}
    if material.studies:
        limits = display_limits(found.values())
        for position, images in found.items():
            if (energy := material.studies.maps.get(position)) is not None:
                nucleus = CellImages(images).nucleus
                images[SALIENCY] = overlay(images[BRIGHTFIELD], energy, nucleus, limits[BRIGHTFIELD])
    return found


def _stored(values: Mapping[str, Any], path: Path) -> Evaluation:
    try:
        return stored_evaluation(values)
    except (KeyError, TypeError, AttributeError) as error:
        problem = f"is no evaluation ({type(error).__name__}: {error})"
        raise RunError(problem, path=path, fix=f"first: tfctc evaluate {path.parent}") from None


def _other(path: Path) -> Evaluation | None:
    """A further evaluation; None if there is none that can be read."""
    try:
        return _stored(json.loads(path.read_text(encoding="utf-8")), path)
    except (OSError, ValueError, RunError):
        return None


def _external(folder: Path) -> dict[str, Evaluation]:
    found = {path.parent.name: _other(path) for path in sorted(folder.glob(f"*/{EVALUATION}"))}
    return {name: one for name, one in found.items() if one is not None}


def _manifest(run: RunFolder) -> Manifest | None:
    """The data set; None if it has gone, or has changed beyond use."""
    try:
        manifest = Manifest.open(run.config.data)
        return manifest if manifest.facts == run.facts else None
    except (TfctcError, OSError):
        return None


def _positions(manifest: Manifest | None, test: Predictions) -> dict[int, int]:
    """Row of `test` -> position in the manifest, of the cells that are still there."""
    if manifest is None:
        return {}
    rows = {cell_id: row for row, cell_id in enumerate(test.cell_id.tolist())}
    ids = manifest.index.texts["cell_id"].tolist()
    return {rows[cell_id]: position for position, cell_id in enumerate(ids) if cell_id in rows}


def _plain(value: Any) -> Any:
    """Plain values for JSON: NaN as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
