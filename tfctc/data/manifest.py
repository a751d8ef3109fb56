"""Manifest of a data set: manifest.csv has a row for each cell, dataset.json the facts that all cells share.

The format of both files is stable.
"""

import csv
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from tfctc import config as configs
from tfctc.cells import COLUMNS, ORIGINAL, SPLITS, Cell, DatasetFacts
from tfctc.data.index import CellIndex
from tfctc.errors import ConfigError, ManifestError, SplitError
from tfctc.io.duplicates import Fingerprints, fingerprint
from tfctc.io.files import write_json
from tfctc.io.folders import FACTS, MANIFEST, is_file
from tfctc.io.names import normalised, spelling_key
from tfctc.io.tables import read_table

#: Columns that can be the unit of splitting.
GROUPS = ("patient_id", "site")
IDS = ("cell_id", *GROUPS)
REQUIRED = ("cell_id", "patient_id", "brightfield")
SPLIT = "split"
#: Columns that manifest.csv may have beside `COLUMNS`.
OPTIONAL = (ORIGINAL, SPLIT)


@dataclass(frozen=True)
class Manifest:
    """A data set folder: facts from dataset.json and cells from manifest.csv, read once when it is opened.

    manifest.csv has the columns `COLUMNS` and may have those of `OPTIONAL`. Image paths are absolute, or relative to
    the folder.

    Args:
        folder: path of the folder.
        facts: facts that all cells share.
        index: the cells, in file order.
        pinned: patient -> split, for the patients whose column `SPLIT` is filled in.
    """

    folder: Path
    facts: DatasetFacts
    index: CellIndex
    pinned: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, path: str | Path) -> "Manifest":
        """Opens a data set by its folder or its manifest.csv, and checks every row (not the images).

        Raises:
            ManifestError: a missing file, a manifest.csv that `read_table` refuses, impossible facts, unknown columns,
                an empty required value, a `cell_id` or an image file on two lines, a patient or site in two spellings,
                a patient in two splits, an unknown label or split, or no cell at all. The message names the line.
            ConfigError: a dataset.json that cannot be read.
        """
        path = Path(path)
        folder = path.parent if path.name == MANIFEST else path
        for name in (MANIFEST, FACTS):
            if not is_file(folder / name, ManifestError):
                raise ManifestError(f"holds no {name}", path=folder, fix="make a data set with: tfctc import")
        facts = configs.load(DatasetFacts, folder / FACTS)
        splits: dict[str, tuple[str, int]] = {}
        with Fingerprints() as used:
            index = CellIndex.build(_checked_rows(folder, facts, used, splits))
            if not len(index):
                raise ManifestError("holds no cell", path=folder / MANIFEST, fix="add a row for each cell")
            if repeated := used.repeated():
                _check_duplicates(folder, index, repeated)
        return cls(folder, facts, index, {patient: split for patient, (split, _) in splits.items() if split})

    def __len__(self) -> int:
        return len(self.index)

    def cell(self, i: int) -> Cell:
        """Cell `i` in file order, with its image paths joined to the folder."""
        cell = self.index[i]
        dapi = str(self.folder / cell.dapi) if cell.dapi else ""
        return replace(cell, brightfield=str(self.folder / cell.brightfield), dapi=dapi)

    def cells(self) -> Iterator[Cell]:
        """Yields the cells in file order, with their image paths joined to the folder."""
        return (self.cell(i) for i in range(len(self)))

    def groups(self, by: str) -> dict[str, Counter]:
        """Number of cells by group and label: group -> label ("" for none) -> cells.

        Args:
            by: column of the groups, one of `GROUPS`.

        Raises:
            ConfigError: `by` is not one of `GROUPS`.
            SplitError: a patient in two groups, who would leak between splits, or a cell without a group.
        """
        if by not in GROUPS:
            raise ConfigError(f"cells cannot be split by {by!r}", fix=f"choose one of: {', '.join(GROUPS)}")
        groups: dict[str, Counter] = {}
        first: dict[str, str] = {}
        columns = [[self.index.names[name][code] for code in self.index.codes[name]] for name in (*GROUPS, "label")]
        for i, (patient, site, label) in enumerate(zip(*columns, strict=True)):
            group = patient if by == "patient_id" else site
            if not group:
                problem = f"line {self.index.lines[i]} (cell {self.index[i].cell_id}) has no {by}"
                fix = "give it one, or split by patients: --set split.by=patient_id"
                raise SplitError(problem, path=self.folder / MANIFEST, fix=fix)
            if first.setdefault(patient, group) != group:
                raise SplitError(
                    f"{self.facts.group} {patient} has cells in {by} {first[patient]!r} and {group!r}",
                    path=self.folder / MANIFEST,
                    fix="give it one site, or split by patients: --set split.by=patient_id",
                )
            groups.setdefault(group, Counter())[label] += 1
        return groups

    @cached_property
    def has_original_labels(self) -> bool:
        """Whether a cell was imported with another label than the name of its class."""
        codes, names = self.index.codes, self.index.names
        pairs = np.unique(np.stack([codes["label"], codes[ORIGINAL]], axis=1), axis=0)
        return any(names["label"][label] != names[ORIGINAL][original] for label, original in pairs.tolist())

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the facts, the given splits, and every cell's ids, label, and whether it has DAPI; no paths."""
        digest = hashlib.sha256(json.dumps(self.facts.identity(), sort_keys=True).encode())
        for cell in self.index:
            digest.update(repr((cell.cell_id, cell.patient_id, cell.site, bool(cell.dapi), cell.label)).encode())
        if self.pinned:
            digest.update(repr(sorted(self.pinned.items())).encode())
        return digest.hexdigest()


