"""Prediction from an exported file: `tfctc.predict` and `tfctc.watch`. Needs no TensorFlow."""

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

from tfctc.api.naming import naming_of
from tfctc.errors import ConfigError, ImageError, OutputError
from tfctc.io.files import atomic_file
from tfctc.io.folders import SUFFIXES, image_files, is_folder
from tfctc.progress import Progress, silent

if TYPE_CHECKING:
    from tfctc.evaluation.counts import Rates
    from tfctc.inference.batch import BatchSummary
    from tfctc.inference.journal import Journal
    from tfctc.inference.predictor import Predictor
    from tfctc.inference.watch import Watcher

#: Shortest pause between two searches of a watched folder, in seconds.
SHORTEST_PAUSE = 0.05
#: Longest time for which the counts by patient of a watched folder lack new rows, in seconds.
COUNTS_PAUSE = 10.0


def predict(
    model: "str | Path | Predictor",
    images: Sequence[str | Path],
    output: str | Path | TextIO = "predictions.csv",
    *,
    files: str | Sequence[str] = (),
    pattern: str | None = None,
    preset: str | None = None,
    cell_id: str = "",
    channels: Mapping[str, str] | None = None,
    planes: Literal["channels", "cells"] | None = None,
    first_plane: int | None = None,
    mpp: float | None = None,
    rescale_mpp: bool = False,
    threshold: float | None = None,
    prevalence: float | None = None,
    threads: int | None = None,
    runtime: str = "litert",
    workers: int = 1,
    on_refusal: Callable[[ImageError], None] = lambda error: None,
    progress: Progress = silent,
) -> "BatchSummary":
    """Classifies bright-field images with a TFLite file, and writes a CSV table with one row for each cell.

    Where the patients of the cells are known, counts by patient are written too: counts.csv beside predictions.csv, or
    NAME_counts.csv beside NAME.csv.

    Args:
        model: TFLite file that `tfctc export` wrote, or a predictor.
        images: image files, folders, and CSV files with the columns `cell_id` and `brightfield`.
        output: CSV file, written at the end; or a text file open for writing with ``newline=""``.
        files: template for the path of a file below its folder, as for `tfctc.import_images`. Without `files`,
            `pattern` and `preset`, the naming of the training images is used.
        pattern: regular expression in place of a template.
        preset: name of a known file naming in place of a template.
        cell_id: template of the cell id.
        channels: name of a channel in the file names, or name or number of a plane -> "brightfield" or "dapi".
        planes, first_plane: meaning of the planes of a file, as for `tfctc.import_images`.
        mpp: micrometres per pixel of the images; None takes what their files declare, else those of the model.
        rescale_mpp: whether images of another scale are rescaled to that of the model; otherwise they are refused.
        threshold: threshold of the (shifted) probability; None for the model's own.
        prevalence: share of positive cells among these cells, in (0, 1), to which the probabilities and the model's own
            threshold are shifted; labels do not change. None for the prevalence of the calibration.
        threads: threads for one image; None for the runtime's choice.
        runtime: "litert" or "openvino".
        workers: number of processes.
        on_refusal: called with the error of each refused image: one that cannot be read, or whose size, pixel type,
            bit depth or scale is not that of the training images.
        progress: called with the progress of long tasks.

    Returns:
        Number of rows, of cells by call, and of refused images, in all and by patient.

    Raises:
        TfctcError: a model or image that does not exist or cannot be used, or an output that would overwrite another
            kind of file.
    """
    from tfctc.evaluation.counts import check_counts, counts_of, counts_path, write_counts
    from tfctc.inference.batch import check_table, columns, predict_cells
    from tfctc.inference.sources import SearchRules, find_cells

    if isinstance(output, str | Path):
        check_output(output, model, images)
    predictor = _predictor(model, threads, runtime, mpp, rescale_mpp, prevalence)
    if isinstance(output, str | Path):
        check_table(output, columns(predictor))
        check_counts(counts_path(output), predictor.facts.positive)
    rules = SearchRules.of(naming_of(files, pattern, preset, cell_id, channels, planes, first_plane), predictor.naming)
    predictor.naming = rules.naming
    cells = find_cells(images, rules)
    options = (threshold, on_refusal, progress, workers)
    if not isinstance(output, str | Path):
        return predict_cells(predictor, cells, output, *options)
    with atomic_file(output) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        summary = predict_cells(predictor, cells, file, *options)
    if any(patient for _, patient in summary.patients):
        positive = predictor.facts.positive
        write_counts(counts_path(output), counts_of(summary.patients, positive), positive, _rates(predictor, threshold))
    return summary


