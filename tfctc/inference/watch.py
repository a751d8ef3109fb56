"""Answering each new cell of a folder once, for as long as the instrument runs."""

import csv
import fcntl
import io
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tfctc.data.unique import fingerprint
from tfctc.errors import ImageError, OutputError, PairingError
from tfctc.inference.batch import answer
from tfctc.inference.predictor import Predictor
from tfctc.inference.sources import in_folder


class Journal:
    """The table of answers, which is also the memory of what has been answered: a row is written whole or not at all.

    A row is one write. What a kill, or a power cut, left of a row is taken away when the journal is opened again, so
    that its cell is answered anew.

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
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b", buffering=0)
        except OSError as error:
            problem = f"cannot be written ({error.strerror or error})"
            raise OutputError(problem, path=path, fix="choose another --output") from None
        try:
            self._begin(header, model_version)
        except BaseException:
            self.close()
            raise

    def _begin(self, header: list[str], model_version: str) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            problem = "is being written by another tfctc predict --watch"
            raise OutputError(problem, path=self.path, fix="choose another --output") from None
        for number, row in enumerate(self._whole_rows(_line(header))):
            if number == 0:
                if row != header:
                    self._refuse(f"has columns {row}, {header} expected")
            elif len(row) != len(header) or row[-1] != model_version:
                self._refuse(f"holds the answers of {row[-1]}, not of {model_version}")
            else:
                self.answered[fingerprint(row[0])] = 0
        if not self.path.stat().st_size:
            self._write(header)

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
        return len(self.answered)

    def add(self, row: list[str], path: Path) -> None:
        """Keeps the answer to a cell, of the image in `path`."""
        self._write(row)
        self.answered[fingerprint(row[0])] = fingerprint(str(path))

    def _write(self, row: list[str]) -> None:
        try:
            left = _line(row)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise OutputError(f"cannot be written ({error.strerror})", path=self.path, fix="make room") from None

    def sync(self) -> None:
        """Brings what has been added to the disk, so that it outlives a power cut as well."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def _line(row: list[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(row)
    return text.getvalue().encode()


@dataclass
class Watcher:
    """Looks at a folder again and again, and answers what is new in it.

    Args:
        pattern: as `tfctc.inference.sources.find_cells` takes it, compiled.
        threshold: of the probability; the model's own if None.
        settle: seconds for which a file must keep its size and time before it counts as written to its end.
        tell: told of every answer (a row, and why the image was refused if it was).
    """

    predictor: Predictor
    folder: Path
    journal: Journal
    pattern: re.Pattern | None = None
    threshold: float | None = None
    settle: float = 1.0
    tell: Callable[[list[str], ImageError | None], None] = lambda row, error: None
    #: Path -> its size and time, and since when they have been these.
    _arriving: dict[Path, tuple[tuple[int, int], float]] = field(default_factory=dict)

    def look(self, now: Callable[[], float] = time.monotonic) -> int:
        """Answers every image that has settled and was not answered before; returns how many.

        Raises:
            ImageError: a file that by its name is not bright-field; with a pattern, such files are passed over.
            PairingError: two images of one cell.
        """
        arriving, found = {}, 0
        for cell_id, path in in_folder(self.folder, self.pattern):
            if self._is_answered(cell_id, path):
                continue
            try:
                stat = path.stat()
            except OSError:  # Gone again since the folder was read.
                continue
            state, moment = (stat.st_size, stat.st_mtime_ns), now()
            before, since = self._arriving.get(path, (None, moment))
            if state != before:
                since = moment
            if moment - since < self.settle:
                arriving[path] = state, since
                continue
            row, error = answer(self.predictor, cell_id, path, self.threshold)
            self.journal.add(row, path)
            self.tell(row, error)
            found += 1
        self._arriving = arriving
        if found:
            self.journal.sync()
        return found

    def _is_answered(self, cell_id: str, path: Path) -> bool:
        if "\n" in cell_id or "\r" in cell_id:
            raise ImageError("has a line break in its name", path=repr(str(path)), fix="rename the file")
        key, file = fingerprint(cell_id), fingerprint(str(path))
        known = self.journal.answered.get(key)
        if known == 0:
            self.journal.answered[key] = file
        elif known not in (None, file):
            problem = f"cell {cell_id} has been answered, and here is another image of it"
            raise PairingError(problem, path=path, fix="tell cells apart by --pattern, or take the image away")
        return known is not None
