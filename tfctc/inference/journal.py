"""The table of predictions for a watched folder."""

import contextlib
import csv
import os
from collections.abc import Iterator
from pathlib import Path

from tfctc.errors import OutputError
from tfctc.inference.batch import QUALITY, REFUSED, csv_line
from tfctc.io.duplicates import fingerprint
from tfctc.io.files import output_errors, output_file
from tfctc.io.locks import file_lock


class Journal:
    """The table of predictions, which is also the memory of the cells predicted: a row is written whole or not at all.

    A row is one write. An incomplete row, left by a kill or a power cut, is removed when the journal is opened again,
    so that its cell is predicted again. Of several rows of a cell the last one counts: its image was refused before.

    Args:
        path: the CSV file; continued if it exists.
        header: its columns. The last one is the model's version, and one journal is of one model.

    Raises:
        OutputError: it cannot be written, holds something else, or another process writes it.
    """

    def __init__(self, path: str | Path, header: list[str], model_version: str):
        self.path = Path(path)
        #: Fingerprint of the cell id -> that of its file, 0 until the file is seen; names would need more memory.
        self.predicted: dict[int, int] = {}
        #: Of these cells, those whose image was refused, the last time it was read.
        self.refused: set[int] = set()
        output_file(self.path)  # A device would keep nothing.
        with contextlib.ExitStack() as held:
            with output_errors(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(file_lock(self.path, "tfctc predict --watch"))
            with output_errors(self.path):
                self._file = held.enter_context(self.path.open("a+b", buffering=0))
                self._begin(header, model_version)
            self._held = held.pop_all()

    def _begin(self, header: list[str], model_version: str) -> None:
        self.check()
        for number, row in enumerate(self._whole_rows(csv_line(header))):
            if number == 0:
                if row != header:
                    self._refuse(f"has columns {row}, {header} expected")
            elif len(row) != len(header):
                self._refuse(f"line {number + 1} has {len(row)} values, {len(header)} expected")
            elif row[-1] != model_version:
                self._refuse(f"holds predictions of {row[-1]}, not of {model_version}")
            else:
                self._remember(row, 0)
        if not self.path.stat().st_size:
            self._write(header)

    def _remember(self, row: list[str], file: int) -> None:
        key = fingerprint(row[0])
        self.predicted[key] = file
        (self.refused.add if row[QUALITY] == REFUSED else self.refused.discard)(key)

    def _whole_rows(self, first: bytes) -> Iterator[list[str]]:
        """Yields the rows that end in a line break; then cuts off what follows the last of them."""
        end = 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    if not end and not first.startswith(line):
                        self._refuse("is no table of predictions")
                    break
                end += len(line)
                try:
                    yield next(csv.reader([line.decode()]))
                except (UnicodeDecodeError, csv.Error, StopIteration):
                    self._refuse("is no table of predictions")
        self._file.truncate(end)

    def _refuse(self, problem: str) -> None:
        raise OutputError(problem, path=self.path, fix="choose another --output")

    def __len__(self) -> int:
        return len(self.predicted) - len(self.refused)

    def add(self, row: list[str], path: Path) -> None:
        """Adds the row of a cell, from the image in `path`; a second refusal would be the same row again."""
        self.check()
        if not (row[QUALITY] == REFUSED and fingerprint(row[0]) in self.refused):
            self._write(row)
        self._remember(row, fingerprint(str(path)))

    def check(self) -> None:
        """Checks that the file being written is still the one at this path; raises an OutputError if not."""
        with output_errors(self.path):
            try:
                in_place = os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
            except FileNotFoundError:
                in_place = False
        if not in_place:
            problem, fix = "was replaced or removed while being written", "start again: lost cells are predicted again"
            raise OutputError(problem, path=self.path, fix=fix)

    def _write(self, row: list[str]) -> None:
        left = csv_line(row)
        with output_errors(self.path):
            while left:
                left = left[self._file.write(left) :]

    def sync(self) -> None:
        """Flushes added rows to the disk, so that they survive a power cut."""
        with output_errors(self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._held.close()