def _rates(predictor: "Predictor", threshold: float | None) -> "Rates | None":
    """Rates of the model at the threshold of the calls; None if they were not measured there."""
    from tfctc.evaluation.counts import Rates

    if threshold not in (None, predictor.threshold) or not predictor.record.get("rates"):
        return None
    return Rates.from_dict(predictor.record["rates"])


class WatchCounts:
    """Counts by patient beside the table of a watched folder, where the patients of the cells are known.

    Args:
        journal: the table.
        predictor: the model.
        threshold: threshold of the new rows; None for the model's own.
    """

    def __init__(self, journal: "Journal", predictor: "Predictor", threshold: float | None):
        from tfctc.evaluation.counts import counts_path

        self.path = counts_path(journal.path)
        self._journal, self._positive = journal, predictor.facts.positive
        self._rates, self._own = _rates(predictor, threshold), {repr(predictor.threshold)}
        self._written = time.monotonic()

    def write(self) -> None:
        """Writes the counts of all rows.

        Raises:
            OutputError: the file cannot be written.
        """
        from tfctc.evaluation.counts import counts_of, write_counts

        self._written = time.monotonic()
        patients = self._journal.patients
        if any(patient for _, patient in patients):
            # Rows of an earlier watch may have been called at another threshold.
            rates = self._rates if self._journal.thresholds <= self._own else None
            write_counts(self.path, counts_of(patients, self._positive), self._positive, rates)

    def write_if_old(self) -> None:
        """Writes the counts if this was not done for `COUNTS_PAUSE` seconds. Errors as `write`."""
        if time.monotonic() - self._written >= COUNTS_PAUSE:
            self.write()


@dataclass(frozen=True)
class Watch:
    """A watched folder: every new image is predicted once, and the prediction is added to a table.

    The table also records which cells have been predicted. Counts by patient are kept beside it.

    Args:
        watcher: search for new images, and their prediction.
        journal: the table.
        counts: the counts by patient.
    """

    watcher: "Watcher"
    journal: "Journal"
    counts: WatchCounts

    def run(self, on_other_files: Callable[[str, int], None] = lambda name, count: None) -> None:
        """Searches the folder again and again, until interrupted; then closes the table.

        Args:
            on_other_files: called once if the folder has files, but no image to predict: with the name of one file, and
                the number of files.

        Raises:
            KeyboardInterrupt: the user pressed Ctrl-C.
            TfctcError: as `tfctc.inference.watch.Watcher.look`.
        """
        checked, pause = False, min(max(self.watcher.settle / 2, SHORTEST_PAUSE), 1.0)
        try:
            self.counts.write()
            while True:
                if self.watcher.look():
                    self.counts.write()
                else:
                    checked = checked or self._report_other_files(on_other_files)
                    time.sleep(pause)
        finally:
            try:
                # Rows of a search that was interrupted.
                with contextlib.suppress(OutputError):
                    self.counts.write()
            finally:
                self.journal.close()

    def _report_other_files(self, on_other_files: Callable[[str, int], None]) -> bool:
        """Reports the files if none of them is an image to predict; returns False while there is no file at all."""
        from tfctc.inference.sources import images_in_folder

        folder = self.watcher.folder
        if any(images_in_folder(folder, self.watcher.rules)):
            return True
        own = {os.path.realpath(path) for path in (self.journal.path, self.counts.path)}
        others = [path for path in image_files(folder, ("",)) if os.path.realpath(path) not in own]
        if others:
            on_other_files(others[0].relative_to(folder).as_posix(), len(others))
        return bool(others)