def parse_split(text: str) -> str | None:
    """Name of a split, or "" for none, from a cell of a table; None for any other word."""
    split = text.strip().lower()
    return split if split in ("", *SPLITS) else None


def write_manifest(
    folder: Path,
    facts: DatasetFacts,
    cells: Iterable[Cell],
    *,
    original: bool = False,
    splits: Mapping[str, str] | None = None,
) -> None:
    """Writes manifest.csv and dataset.json.

    This is not atomic. Callers write into the temporary folder of `tfctc.io.files.atomic_folder`.

    Args:
        folder: folder to write to, which must exist.
        facts: facts that all cells share.
        cells: the cells, in the order of the rows.
        original: whether manifest.csv has the column `ORIGINAL`.
        splits: patient -> given split; without any there is no column `SPLIT`.
    """
    columns = (*COLUMNS, ORIGINAL) if original else COLUMNS
    naming = {"naming": configs.to_dict(facts.naming)} if facts.naming else {}
    write_json(folder / FACTS, facts.identity() | naming)
    with (folder / MANIFEST).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*columns, SPLIT] if splits else columns)
        for cell in cells:
            given = [splits.get(cell.patient_id, "")] if splits else []
            writer.writerow([*(getattr(cell, name) for name in columns), *given])


def _checked_rows(
    folder: Path, facts: DatasetFacts, used: Fingerprints, splits: dict[str, tuple[str, int]]
) -> Iterator[tuple[int, Cell]]:
    """Yields line number and cell of every row, checked.

    Adds its names that must be unique to `used`, and to `splits` its patient, with the given split and the line.
    """
    spellings: dict[str, dict[str, str]] = {name: {} for name in GROUPS}
    for line, cell, given in _rows(folder / MANIFEST):
        _check_row(folder / MANIFEST, facts, line, cell, spellings)
        _check_split(folder / MANIFEST, facts, line, cell, given, splits)
        for name in _unique_names(folder, cell):
            used.add(name)
        yield line, cell


