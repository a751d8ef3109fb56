"""The table of answers that a watched folder has been given."""

import csv
import fcntl
import os
from pathlib import Path

from tfctc.data.unique import fingerprint
from tfctc.errors import OutputError
from tfctc.files import as_output_errors, written_to
from tfctc.inference.batch import QUALITY, REFUSED, as_line


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
