"""Prediction from an exported file: `tfctc.predict` and `tfctc.watch`. Needs no TensorFlow."""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from tfctc.errors import ConfigError, ImageError, OutputError
from tfctc.io.files import atomic_file
from tfctc.io.folders import SUFFIXES, image_files, is_folder
from tfctc.progress import Progress, silent

if TYPE_CHECKING:
    from tfctc.inference.batch import BatchSummary
    from tfctc.inference.journal import Journal
    from tfctc.inference.predictor import Predictor
    from tfctc.inference.watch import Watcher

#: Seconds between two looks at a watched folder, at the least, where nothing is new.
SHORTEST_PAUSE = 0.05


def predict(
    model: "str | Path | Predictor",
    images: Sequence[str | Path],
    output: str | Path | TextIO = "predictions.csv",
    *,
    pattern: str | None = None,
    threshold: float | None = None,
    threads: int | None = None,
    runtime: str = "litert",
    workers: int = 1,
    on_refusal: Callable[[ImageError], None] = lambda error: None,
    progress: Progress = silent,
) -> "BatchSummary":
    """Classifies bright-field images with a TFLite file, and writes a CSV table with one row a cell.

    Args:
        model: TFLite file that `tfctc export` wrote, or a predictor.
        images: image files, folders, and CSV files with the columns `cell_id` and `brightfield`.
        output: CSV file, written at the end; or a text file open for writing with ``newline=""``.
        pattern: for folders: regular expression for the path inside, with the groups `cell` and perhaps `channel`.
        threshold: threshold of the probability; None for the model's own.
        threads: threads for one image; None for the runtime's choice.
        runtime: "litert" or "openvino".
        workers: number of processes.
        on_refusal: called with the error of each image that is not of the model's kind.
        progress: called with the progress of long tasks.

    Raises:
        TfctcError: no such model or images, or an output that would overwrite something else.
    """
    from tfctc.inference.batch import check_table, columns, predict_cells
    from tfctc.inference.sources import find_cells

    if isinstance(output, str | Path):
        check_output(output, model, images)
    predictor = _predictor(model, threads, runtime)
    if isinstance(output, str | Path):
        check_table(output, columns(predictor))
    cells = find_cells(images, pattern)
    options = (threshold, on_refusal, progress, workers)
    if not isinstance(output, str | Path):
        return predict_cells(predictor, cells, output, *options)
    with atomic_file(output) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        return predict_cells(predictor, cells, file, *options)


@dataclass(frozen=True)
class Watch:
    """A watched folder: predicts every new image once, into a table that is also the memory.

    Args:
        watcher: looks for new images.
        journal: the table.
    """

    watcher: "Watcher"
    journal: "Journal"

    def run(self, on_other_files: Callable[[str, int], None] = lambda name, count: None) -> None:
        """Looks again and again, until interrupted.

        Args:
            on_other_files: called once, with the name of a file and the number of files, if there are files and none
                of them is an image to predict.
        """
        told, pause = False, min(max(self.watcher.settle / 2, SHORTEST_PAUSE), 1.0)
        try:
            while True:
                if not self.watcher.look():
                    told = told or self._tell_of_other_files(on_other_files)
                    time.sleep(pause)
        finally:
            self.journal.close()

    def _tell_of_other_files(self, on_other_files: Callable[[str, int], None]) -> bool:
        """Whether there is an image to predict, or other files alone, which are told."""
        from tfctc.inference.sources import cells_in_folder

        folder = self.watcher.folder
        if any(cells_in_folder(folder, self.watcher.pattern)):
            return True
        journal = os.path.realpath(self.journal.path)
        others = [path for path in image_files(folder, ("",)) if os.path.realpath(path) != journal]
        if others:
            on_other_files(others[0].relative_to(folder).as_posix(), len(others))
        return bool(others)


def watch(
    model: "str | Path | Predictor",
    folder: str | Path,
    output: str | Path,
    *,
    pattern: str | None = None,
    threshold: float | None = None,
    threads: int | None = None,
    runtime: str = "litert",
    settle: float = 1.0,
    on_row: Callable[[list[str], ImageError | None], None] = lambda row, error: None,
) -> Watch:
    """Prepares to watch a folder: its images are predicted once each, into the CSV file `output`.

    Args:
        folder: folder that images arrive in.
        output: CSV file; continued if it exists.
        settle: seconds for which a file must not change before it counts as complete.
        on_row: called with every row, and why its image was refused, if it was.

    Other arguments as for `predict`.

    Raises:
        TfctcError: no such model or folder, or a table of another model.
    """
    from tfctc.inference.batch import columns
    from tfctc.inference.journal import Journal
    from tfctc.inference.sources import compile_pattern
    from tfctc.inference.watch import Watcher

    check_output(output, model, [folder])
    predictor = _predictor(model, threads, runtime)
    if not is_folder(Path(folder), ImageError):
        raise ConfigError("--watch wants one folder", fix="name the folder that images arrive in, and nothing else")
    expression = compile_pattern(pattern)  # Before there is a table, which would be left behind.
    journal = Journal(output, columns(predictor), predictor.model_version)
    return Watch(Watcher(predictor, Path(folder), journal, expression, threshold, settle, on_row), journal)


def check_output(output: str | Path, model: object, images: Sequence[str | Path]) -> None:
    """Checks that the output does not take the place of an input, as with a shell's `-o cells/*.png`.

    Raises:
        OutputError: it does.
    """
    problem = None
    if str(output).lower().endswith((*SUFFIXES, ".tflite")):
        problem = "is the name of an image or a model"
    elif isinstance(model, str | Path) and os.path.realpath(output) == os.path.realpath(model):
        problem = "is the model"
    elif os.path.realpath(output) in map(os.path.realpath, images):
        problem = "is among the images"
    if problem:
        raise OutputError(problem, path=output, fix="choose another --output")


def _predictor(model: "str | Path | Predictor", threads: int | None, runtime: str) -> "Predictor":
    from tfctc.inference.predictor import Predictor

    return Predictor(model, threads, runtime) if isinstance(model, str | Path) else model
