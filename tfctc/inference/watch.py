"""Watching a folder: every new cell is predicted once, for as long as the instrument runs."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tfctc.errors import ImageError, PairingError
from tfctc.inference.batch import REFUSED, predict_row
from tfctc.inference.journal import Journal
from tfctc.inference.predictor import Predictor
from tfctc.inference.sources import cells_in_folder
from tfctc.io.duplicates import fingerprint
from tfctc.io.names import check_encodable


@dataclass
class Watcher:
    """A watched folder: each look predicts the images that are new in it.

    An image that is refused is read again when its file changes, and by the next watcher of the journal. The journal
    holds ids alone: if an id was predicted in an earlier watch, the image that is there at the first look counts as the
    predicted one, even if it came while nobody watched. So no id may come again in the life of a journal.

    Args:
        pattern: as `tfctc.inference.sources.find_cells` takes it, compiled.
        threshold: threshold of the probability; None for the model's own.
        settle: seconds for which a file must keep its size and times before it counts as written to its end.
        tell: called with every row, and why its image was refused, if it was.
    """

    predictor: Predictor
    folder: Path
    journal: Journal
    pattern: re.Pattern | None = None
    threshold: float | None = None
    settle: float = 1.0
    tell: Callable[[list[str], ImageError | None], None] = lambda row, error: None
    #: Path -> its state, and since when it has been this.
    _arriving: dict[Path, tuple[tuple[int, ...], float]] = field(default_factory=dict)
    #: Path of a refused image -> its state then; None where it is the name that is refused.
    _refused: dict[Path, tuple[int, ...] | None] = field(default_factory=dict)
    _has_looked: bool = False

    def look(self, now: Callable[[], float] = time.monotonic) -> int:
        """Predicts every image that has settled and was not predicted before; returns their number.

        Raises:
            ImageError: a file that by its name is not bright-field; a pattern's group `channel` passes it over.
            OutputError: the journal cannot be written, or is no longer where it was.
            PairingError: two images of one cell, one that comes after the first look of a cell predicted in an earlier
                watch, or a folder that cannot be read.
        """
        self.journal.check()
        arriving, found = {}, 0
        for cell_id, path in cells_in_folder(self.folder, self.pattern):
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
            row, error = predict_row(self.predictor, cell_id, path, self.threshold)
            if _state(path) != state:  # It was being written, or taken away.
                continue
            if error:
                self._refused[path] = state
            self.journal.add(row, path)
            self.tell(row, error)
            found += 1
        self._arriving, self._has_looked = arriving, True
        if found:
            self.journal.sync()
        return found

    def _has_valid_name(self, cell_id: str, path: Path) -> bool:
        """Whether a row can hold the id; reported once if not."""
        try:
            check_encodable(cell_id, path)
            if "\n" in cell_id or "\r" in cell_id:
                raise ImageError("file name has a line break", path=ascii(str(path)), fix="rename it")
        except ImageError as error:
            if path not in self._refused:
                self._refused[path] = None
                self.tell([cell_id, "", REFUSED, REFUSED], error)
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
            raise PairingError(problem, path=path, fix="give cells different ids by --pattern, or remove the image")
        return known is not None


def _state(path: Path) -> tuple[int, ...] | None:
    """Size and times of a file, which change whenever it does, or its permissions; None if it is gone."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
