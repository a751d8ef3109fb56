"""Watcher of a folder: predicts the image of every new cell once."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tfctc.errors import ImageError, PairingError
from tfctc.inference.batch import REFUSED, predict_row
from tfctc.inference.journal import Journal
from tfctc.inference.predictor import Predictor
from tfctc.inference.sources import SearchRules, images_in_folder
from tfctc.io.duplicates import fingerprint
from tfctc.io.names import check_encodable


@dataclass
class Watcher:
    """A watched folder: `look` predicts the images that are new in it.

    A refused image is read again when its file changes, and by the next watcher of the same journal.

    The journal stores cell ids, not files. If the journal already has an id when the watch starts, the image of this id
    that the first look finds counts as predicted, even if it is a new file. So an id must not be used for two cells as
    long as the journal is used.

    Args:
        predictor: the model.
        folder: the folder.
        journal: the table of predictions.
        rules: rules for the names of the files, as for `tfctc.inference.sources.find_cells`.
        threshold: threshold of the probability; None for the model's own.
        settle: seconds for which a file must keep its size and times before it counts as complete.
        tell: called with every row, and with the error of its image if that was refused, else None.
    """

    predictor: Predictor
    folder: Path
    journal: Journal
    rules: SearchRules = SearchRules()
    threshold: float | None = None
    settle: float = 1.0
    tell: Callable[[list[str], ImageError | None], None] = lambda row, error: None
    #: Path of a file that is not complete yet -> its state, and the time at which this state was first seen.
    _arriving: dict[Path, tuple[tuple[int, ...], float]] = field(default_factory=dict)
    #: Path of a refused image -> its state at that time; None if its name was refused.
    _refused: dict[Path, tuple[int, ...] | None] = field(default_factory=dict)
    _has_looked: bool = False

    def look(self, now: Callable[[], float] = time.monotonic) -> int:
        """Predicts every image that is complete and was not predicted before.

        Args:
            now: clock, in seconds.

        Returns:
            Number of new rows.

        Raises:
            ConfigError: a naming that fits a path in two ways.
            ImageError: without a naming: a file that by its name is not bright-field, or images that come in twos.
            OutputError: the journal cannot be written, or has been replaced or removed.
            PairingError: a new image of a cell that has been predicted already, or a folder that cannot be read.
        """
        self.journal.check()
        arriving, rows = {}, 0
        for found in images_in_folder(self.folder, self.rules):
            cell_id, path = found.cell_id, found.path
            if not self._has_valid_name(cell_id, path) or self._is_predicted(cell_id, path):
                continue
            state, moment = _state(path), now()
            if state is None or state == self._refused.get(path):
                continue
            before, since = self._arriving.get(path, (None, moment))
            if state != before:
                since = moment
            if moment - since < self.settle:
                arriving[path] = state, since
                continue
            row, error = predict_row(self.predictor, found, self.threshold)
            if _state(path) != state:  # The file was changed or removed while it was read.
                continue
            if error:
                self._refused[path] = state
            self.journal.add(row, path)
            self.tell(row, error)
            rows += 1
        self._arriving, self._has_looked = arriving, True
        if rows:
            self.journal.sync()
        return rows

    def _has_valid_name(self, cell_id: str, path: Path) -> bool:
        """Whether a row can hold the cell id; if not, this is reported once for each file."""
        try:
            check_encodable(cell_id, path)
            if "\n" in cell_id or "\r" in cell_id:
                raise ImageError("file name has a line break", path=ascii(str(path)), fix="rename it")
        except ImageError as error:
            if path not in self._refused:
                self._refused[path] = None
                self.tell([cell_id, "", "", "", "", REFUSED, REFUSED], error)
            return False
        return True

    def _is_predicted(self, cell_id: str, path: Path) -> bool:
        key, file = fingerprint(cell_id), fingerprint(str(path))
        if key in self.journal.refused:
            return False
        known = self.journal.predicted.get(key)
        if known == 0 and not self._has_looked:
            self.journal.predicted[key] = file
        elif known not in (None, file):
            problem = f"cell {cell_id} has been predicted already, from another image"
            raise PairingError(problem, path=path, fix="give cells different ids by --cell-id, or remove the image")
        return known is not None


def _state(path: Path) -> tuple[int, ...] | None:
    """Size and times of a file, which change with its content and its permissions; None if the file is gone."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