def watch(
    model: "str | Path | Predictor",
    folder: str | Path,
    output: str | Path,
    *,
    files: str | Sequence[str] = (),
    pattern: str | None = None,
    preset: str | None = None,
    cell_id: str = "",
    channels: Mapping[str, str] | None = None,
    planes: Literal["channels", "cells"] | None = None,
    first_plane: int | None = None,
    mpp: float | None = None,
    rescale_mpp: bool = False,
    threshold: float | None = None,
    prevalence: float | None = None,
    threads: int | None = None,
    runtime: str = "litert",
    settle: float = 1.0,
    on_row: Callable[[list[str], ImageError | None], None] = lambda row, error: None,
) -> Watch:
    """Prepares the prediction of every image that arrives in a folder; `Watch.run` of the result starts it.

    `model`, the naming of the files, the scale, `threshold`, `prevalence`, `threads` and `runtime` are as for
    `predict`. Counts by patient are written beside `output` after each search that finds new images, and during a long
    one every 10 seconds.

    Args:
        folder: folder that images arrive in.
        output: CSV file; continued if it exists.
        settle: seconds for which a file must not change before it counts as complete.
        on_row: called with every row, and with the error if its image was refused, else None.

    Raises:
        TfctcError: a model or folder that does not exist or cannot be used, or a table of another model.
    """
    from tfctc.evaluation.counts import check_counts, counts_path
    from tfctc.inference.batch import columns, last_values
    from tfctc.inference.journal import Journal
    from tfctc.inference.sources import SearchRules
    from tfctc.inference.watch import Watcher

    check_output(output, model, [folder])
    predictor = _predictor(model, threads, runtime, mpp, rescale_mpp, prevalence)
    if not is_folder(Path(folder), ImageError):
        problem = f"--watch needs one existing folder, got {str(folder)!r}"
        raise ConfigError(problem, fix="name the folder that images arrive in, and nothing else")
    # Before the table is created: a naming that cannot be used leaves no file behind.
    rules = SearchRules.of(naming_of(files, pattern, preset, cell_id, channels, planes, first_plane), predictor.naming)
    if rules.naming and rules.naming.planes == "cells":
        raise ConfigError("--watch needs one cell in each file", fix="give --files, if these files have one")
    predictor.naming = rules.naming
    check_counts(counts_path(output), predictor.facts.positive)
    journal = Journal(output, columns(predictor), last_values(predictor))
    counts = WatchCounts(journal, predictor, threshold)

    def tell(row: list[str], error: ImageError | None) -> None:
        on_row(row, error)
        counts.write_if_old()

    return Watch(Watcher(predictor, Path(folder), journal, rules, threshold, settle, tell), journal, counts)


def check_output(output: str | Path, model: object, images: Sequence[str | Path]) -> None:
    """Checks that the output would not overwrite a model or an image, as with `-o cells/*.png` in a shell.

    Raises:
        OutputError: the output is the model or one of the images, or is named like one.
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


def _predictor(
    model: "str | Path | Predictor",
    threads: int | None,
    runtime: str,
    mpp: float | None,
    rescale: bool,
    prevalence: float | None,
) -> "Predictor":
    from tfctc.inference.predictor import Predictor

    if isinstance(model, str | Path):
        return Predictor(model, threads, runtime, mpp=mpp, rescale=rescale, prevalence=prevalence)
    if mpp is not None or rescale:
        raise ConfigError("the scale of the images is set where the predictor is made", fix="Predictor(path, mpp=...)")
    if prevalence is not None:
        problem = "the prevalence is set where the predictor is made"
        raise ConfigError(problem, fix="Predictor(path, prevalence=...)")
    return model
