"""Answering each new cell of a folder once, for as long as the instrument runs."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tfctc.data.importers.pairing import refuse_unwritable
from tfctc.data.unique import fingerprint
from tfctc.errors import ImageError, PairingError
from tfctc.inference.batch import REFUSED, answer
from tfctc.inference.journal import Journal
from tfctc.inference.predictor import Predictor
from tfctc.inference.sources import in_folder


@dataclass
class Watcher:
    """Looks at a folder again and again, and answers what is new in it.

    An image that is refused is read again when its file changes, and by the next watcher of the journal. The journal
    holds ids alone: of an id answered in an earlier watch, the image that is there at the first look is taken for the
    answered one, also if it came while nobody watched. So an id must not come again in the life of a journal.

    Args:
        pattern: as `tfctc.inference.sources.find_cells` takes it, compiled.
        threshold: of the probability; the model's own if None.
        settle: seconds for which a file must keep its size and times before it counts as written to its end.
        tell: told of every answer (a row, and why the image was refused if it was).
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
        """Answers every image that has settled and was not answered before; returns how many.

        Raises:
            ImageError: a file that by its name is not bright-field; a pattern's group `channel` passes it over.
            OutputError: the journal cannot be written, or is no longer where it was.
            PairingError: two images of one cell, one that comes after the first look of a cell answered in an earlier
                watch, or a folder that cannot be read.
        """
        self.journal.check()
        arriving, found = {}, 0
        for cell_id, path in in_folder(self.folder, self.pattern):
            if not self._has_a_name(cell_id, path) or self._is_answered(cell_id, path):
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
            row, error = answer(self.predictor, cell_id, path, self.threshold)
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

    def _has_a_name(self, cell_id: str, path: Path) -> bool:
        """Whether a row can hold the id; told once if not."""
        try:
            refuse_unwritable(cell_id, path)
            if "\n" in cell_id or "\r" in cell_id:
                raise ImageError("file name has a line break", path=ascii(str(path)), fix="rename it")
        except ImageError as error:
            if path not in self._refused:
                self._refused[path] = None
                self.tell([cell_id, "", REFUSED, REFUSED], error)
            return False
        return True

    def _is_answered(self, cell_id: str, path: Path) -> bool:
        key, file = fingerprint(cell_id), fingerprint(str(path))
        if key in self.journal.refused:
            return False
        known = self.journal.answered.get(key)
        if known == 0 and not self._has_looked:
            self.journal.answered[key] = file
        elif known not in (None, file):
            problem = f"cell {cell_id} has been answered, and here is another image of it"
            raise PairingError(problem, path=path, fix="tell cells apart by --pattern, or take the image away")
        return known is not None


def _state(path: Path) -> tuple[int, ...] | None:
    """What changes when a file does, its permissions included; None if it is gone."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
