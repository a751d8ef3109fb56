"""Label tables: the label of each cell, and its patient and site if the path does not contain them."""

import re
import shlex
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any

from tfctc.data.importers.matching import match_ids
from tfctc.errors import ManifestError
from tfctc.io.disk_dict import DiskDict
from tfctc.io.names import abbreviated, normalised
from tfctc.io.naming import Names, plain
from tfctc.io.tables import Table, read_table

#: Spaces of other widths, and characters without width, inside pasted text.
WIDE_SPACES, NO_WIDTH = (
    re.compile("[\xa0\u2000-\u200a\u202f\u205f\u3000]"),
    re.compile("[\u200b\u200e\u200f\u2060\ufeff]"),
)


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a label table; all but `cell_id` and `label` may be empty if there is no such column.

    Args:
        cell_id: one column, or several whose values together are the id.
        label, patient, site, split: one column each.
    """

    cell_id: tuple[str, ...] = ("cell_id",)
    label: str = "label"
    patient: str = ""
    site: str = ""
    split: str = ""


@dataclass(frozen=True)
class LabelRow:
    """One row of a label table. Every value may be empty."""

    label: str
    patient: str = ""
    site: str = ""
    split: str = ""


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
    names["--split-column"] = columns.split
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


def labels_of_cells(
    path: str | Path, columns: Columns, cells: Collection[str], names: Names | None = None, **table_format: Any
) -> Labels:
    """Reads a label table, and finds the cell of each row.

    The parts of an id may be in several columns. A column that has the name of a group of the cell id is that group, in
    whatever order the columns are given. If only one of two columns is given, the patient may be the other one.

    Args:
        path: path of the table.
        columns: names of its columns.
        cells: ids of the cells.
        names: the naming of the files, for the groups of an id and the names of the channels; None without templates.
        table_format: `delimiter`, `skip_lines` and `sheet`, as in `read_labels`.

    Returns:
        Rows by cell id; those without a cell keep the id of the table.

    Raises:
        ManifestError: as `read_labels` and `match_ids`; columns of which it is not plain which one is the patient.
        DependencyError: as `read_labels`.
    """
    if names is None:
        return _by_cell(read_labels(path, columns, **table_format), path, cells, None)
    orders = _orders(columns, names)
    tables: dict[tuple[str, ...], tuple[int, Labels]] = {}
    unread, unmatched = [], []
    for order in orders:
        try:
            table = read_labels(path, replace(columns, cell_id=order), names.compose_values, **table_format)
        except ManifestError as error:
            unread.append(error)
            continue
        try:
            table = _by_cell(table, path, cells, names)
        except ManifestError as error:
            unmatched.append(error)
            continue
        tables[order] = sum(one in cells for one in table.rows), table
    if not tables:
        raise (unmatched or unread)[0]
    permuted = [order for order in tables if sorted(order) == sorted(columns.cell_id)]
    if len(permuted) > 1:
        raise _two_orders(permuted, tables, names, path)
    best = max(tables, key=lambda order: tables[order][0])
    table = tables[best][1]
    if best != columns.cell_id and best in permuted:
        named = ", ".join(map(repr, best))
        return replace(table, notes=(*table.notes, f"columns of the id read in the order of the files: {named}"))
    return table


def _orders(columns: Columns, names: Names) -> list[tuple[str, ...]]:
    """Columns that together may be the cell id, each in the order of its groups; the most likely first."""
    groups = [*names.id_groups, *(["plane"] if names.naming.planes == "cells" else [])]
    own = {plain(group).removesuffix("id"): group for group in groups}
    told = {"patient": columns.patient, "site": columns.site}
    known = {column: group for group, column in told.items() if column and group in groups}
    given = {name: known.get(name) or own.get(plain(name).removesuffix("id")) for name in columns.cell_id}
    if len(columns.cell_id) < len(groups):
        place = {group: column for column, group in known.items() if column not in columns.cell_id}
        rest = [group for group in groups if group not in place]
        if place and len(rest) == len(columns.cell_id):
            return [columns.cell_id, *_filled(groups, place, given)]
    if 1 < len(columns.cell_id) == len(groups):
        return _filled(groups, {}, given)
    return [columns.cell_id]


def _filled(groups: Sequence[str], place: Mapping[str, str], given: Mapping[str, str | None]) -> list[tuple[str, ...]]:
    """Columns in the order of the groups: those with a place, those that name their group, and the others anyhow."""
    named = {group: column for column, group in given.items() if group and group not in place}
    if len(named) < sum(bool(group) for group in given.values()):
        named = {}  # Two columns name one group.
    place = {**place, **named}
    rest, free = [column for column in given if column not in place.values()], [g for g in groups if g not in place]
    filled = ({**place, **dict(zip(free, order, strict=True))} for order in permutations(rest))
    return [tuple(one[group] for group in groups) for one in filled]


def _by_cell(table: Labels, path: str | Path, cells: Collection[str], names: Names | None) -> Labels:
    """The table with the ids of the cells in place of its own, which may differ in spelling."""
    if all(one in cells for one in table.rows):
        return table
    channels = {"channels": names.channels} if names else {}
    matched, notes = match_ids(table.rows, cells, table=path, **channels)
    if not notes:
        return table
    rows = DiskDict(LabelRow)
    for one, row in table.rows.items():
        rows[matched.get(one, one)] = row
    return Labels(rows, (*table.notes, *notes))


def _two_orders(
    orders: Sequence[tuple[str, ...]],
    tables: Mapping[tuple[str, ...], tuple[int, Labels]],
    names: Names,
    path: str | Path,
) -> ManifestError:
    """The error for columns whose values fit the ids of the files in several orders, as numbers do."""
    counts = " and ".join(f"{tables[order][0]} as {'/'.join(order)}" for order in orders)
    moving = [column for column, other in zip(orders[0], orders[1], strict=True) if column != other]
    fix = f"rename the columns as in the cell id, {names.cell_id}"
    if "patient" in names.id_groups:
        choice = " or ".join(f"--patient-column {shlex.quote(one)}" for one in moving)
        fix = f"say which one is the patient: {choice}; or {fix}"
    return ManifestError(f"its id columns fit cells in several orders: {counts}", path=path, fix=fix)


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
