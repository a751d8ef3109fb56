"""Label tables: the label of each cell, and its patient and site where the path does not contain them."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfctc.errors import ManifestError
from tfctc.io.names import normalised


@dataclass(frozen=True)
class Columns:
    """Names of the table's columns; patient and site are optional."""

    cell_id: str = "cell_id"
    label: str = "label"
    patient: str = ""
    site: str = ""


@dataclass(frozen=True)
class LabelRow:
    """One row of the table."""

    label: str
    patient: str = ""
    site: str = ""


def read_labels(path: str | Path, columns: Columns = Columns()) -> dict[str, LabelRow]:  # noqa: B008  (frozen)
    """Cell id -> its row of the CSV file; all text as `io.names.normalised` gives it.

    Raises:
        ManifestError: unreadable, a column that is not there or there twice, no row, one with too few or too many
            values, an empty or a repeated id.
    """
    path, known = Path(path), {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            wanted = tuple(map(normalised, (columns.cell_id, columns.label, columns.patient, columns.site)))
            columns_there = reader.fieldnames = list(map(normalised, reader.fieldnames or []))
            for name in filter(None, wanted):
                if columns_there.count(name) != 1:
                    count = "several columns" if name in columns_there else "no column"
                    # Quoted: blanks and a wrong separator are seen.
                    problem = f"has {count} {name!r} (columns: {', '.join(map(repr, columns_there)) or 'none'})"
                    fix = "name it with --id-column, --label-column and so on"
                    if len(columns_there) == 1 and {";", "\t"} & set(*columns_there):
                        fix = "separate them by commas"
                    raise ManifestError(problem, path=path, fix=fix)
            for row in reader:
                line = f"line {reader.line_num}"
                # So DictReader marks values that are too many, or wanting.
                if None in row or None in row.values():
                    fix = "separate them by commas, and quote those that hold one"
                    raise ManifestError(f"{line} has not {len(columns_there)} values", path=path, fix=fix)
                if not any(map(str.strip, row.values())):  # So a spreadsheet writes a row that was emptied.
                    continue
                cell_id, *rest = (normalised(row[name].strip()) if name else "" for name in wanted)
                if not cell_id or cell_id in known:
                    problem = f"{line} repeats cell {cell_id}" if cell_id else f"{line} has no id"
                    raise ManifestError(problem, path=path, fix="keep one row a cell")
                known[cell_id] = LabelRow(*rest)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"cannot be read ({error})", path=path, fix="save it as CSV in UTF-8") from None
    if not known:
        raise ManifestError("has no row below its header", path=path, fix="add a row a cell, or leave out --labels")
    return known


def class_of(
    label: str, mapping: Mapping[str, str], classes: tuple[str, str], where: str, table: str | Path | None = None
) -> str:
    """A label of a cell, `where`, of a `table` as one of `classes`, or empty for none.

    Raises:
        ManifestError: a label that is neither mapped nor a class.
    """
    label = mapping.get(label, label)
    if label and label not in classes:
        # One class alone is offered only where it is the same word.
        likely = [name for name in classes if name.casefold() == label.casefold()] or classes
        choices = " or ".join(f"--map {label}={name}" for name in likely)
        raise ManifestError(
            f"{where}: unknown label {label!r}, classes are {' and '.join(classes)}",
            path=table,
            fix=f"{choices}, --drop {label}, or other --classes",
        )
    return label
