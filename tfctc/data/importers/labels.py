"""Label tables: the label of each cell, and its patient and site if the path does not contain them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfctc.errors import ManifestError
from tfctc.io.disk_dict import DiskDict
from tfctc.io.names import abbreviated, normalised
from tfctc.io.tables import Table, read_table

#: Spaces of other widths, and characters without width, inside pasted text.
WIDE_SPACES, NO_WIDTH = (
    re.compile("[\xa0\u2000-\u200a\u202f\u205f\u3000]"),
    re.compile("[\u200b\u200e\u200f\u2060\ufeff]"),
)


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a label table; `patient` and `site` may be empty if there is no such column.

    Args:
        cell_id: one column, or several whose values together are the id.
        label, patient, site: one column each.
    """

    cell_id: tuple[str, ...] = ("cell_id",)
    label: str = "label"
    patient: str = ""
    site: str = ""


@dataclass(frozen=True)
class LabelRow:
    """One row of a label table. Every value may be empty."""

    label: str
    patient: str = ""
    site: str = ""


@dataclass(frozen=True)
class _Place:
    """Line of a row in its table, and a hash of all its values."""

    line: int
    content: int


@dataclass(frozen=True)
class Labels:
    """A label table; its rows lie on disk.

    Args:
        rows: cell id -> row.
        notes: what was recognised or left out, one phrase each.
    """

    rows: Mapping[str, LabelRow]
    notes: tuple[str, ...] = ()


def read_labels(
    path: str | Path,
    columns: Columns = Columns(),  # noqa: B008  (frozen)
    compose: Callable[[Sequence[str]], str] = "/".join,
    *,
    delimiter: str | None = None,
    skip_lines: int | None = None,
    sheet: str | None = None,
) -> Labels:
    """Reads a label table. All text is in Unicode normal form C.

    Args:
        path: path of the table, delimited text or an Excel file.
        columns: names of its columns.
        compose: gives the id from the values of the id columns.
        delimiter, skip_lines, sheet: as in `tfctc.io.tables.read_table`.

    Raises:
        ManifestError: as `read_table`; no row, an empty part of an id, or rows with one id that differ in any column.
        DependencyError: an Excel file, and openpyxl is not installed.
    """
    options = dict.fromkeys(columns.cell_id, "--id-column")
    names = {"--label-column": columns.label, "--patient-column": columns.patient, "--site-column": columns.site}
    options |= {name: option for option, name in names.items() if name}
    rows, first = DiskDict(LabelRow), DiskDict(_Place)
    repeated: list[int] = []
    contradictory: list[str] = []
    with read_table(
        path, tuple(options), options=options, delimiter=delimiter, skip_lines=skip_lines, sheet=sheet
    ) as table:
        places = [table.positions[normalised(name)] for name in columns.cell_id]
        others = [table.positions[normalised(name)] if name else None for name in names.values()]
        for line, values in table.rows:
            parts = [_tidy(values[place]) for place in places]
            if not all(parts):
                column = columns.cell_id[parts.index("")]
                problem = f"line {line} has no value in the id column {column!r}"
                raise ManifestError(problem, path=path, fix="fill it in, or delete the line")
            cell_id, content = compose(parts), hash(tuple(values))  # A hash: a table may have hundreds of columns.
            known = first.get(cell_id)
            if known is None:
                first[cell_id] = _Place(line, content)
                rows[cell_id] = LabelRow(*("" if place is None else _tidy(values[place]) for place in others))
            elif known.content == content:
                repeated.append(line)
            else:
                contradictory.append(f"{cell_id} (lines {known.line} and {line})")
    if contradictory:
        problem = f"{len(contradictory)} row(s) repeat the id of a different row: {abbreviated(contradictory)}"
        fix = "keep one row for each cell; if only several columns together are the id, give --id-column for each"
        raise ManifestError(problem, path=path, fix=fix)
    if not rows:
        raise ManifestError(
            "has no row below its header", path=path, fix="add a row for each cell, or leave out --labels"
        )
    return Labels(rows, _notes(table, repeated))


def _notes(table: Table, repeated: list[int]) -> tuple[str, ...]:
    if not repeated:
        return table.notes
    lines = abbreviated([str(line) for line in repeated])
    return (*table.notes, f"{len(repeated)} row(s) left out that repeat another one in every column: line {lines}")


def _tidy(text: str) -> str:
    """Text in normal form C, with plain spaces, and without characters of no width."""
    if text.isascii():
        return text
    return normalised(NO_WIDTH.sub("", WIDE_SPACES.sub(" ", text)))
