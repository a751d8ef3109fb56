"""Many images: one CSV row each, one image in memory at a time (or a few, where several processes share the work)."""

import csv
import io
import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from pathlib import Path
from typing import TextIO

from tfctc.errors import ImageError, OutputError, TfctcError
from tfctc.files import as_output_errors
from tfctc.inference.predictor import Predictor
from tfctc.quality import OK
from tfctc.workers import end_with_parent

REFUSED = "refused"
#: Images that a process is handed at once.
HANDED = 16
#: Their places in a row.
LABEL, QUALITY = 2, 3


def predict_cells(
    predictor: Predictor,
    cells: Iterable[tuple[str, Path]],
    file: TextIO,
    threshold: float | None = None,
    refuse: Callable[[ImageError], None] = lambda error: None,
    progress: Callable[[int], None] = lambda cells: None,
    workers: int = 1,
) -> tuple[Counter[str], int, int]:
    """Writes ``cell_id, p_<positive>, label, quality, threshold, model_version``, a row a cell.

    An image that is not of the model's kind has no probability and the label and quality `REFUSED`.

    Args:
        cells: cell id and bright-field image file of each; as long as it lasts, a million need no more memory than one.
        file: open for writing with ``newline=""``.
        threshold: of the probability; the model's own if None.
        refuse: told of each refused image.
        progress: called with 1 after each cell.
        workers: processes that share the images; the rows are the same and in the same order.

    Raises:
        TfctcError: one of the processes was killed.

    Returns:
        How many cells got each label, how many images were refused, and how many of the others are unlike those that
        the model knows.
    """
    writer, labels, refused, unlike = csv.writer(file), Counter(), 0, 0
    writer.writerow(columns(predictor))
    for row, error in _answers(predictor, cells, threshold, workers):
        if error:
            refused += 1
            refuse(error)
        else:
            labels[row[LABEL]] += 1
            unlike += row[QUALITY] != OK
        writer.writerow(row)
        progress(1)
    return labels, refused, unlike


def _answers(
    predictor: Predictor, cells: Iterable[tuple[str, Path]], threshold: float | None, workers: int
) -> Iterator[tuple[list[str], ImageError | None]]:
    if workers == 1:
        yield from (answer(predictor, *cell, threshold) for cell in cells)
        return
    # Spawned: a forked process would inherit LiteRT's threads as locks that nobody opens.
    spawn = multiprocessing.get_context("spawn")
    options = (predictor.path, predictor.threads or 1, predictor.runtime, threshold)
    try:
        with ProcessPoolExecutor(workers, spawn, _begin, options) as pool:
            # Not `pool.map`, which would hold all of the cells at once.
            cells = iter(cells)
            portions = iter(lambda: list(islice(cells, HANDED)), [])
            waiting = deque(pool.submit(_in_process, portion) for portion in islice(portions, 2 * workers))
            while waiting:
                yield from waiting.popleft().result()
                waiting.extend(pool.submit(_in_process, portion) for portion in islice(portions, 1))
    except BrokenProcessPool:
        fix = "start it again, with fewer --workers"
        raise TfctcError("a process was killed, perhaps for want of memory", fix=fix) from None


def _begin(path: Path, threads: int, runtime: str, threshold: float | None) -> None:
    """Of a process that answers. Interrupted at the keyboard, the parent ends it."""
    global _own
    end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _own = Predictor(path, threads, runtime), threshold


def _in_process(cells: list[tuple[str, Path]]) -> list[tuple[list[str], ImageError | None]]:
    predictor, threshold = _own
    return [answer(predictor, *cell, threshold) for cell in cells]


def columns(predictor: Predictor) -> list[str]:
    return ["cell_id", f"p_{predictor.facts.positive}", "label", "quality", "threshold", "model_version"]


def as_line(row: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue().encode()


def refuse_other_table(path: str | Path, header: list[str]) -> None:
    """Raises an OutputError if `path` is a file that begins with something else than a table's `header`."""
    expected = as_line(header).rstrip(b"\n")
    with as_output_errors(path):
        if not os.path.isfile(path):
            return
        with open(path, "rb") as file:
            first = file.readline(len(expected) + len(b"\r\n"))
    if first and first.rstrip(b"\r\n") != expected:
        raise OutputError("is no table of such answers", path=path, fix="choose another --output")


def answer(
    predictor: Predictor, cell_id: str, path: Path, threshold: float | None = None
) -> tuple[list[str], ImageError | None]:
    """The row of one cell, and why its image was refused if it was."""
    limit = predictor.threshold if threshold is None else threshold
    try:
        (p, label, quality), error = predictor(path, limit), None
        # Nine digits are a float32 to the last bit: whoever applies the threshold again gets the same label.
        found = [f"{p:.9g}", label, quality]
    except ImageError as refusal:
        found, error = ["", REFUSED, REFUSED], refusal
    return [cell_id, *found, repr(limit), predictor.model_version], error
