"""What a model of a run says of the cells that it was not trained on."""

import contextlib
import csv
from collections.abc import Callable, Mapping

import keras

from tfctc.data.manifest import Manifest
from tfctc.data.pipeline import classes_lacking, count, labelled_records
from tfctc.data.selection import seen_through
from tfctc.errors import ManifestError
from tfctc.evaluation.predictions import Predictions, predict
from tfctc.files import atomic_file
from tfctc.training.run import Run


def check_cells(run: Run, builder, channels: tuple[str, ...], splits: Mapping[str, bool]) -> None:
    """Checks that the data set has not lost, since training, what is to be asked of a model that sees `channels`.

    Args:
        builder: of the run's data.
        splits: split -> whether cells of both classes are needed, or of one.

    Raises:
        ManifestError: it has.
    """
    selection = seen_through(channels)
    for split, both in splits.items():
        lost = classes_lacking(builder, split, selection)
        if len(lost) == 2 or (lost and both):
            kind = lost[0] if len(lost) == 1 else "labelled"
            raise ManifestError(
                f"holds no {kind} cell{' with DAPI' if selection.pairs else ''} of the {split} split",
                path=run.config.data,
                fix="put it back as it was in training, or add some",
            )


def answers(model: keras.Model, builder, bar: Callable | None = None) -> dict[str, Predictions]:
    """The model's answers on the labelled cells of "validation" and "test".

    Args:
        builder: of the run's data.
        bar: ``(number of cells, what they are)`` to a context manager with a method `update`, told how many are done.
    """
    found = {}
    for split in ("validation", "test"):
        batches = labelled_records(builder, split, tuple(model.input), batch_size=64)
        with bar(count(builder, split), f"{split} cells") if bar else contextlib.nullcontext() as shown:
            found[split] = predict(model, batches, *([shown.update] if shown else []))
    return found


def write_answers(run: Run, name: str, found: Predictions) -> None:
    """Writes one row a cell into file `name` of the run, in the manifest's order; `tfctc predict` reads it too."""
    probability = dict(zip(found.cell_id.tolist(), found.probability.tolist(), strict=True))
    with atomic_file(run.folder / name) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["cell_id", "patient_id", "brightfield", "label", f"p_{run.facts.positive}"])
        for cell in Manifest.open(run.config.data).cells():
            if cell.cell_id in probability:
                # A float32 to the last bit, so that figures made from the table are the same.
                p = f"{probability[cell.cell_id]:.9g}"
                writer.writerow([cell.cell_id, cell.patient_id, cell.brightfield, cell.label, p])
