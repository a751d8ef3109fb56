"""Label tables: CSV files with the label of each cell, and its patient and site if the path does not contain them."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfctc.errors import ManifestError
from tfctc.io.names import normalised


@dataclass(frozen=True)
class Columns:
    """Names of the columns of a label table; `patient` and `site` may be empty if there is no such column."""

    cell_id: str = "cell_id"
    label: str = "label"
    patient: str = ""
    site: str = ""


@dataclass(frozen=True)
class LabelRow:
    """One row of a label table. Every value may be empty."""

    label: str
    patient: str = ""
    site: str = ""


def read_labels(path: str | Path, columns: Columns = Columns()) -> dict[str, LabelRow]:  # noqa: B008  (frozen)
    """Reads a label table: cell id -> row. All text is in Unicode normal form C.

    Args:
        path: path of the CSV file, in UTF-8 and with a header.
        columns: names of its columns.

    Raises:
        ManifestError: a file that cannot be read, a missing or repeated column, no row, a row with too few or too many
            values, an empty or repeated id.
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
                    # Quoted, so that white space and a wrong separator can be seen.
                    problem = f"has {count} {name!r} (columns: {', '.join(map(repr, columns_there)) or 'none'})"
                    fix = "name it with --id-column, --label-column and so on"
                    if len(columns_there) == 1 and {";", "\t"} & set(*columns_there):
                        fix = "save the table with commas between columns"
                    raise ManifestError(problem, path=path, fix=fix)
            for row in reader:
                line = f"line {reader.line_num}"
                # DictReader gives surplus values the key None, and missing values the value None.
                if None in row or None in row.values():
                    fix = "separate values by commas, and quote those that contain one"
                    problem = f"{line} has more or fewer values than the {len(columns_there)} columns"
                    raise ManifestError(problem, path=path, fix=fix)
                if not any(map(str.strip, row.values())):  # Spreadsheets save such rows where one was emptied.
                    continue
                cell_id, *rest = (normalised(row[name].strip()) if name else "" for name in wanted)
                if not cell_id:
                    raise ManifestError(f"{line} has no id", path=path, fix="fill it in, or delete the line")
                if cell_id in known:
                    raise ManifestError(f"{line} repeats cell {cell_id}", path=path, fix="keep one row for each cell")
                known[cell_id] = LabelRow(*rest)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        fix = "make it readable, and save it as CSV in UTF-8"
        raise ManifestError(f"cannot be read ({error})", path=path, fix=fix) from None
    if not known:
        fix = "add a row for each cell, or leave out --labels"
        raise ManifestError("has no row below its header", path=path, fix=fix)
    return known


def class_of(
    label: str, mapping: Mapping[str, str], classes: tuple[str, str], where: str, table: str | Path | None = None
) -> str:
    """Class name of a label; empty for an unlabelled cell.

    Args:
        label: label in the table.
        mapping: label in the table -> class name; an empty name makes a cell unlabelled.
        classes: names of the negative and the positive class.
        where: name of the cell, for the message.
        table: path of the label table, for the message.

    Raises:
        ManifestError: a label that is neither mapped nor a class.
    """
    label = mapping.get(label, label)
    if label and label not in classes:
        # A class that is the same word in another case is suggested alone.
        likely = [name for name in classes if name.casefold() == label.casefold()] or classes
        choices = " or ".join(f"--map {label}={name}" for name in likely)
        raise ManifestError(
            f"{where}: unknown label {label!r}, classes are {' and '.join(classes)}",
            path=table,
            fix=f"give {choices}, --drop {label}, or other --classes",
        )
    return label