def _rows(path: Path) -> Iterator[tuple[int, Cell, str]]:
    """Yields line number, cell and given split ("" without such a column) of every row."""
    with read_table(path, COLUMNS) as table:
        others = [place for place in range(len(table.header)) if place not in table.positions.values()]
        names = [table.header[place].strip().lower() for place in others]
        if not set(names) <= set(OPTIONAL) or len(names) > len(set(names)):
            received = ", ".join(map(repr, table.header))
            problem = f"columns must be {', '.join(COLUMNS)}, got {received}"
            fix = f"delete the others; only {' and '.join(OPTIONAL)} may be added, once each"
            raise ManifestError(problem, path=path, fix=fix)
        places = {**table.positions, **dict(zip(names, others, strict=True))}
        order = [places[column] for column in COLUMNS]
        for line, row in table.rows:
            values = [row[i] for i in order]
            *_, label = values  # the last of `COLUMNS`
            values.append((row[places[ORIGINAL]] if ORIGINAL in places else "") or label)
            yield line, Cell(*values), row[places[SPLIT]] if SPLIT in places else ""


def _check_split(
    path: Path, facts: DatasetFacts, line: int, cell: Cell, given: str, splits: dict[str, tuple[str, int]]
) -> None:
    """Checks the given split of one row, and that all rows of its patient give the same."""
    split = parse_split(given)
    if split is None:
        problem = f"line {line} (cell {cell.cell_id}) has split {given!r}"
        raise ManifestError(problem, path=path, fix=f"use {', '.join(SPLITS)}, or leave it empty")
    before, first = splits.setdefault(cell.patient_id, (split, line))
    if before != split:
        problem = f"{facts.group} {cell.patient_id} is in split {before or 'none'} on line {first}, and in"
        fix = f"write one split on all lines of a {facts.group}"
        raise ManifestError(f"{problem} {split or 'none'} on line {line}", path=path, fix=fix)


def _check_row(path: Path, facts: DatasetFacts, line: int, cell: Cell, spellings: dict[str, dict[str, str]]) -> None:
    """Checks one row, and that its patient and site are spelled as in the rows above."""
    where = f"line {line} (cell {cell.cell_id})"
    for name in REQUIRED:
        if not getattr(cell, name):
            problem = f"line {line} (cell {cell.cell_id!r}) has no {name}"
            raise ManifestError(problem, path=path, fix="fill it in")
    for name, known in spellings.items():
        value = getattr(cell, name)
        first = known.setdefault(spelling_key(value), value)
        # Two spellings of one patient would be assigned to two splits.
        if first != value:
            same = normalised(value) == normalised(first)
            here, above = (ascii(one) if same else repr(one) for one in (value, first))
            problem = f"{where}: {name} is {here} here and {above} above"
            fix = "write it in one way; two different ones must differ in more than upper and lower case"
            raise ManifestError(problem, path=path, fix=fix)
    try:
        facts.class_index(cell.label)
    except ManifestError as error:
        raise ManifestError(f"{where}: {error.problem}", path=path, fix=error.fix) from None


def _unique_names(folder: Path, cell: Cell) -> Iterator[str]:
    """Yields the names that must be unique in a manifest: the id and the image files of a cell."""
    yield f"cell {cell.cell_id}"
    for path in filter(None, (cell.brightfield, cell.dapi)):
        yield f"image {os.path.normpath(os.path.join(folder, path))}"


def _check_duplicates(folder: Path, index: CellIndex, repeated: set[int]) -> None:
    """Checks that every id and image occurs once; `repeated` are the fingerprints that occur twice or more."""
    first: dict[str, int] = {}
    for line, cell in zip(index.lines, index, strict=True):
        for name in _unique_names(folder, cell):
            if fingerprint(name) in repeated:
                if name in first:
                    problem = f"{name} is named on lines {first[name]} and {line}"
                    fix = "give every cell an id and images of its own"
                    raise ManifestError(problem, path=folder / MANIFEST, fix=fix)
                first[name] = line
