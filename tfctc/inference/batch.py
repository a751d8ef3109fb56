"""Predictions for many images, one CSV row each. Every process holds one image in memory at a time."""

import csv
import io
import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TextIO

from tfctc.cells import FileNaming
from tfctc.errors import ImageError, OutputError, TfctcError
from tfctc.inference.counting import Patients, count_cell
from tfctc.inference.predictor import Predictor
from tfctc.inference.prior import PriorShift
from tfctc.inference.scale import Scale
from tfctc.inference.sources import FoundImage
from tfctc.io.files import output_errors
from tfctc.progress import Progress, Task, silent
from tfctc.quality import OK
from tfctc.system.processes import exit_with_parent

REFUSED = "refused"
#: Number of images that a process is given at once.
PORTION = 16
#: Positions of columns in a row.
PATIENT, SITE, TRUTH, PROBABILITY, CALL, QUALITY, THRESHOLD = 1, 2, 3, 4, 5, 6, 7
#: Columns of an early version that a row has no longer, and their places in the columns of today.
EARLY_NAMES, EARLY_PLACES = {"call": "label"}, (0, 4, 5, 6, 7, 8)
#: A row of the table, and the error of its image if that was refused, else None.
Row = tuple[list[str], ImageError | None]


@dataclass
class BatchSummary:
    """Counts of a table of predictions.

    Args:
        cells: number of rows.
        calls: class name -> number of cells called so.
        refused: number of refused images.
        low_quality: number of predicted images whose quality is not "ok".
        notes: remarks on files that were passed over, one sentence each.
        patients: numbers of cells by patient.
    """

    cells: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    low_quality: int = 0
    notes: tuple[str, ...] = ()
    patients: Patients = field(default_factory=dict)

    def add(self, row: list[str], positive: str) -> None:
        """Counts the row of one cell."""
        count_row(self.patients, row, positive)
        self.cells += 1
        if row[CALL] == REFUSED:
            self.refused += 1
            return
        self.calls[row[CALL]] += 1
        self.low_quality += row[QUALITY] != OK


def count_row(patients: Patients, row: list[str], positive: str, times: int = 1) -> None:
    """Adds the row of one cell to the numbers of its patient; `times` -1 takes it back."""
    patient, site, truth, call, quality = (row[i] for i in (PATIENT, SITE, TRUTH, CALL, QUALITY))
    refused = call == REFUSED
    unlike = quality != OK and not refused
    count_cell(patients, patient, site, truth, refused=refused, unlike=unlike, called=call == positive, times=times)


def predict_cells(
    predictor: Predictor,
    cells: Iterable[FoundImage],
    file: TextIO,
    threshold: float | None = None,
    on_refusal: Callable[[ImageError], None] = lambda error: None,
    progress: Progress = silent,
    workers: int = 1,
) -> BatchSummary:
    """Writes a table with one row for each cell; its columns are those of `columns`.

    An image that raises an `ImageError` is refused: its row has no probability, and `REFUSED` as call and quality. If
    the predictor has a prevalence, a column ``prevalence`` stands before the last one.

    Args:
        predictor: the model.
        cells: the bright-field image of each cell; read as a stream, so a million need no more memory.
        file: text file open for writing with ``newline=""``.
        threshold: threshold of the probability; None for the model's own.
        on_refusal: called with the error of each refused image.
        progress: called with the progress, counted in cells.
        workers: number of processes; the rows and their order are the same.

    Raises:
        TfctcError: one of the processes was killed.
    """
    writer, summary = csv.writer(file), BatchSummary(notes=getattr(cells, "notes", ()))
    task = Task(progress, "Predicting", len(cells) if isinstance(cells, Sized) else 0)
    writer.writerow(columns(predictor))
    for row, error in _rows(predictor, cells, threshold, workers):
        if error:
            on_refusal(error)
        summary.add(row, predictor.facts.positive)
        writer.writerow(row)
        task.advance()
    return summary


