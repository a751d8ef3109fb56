"""Journal: the table of predictions for a watched folder."""

import contextlib
import csv
import os
from collections.abc import Iterator
from pathlib import Path

from tfctc.errors import OutputError
from tfctc.inference.batch import (
    CALL,
    EARLY_PLACES,
    PROBABILITY,
    REFUSED,
    THRESHOLD,
    count_row,
    csv_line,
    early_columns,
)
from tfctc.inference.counting import Patients
from tfctc.io.duplicates import fingerprint
from tfctc.io.files import output_errors, output_file
from tfctc.io.locks import file_lock


class Journal:
    """Table of predictions that also records which cells have been predicted.

    An incomplete row, left by a killed process or a power cut, is removed when the journal is opened again; its cell is
    then predicted again. If a cell has several rows, the last one counts; its image was refused before.

    Args:
        path: the CSV file; continued if it exists.
        header: names of its columns.
        last: values of the last columns, which are the same in every row: a journal holds predictions of one version of
            a model, at one prevalence.

    Raises:
        OutputError: the file cannot be written, is not such a table, or is in use by another process.
    """

    def __init__(self, path: str | Path, header: list[str], last: tuple[str, ...]):
        self.path = Path(path)
        #: Fingerprint of a cell id -> fingerprint of its file's path, or 0 if only its row has been seen. Fingerprints
        #: need less memory than names.
        self.predicted: dict[int, int] = {}
        #: Fingerprint of a cell id whose image was refused when it was last read -> its row.
        self.refused: dict[int, list[str]] = {}
        #: Numbers of cells by patient, each cell once; empty for a file of an early version, which names no patients.
        self.patients: Patients = {}
        #: Thresholds of the rows, as text.
        self.thresholds: set[str] = set()
        self._positive = header[PROBABILITY].removeprefix("p_")
        #: Places in a row of the columns that the file has. A file of an early version keeps its columns.
        self._places: tuple[int, ...] = tuple(range(len(header)))
        output_file(self.path)  # Raises for a device, which could not be read again.
        with contextlib.ExitStack() as held:
            with output_errors(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(file_lock(self.path, "tfctc predict --watch"))
            with output_errors(self.path):
                self._file = held.enter_context(self.path.open("a+b", buffering=0))
                self._begin(header, last)
            self._held = held.pop_all()

    def _begin(self, header: list[str], last: tuple[str, ...]) -> None:
        self.check()
        for number, row in enumerate(self._whole_rows((csv_line(header), csv_line(early_columns(header))))):
            if number == 0:
                if row != header and row == early_columns(header):
                    self._places = EARLY_PLACES
                elif row != header:
                    self._reject(f"has columns {row}, {header} expected")
            elif len(row) != len(self._places):
                self._reject(f"line {number + 1} has {len(row)} values, {len(self._places)} expected")
            elif (found := tuple(row[-len(last) :])) != last:
                names = header[-len(last) :]
                self._reject(f"holds predictions of {_described(names, found)}, not of {_described(names, last)}")
            else:
                self._remember(row, row[self._places.index(CALL)], 0)
        if not self.path.stat().st_size:
            self._write(header)

    def _remember(self, row: list[str], call: str, file: int) -> None:
        """Records a cell as predicted or refused, and counts it; `file` is the fingerprint of its file's path, or 0."""
        key = fingerprint(row[0])
        self.predicted[key] = file
        before = self.refused.pop(key, None)
        if call == REFUSED:
            self.refused[key] = row
        if self._places != EARLY_PLACES:
            if before:
                count_row(self.patients, before, self._positive, times=-1)
            count_row(self.patients, row, self._positive)
            self.thresholds.add(row[THRESHOLD])

    def _whole_rows(self, first: tuple[bytes, ...]) -> Iterator[list[str]]:
        """Yields the rows that end in a line break, then removes an incomplete row at the end of the file."""
        end = 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    if not end and not any(one.startswith(line) for one in first):
                        self._reject("is no table of predictions")
                    break
                end += len(line)
                try:
                    yield next(csv.reader([line.decode()]))
                except (UnicodeDecodeError, csv.Error, StopIteration):
                    self._reject("is no table of predictions")
        self._file.truncate(end)

    def _reject(self, problem: str) -> None:
        raise OutputError(problem, path=self.path, fix="choose another --output")

    def __len__(self) -> int:
        """Number of cells that have been predicted, without the refused ones."""
        return len(self.predicted) - len(self.refused)

    def add(self, row: list[str], path: Path) -> None:
        """Writes the row of a cell whose image is in `path`, unless it would repeat a refusal of the same cell.

        Raises:
            OutputError: the row cannot be written, or the file has been replaced or removed.
        """
        self.check()
        if not (row[CALL] == REFUSED and fingerprint(row[0]) in self.refused):
            self._write([row[place] for place in self._places])
        self._remember(row, row[CALL], fingerprint(str(path)))

    def check(self) -> None:
        """Checks that the open file is still the one at its path.

        Raises:
            OutputError: the file has been replaced or removed.
        """
        with output_errors(self.path):
            try:
                in_place = os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
            except FileNotFoundError:
                in_place = False
        if not in_place:
            problem, fix = "was replaced or removed while being written", "start again: lost cells are predicted again"
            raise OutputError(problem, path=self.path, fix=fix)

    def _write(self, row: list[str]) -> None:
        remaining = csv_line(row)
        with output_errors(self.path):
            while remaining:
                remaining = remaining[self._file.write(remaining) :]

    def sync(self) -> None:
        """Flushes added rows to the disk, so that they survive a power cut."""
        with output_errors(self.path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        self._held.close()


def _described(names: list[str], values: tuple[str, ...]) -> str:
    """Values of the last columns for an error message, the model version first: "ctc/1+abc at prevalence 0.01"."""
    *others, version = zip(names, values, strict=True)
    return " at ".join([version[1], *(f"{name} {value}" for name, value in others)])
