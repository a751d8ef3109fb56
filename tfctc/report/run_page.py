"""Page of a finished run: report.html, and its numbers in report.json."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tfctc.cells import BRIGHTFIELD, CHANNELS
from tfctc.data.inspect.images import CellImages
from tfctc.data.manifest import Manifest
from tfctc.errors import RunError, TfctcError
from tfctc.evaluation.cross_validation import CrossValidation
from tfctc.evaluation.evaluate import Evaluation
from tfctc.evaluation.predictions import Predictions
from tfctc.evaluation.stored import stored_cross_validation, stored_evaluation
from tfctc.io.files import write_json
from tfctc.io.names import counted
from tfctc.progress import Progress, silent
from tfctc.report import CELLS
from tfctc.report.kept_studies import keep_studies, kept_studies, studies_key
from tfctc.report.overlay import overlay
from tfctc.report.page import SALIENCY, Page, display_limits, write_page
from tfctc.report.sections import SECTIONS, Material
from tfctc.report.studies import read_cell, study
from tfctc.runs.folder import EVALUATION, PREDICTIONS, REPORT, REPORT_VALUES, STUDIES, RunFolder
from tfctc.runs.predictions import read_predictions

#: Metrics of a run, and the predictions behind them: its test cells, or its out-of-fold predictions of one repeat.
Results = tuple[Evaluation | CrossValidation, Predictions]
Found = TypeVar("Found")
#: Cells in each gallery.
SHOWN = 16


def write_run_page(
    run: RunFolder,
    *,
    results: Results | None = None,
    manifest: Manifest | None = None,
    studies: bool = True,
    cells: int = CELLS,
    seed: int = 0,
    progress: Progress = silent,
) -> Path:
    """Writes report.html and report.json into the folder of an evaluated run, and returns the path of the page.

    Args:
        run: the run.
        results: its metrics, and the predictions behind them; None reads those that `tfctc evaluate` wrote.
        manifest: its data set, if it has been opened already.
        studies: whether saliency and robustness are measured, which needs the network. If not, those that an earlier
            call measured are shown, with its seed, if they are of the same networks, cells, predictions and threshold.
        cells: largest number of test cells for the studies.
        seed: seed of the random cells, and of the studies.
        progress: called with the progress of long tasks.

    Raises:
        RunError: the run has not been evaluated, or a file of it is damaged.
        OutputError: the page cannot be written.
    """
    material = gather(run, results, manifest, studies, cells, seed, progress)
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
    values = {section.title: section.values for section in sections if section.values}
    write_json(run.folder / REPORT_VALUES, _plain({"seed": material.seed, "sections": values}))
    return path


def stored_run(run: RunFolder) -> tuple[Evaluation, Predictions]:
    """Metrics and predictions of the student that `tfctc evaluate` wrote into a run folder.

    Those of a cross-validated run are the out-of-fold predictions of its first repeat.

    Raises:
        RunError: the run has not been evaluated, or a file is damaged.
    """
    found, predictions = _stored_results(run)
    return _evaluation(found), predictions


def _stored_results(run: RunFolder) -> Results:
    evaluation, path = run.evaluation, run.folder / PREDICTIONS
    crossed = run.cross_validation is not None
    if evaluation is None or not (crossed or path.exists()):
        raise RunError("has not been evaluated", path=run.folder, fix=f"first: tfctc evaluate {run.folder}")
    if crossed:
        rows = run.out_of_fold()
        return _stored(evaluation, run.folder / EVALUATION, stored_cross_validation), rows.rows(rows.repeat == 0)
    return _stored(evaluation, run.folder / EVALUATION, stored_evaluation), read_predictions(path, run.facts)


def _evaluation(found: Evaluation | CrossValidation) -> Evaluation:
    return found.evaluation if isinstance(found, CrossValidation) else found


def gather(
    run: RunFolder,
    results: Results | None,
    manifest: Manifest | None,
    studies: bool,
    cells: int,
    seed: int,
    progress: Progress = silent,
) -> Material:
    """Material of the sections of the page. Same arguments and errors as `write_run_page`.

    Newly measured studies are kept in the run folder.
    """
    stored, test = results or _stored_results(run)
    found = _evaluation(stored)
    manifest = manifest or _manifest(run)
    test, positions = _in_order(manifest, test)
    key, kept = "", None
    if manifest is not None and run.cross_validation is None:
        key = studies_key(run, manifest, test, found.threshold)
        kept = None if studies else kept_studies(run.folder / STUDIES, key)
    measured, seed = kept or (None, seed)
    shown = shown_cells(test, found.threshold, found.classes, seed)
    gallery = sorted({positions[i] for rows in shown.values() for i in rows if i in positions})
    if studies and manifest is not None and run.cross_validation is None:
        by_id = {str(test.cell_id[row]): position for row, position in positions.items()}
        measured = study(
            run, manifest, test, by_id, found.threshold, gallery, cells=cells, seed=seed, progress=progress
        )
        keep_studies(run.folder / STUDIES, measured, key, seed)
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
        cross_validation=stored if isinstance(stored, CrossValidation) else None,
        seed=seed,
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


def _stored(values: Mapping[str, Any], path: Path, read: Callable[[Mapping[str, Any]], Found]) -> Found:
    try:
        return read(values)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        problem = f"is no evaluation ({type(error).__name__}: {error})"
        raise RunError(problem, path=path, fix=f"first: tfctc evaluate {path.parent}") from None


def _other(path: Path) -> Evaluation | None:
    """A further evaluation; None if there is none that can be read."""
    try:
        return _stored(json.loads(path.read_text(encoding="utf-8")), path, stored_evaluation)
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


def _in_order(manifest: Manifest | None, test: Predictions) -> tuple[Predictions, dict[int, int]]:
    """Predictions in the order of the manifest, and row -> position in the manifest of the cells that are still there.

    So the page does not depend on the order in which the cells were predicted.
    """
    if manifest is None:
        return test, {}
    places = {cell_id: position for position, cell_id in enumerate(manifest.index.texts["cell_id"].tolist())}
    found = np.array([places.get(cell_id, len(places)) for cell_id in test.cell_id.tolist()], int)
    order = np.argsort(found, kind="stable")
    positions = {row: position for row, position in enumerate(found[order].tolist()) if position < len(places)}
    return test.of(order), positions


def _plain(value: Any) -> Any:
    """Plain values for JSON: NaN as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
