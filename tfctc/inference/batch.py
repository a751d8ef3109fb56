"""Many images: one CSV row each, one image in memory at a time."""

import csv
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TextIO

from tfctc.errors import ImageError
from tfctc.inference.predictor import Predictor
from tfctc.quality import OK

REFUSED = "refused"
#: Its place in a row.
QUALITY = 3


def predict_cells(
    predictor: Predictor,
    cells: Iterable[tuple[str, Path]],
    file: TextIO,
    threshold: float | None = None,
    refuse: Callable[[ImageError], None] = lambda error: None,
    progress: Callable[[int], None] = lambda cells: None,
) -> tuple[int, int]:
    """Writes ``cell_id, p_<positive>, label, quality, threshold, model_version``, a row a cell.

    An image that is not of the model's kind has no probability and the label and quality `REFUSED`.

    Args:
        cells: cell id and bright-field image file of each; as long as it lasts, a million need no more memory than one.
        file: open for writing with ``newline=""``.
        threshold: of the probability; the model's own if None.
        refuse: told of each refused image.
        progress: called with 1 after each cell.

    Returns:
        How many images were refused, and how many of the others are unlike those that the model knows.
    """
    writer, refused, unlike = csv.writer(file), 0, 0
    writer.writerow(columns(predictor))
    for cell_id, path in cells:
        row, error = answer(predictor, cell_id, path, threshold)
        if error:
            refused += 1
            refuse(error)
        elif row[QUALITY] != OK:
            unlike += 1
        writer.writerow(row)
        progress(1)
    return refused, unlike


def columns(predictor: Predictor) -> list[str]:
    return ["cell_id", f"p_{predictor.facts.positive}", "label", "quality", "threshold", "model_version"]


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
