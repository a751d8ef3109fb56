"""Answering each new cell of a folder once, for as long as the instrument runs."""

import csv
import fcntl
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tfctc.data.importers.pairing import refuse_unwritable
from tfctc.data.unique import fingerprint
from tfctc.errors import ImageError, OutputError, PairingError
from tfctc.files import as_output_errors, written_to
from tfctc.inference.batch import QUALITY, REFUSED, answer, as_line
from tfctc.inference.predictor import Predictor
from tfctc.inference.sources import in_folder


class Journal:
    """The table of answers, which is also the memory of what has been answered: a row is written whole or not at all.

    A row is one write. What a kill, or a power cut, left of a row is taken away when the journal is opened again, so
    that its cell is answered anew. Of several rows of a cell the last one counts: its image was refused before.

    Args:
        path: the CSV file; gone on with if it exists.
        header: its columns. The last one is the model's version, and one journal is of one model.

    Raises:
        OutputError: it cannot be written, holds something else, or another process writes it.
    """

    def __init__(self, path: str | Path, header: list[str], model_version: str):
        self.path = Path(path)
        #: Fingerprint of the cell id -> that of its file, 0 until the file is seen; names would need more memory.
        self.answered: dict[int, int] = {}
        #: Of these cells, those whose image was refused, the last time it was read.
        self.refused: set[int] = set()
        written_to(self.path)  # A device would keep nothing.
        with as_output_errors(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b", buffering=0)
        try:
            with as_output_errors(self.path):
                self._begin(header, model_version)
        except BaseException:
            self.close()
            raise

    def _begin(self, header: list[str], model_version: str) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._refuse("is being written by another tfctc predict --watch")
        self.check()
        for number, row in enumerate(self._whole_rows(as_line(header))):
            if number == 0:
                if row != header:
                    self._refuse(f"has columns {row}, {header} expected")
            elif len(row) != len(header):
                self._refuse(f"line {number + 1} has {len(row)} values, {len(header)} expected")
            elif row[-1] != model_version:
                self._refuse(f"holds the answers of {row[-1]}, not of {model_version}")
            else:
                self._remember(row, 0)
        if not self.path.stat().st_size:
            self._write(header)

    def _remember(self, row: list[str], file: int) -> None:
        key = fingerprint(row[0])
        self.answered[key] = file
        (self.refused.add if row[QUALITY] == REFUSED else self.refused.discard)(key)

    def _whole_rows(self, first: bytes):
        """The rows that end in a line break; the file ends behind the last of them afterwards."""
        end = 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    if not end and not first.startswith(line):
                        self._refuse("is no table of answers")
                    break
                end += len(line)
                try:
                    yield next(csv.reader([line.decode()]))
                except (UnicodeDecodeError, csv.Error, StopIteration):
                    self._refuse("is no table of answers")
        self._file.truncate(end)

    def _refuse(self, problem: str) -> None:
        raise OutputError(problem, path=self.path, fix="choose another --output")

    def __len__(self) -> int:
        return len(self.answered) - len(self.refused)

    def add(self, row: list[str], path: Path) -> None:
        """Keeps the answer to a cell, of the image in `path`; a second refusal would be the same row again."""
        self.check()
        if not (row[QUALITY] == REFUSED and fingerprint(row[0]) in self.refused):
            self._write(row)
        self._remember(row, fingerprint(str(path)))

    def check(self) -> None:
        """Raises an OutputError if the file that is written, and locked, is no longer the one of this path."""
        with as_output_errors(self.path):
            try:
                in_place = os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
            except FileNotFoundError:
                in_place = False
        if not in_place:
            problem, fix = "was replaced or removed while being written", "start again: lost cells are answered anew"
            raise OutputError(problem, path=self.path, fix=fix)

    def _write(self, row: list[str]) -> None:
        left = as_line(row)
        with as_output_errors(self.path):
            while left:
                left = left[self._file.write(left) :]

    def sync(self) -> None:
        """Brings what has been added to the disk, so that it outlives a power cut as well."""
        with as_output_errors(self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


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