def predict_row(predictor: Predictor, found: FoundImage, threshold: float | None = None) -> Row:
    """The row of one cell, and the error of its image if that was refused, else None."""
    limit = predictor.threshold if threshold is None else threshold
    try:
        (p, call, quality), error = predictor(found.path, threshold, found.plane, found.mpp), None
        # Nine digits keep every bit of a float32, so that the threshold gives the same call when applied to the table.
        # A shifted probability has more bits: near 1 it differs from others in the last of 17 digits.
        values = [f"{p:.9g}" if predictor.prior.prevalence is None else repr(p), call, quality]
    except ImageError as refusal:
        values, error = ["", REFUSED, REFUSED], refusal
    known = [found.cell_id, found.patient_id, found.site, found.truth]
    return [*known, *values, repr(limit), *last_values(predictor)], error


def columns(predictor: Predictor) -> list[str]:
    """Names of the table's columns. `patient_id`, `site` and `truth` are empty where the source does not tell them."""
    known = ["cell_id", "patient_id", "site", "truth", f"p_{predictor.facts.positive}"]
    prevalence = [] if predictor.prior.prevalence is None else ["prevalence"]
    return [*known, "call", "quality", "threshold", *prevalence, "model_version"]


def last_values(predictor: Predictor) -> tuple[str, ...]:
    """Values of the last columns, the same in every row of a table: the prevalence, if given, and the model version."""
    prevalence = predictor.prior.prevalence
    return (*([] if prevalence is None else [repr(prevalence)]), predictor.model_version)


def early_columns(header: list[str]) -> list[str]:
    """Names of the columns that an early version wrote, where today's are `header`; it knew no prevalence."""
    if "prevalence" in header:
        return header
    return [EARLY_NAMES.get(header[place], header[place]) for place in EARLY_PLACES]


def csv_line(row: list[str]) -> bytes:
    """One line of a CSV file in UTF-8, with its line break."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue().encode()


def check_table(path: str | Path, header: list[str]) -> None:
    """Checks that `path` may be overwritten: it does not exist, is empty, or is a table that begins with `header`.

    Raises:
        OutputError: `path` is another kind of file, or cannot be read.
    """
    expected = [csv_line(names).rstrip(b"\n") for names in (header, early_columns(header))]
    with output_errors(path):
        if not os.path.isfile(path):
            return
        with open(path, "rb") as file:
            first = file.readline(max(map(len, expected)) + len(b"\r\n"))
    if first and first.rstrip(b"\r\n") not in expected:
        raise OutputError("exists and is no table of such predictions", path=path, fix="choose another --output")


def _rows(predictor: Predictor, cells: Iterable[FoundImage], threshold: float | None, workers: int) -> Iterator[Row]:
    if workers == 1:
        yield from (predict_row(predictor, cell, threshold) for cell in cells)
        return
    # Spawned, because a forked process would inherit locks of LiteRT's threads, but not the threads that release them.
    spawn = multiprocessing.get_context("spawn")
    parts = (predictor.scale, predictor.naming, predictor.prior)
    options = (predictor.path, predictor.threads or 1, predictor.runtime, parts, threshold)
    try:
        with ProcessPoolExecutor(workers, spawn, _start_process, options) as pool:
            # Not `pool.map`, which would read all cells at once.
            cells = iter(cells)
            portions = iter(lambda: list(islice(cells, PORTION)), [])
            waiting = deque(pool.submit(_predict_portion, portion) for portion in islice(portions, 2 * workers))
            while waiting:
                yield from waiting.popleft().result()
                waiting.extend(pool.submit(_predict_portion, portion) for portion in islice(portions, 1))
    except BrokenProcessPool:
        fix = "start the command again, with fewer --workers"
        raise TfctcError("a process was killed, perhaps for lack of memory", fix=fix) from None


#: Predictor and threshold of this process, in a process of the pool.
_predictor: tuple[Predictor, float | None]


def _start_process(
    path: Path,
    threads: int,
    runtime: str,
    parts: tuple[Scale, FileNaming | None, PriorShift],
    threshold: float | None,
) -> None:
    """Prepares a process of the pool. It ignores Ctrl-C, because its parent ends it then."""
    global _predictor
    exit_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    predictor = Predictor(path, threads, runtime)
    predictor.scale, predictor.naming, predictor.prior = parts
    _predictor = predictor, threshold


def _predict_portion(cells: list[FoundImage]) -> list[Row]:
    predictor, threshold = _predictor
    return [predict_row(predictor, cell, threshold) for cell in cells]
