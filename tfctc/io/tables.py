"""Tables that a user gives: `read_table` reads a text table or a spreadsheet, and says what it recognised."""

import math
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tfctc.errors import ManifestError, TfctcError
from tfctc.io.delimited import read_delimited
from tfctc.io.encodings import BLANKS
from tfctc.io.headers import TableRequest
from tfctc.io.names import normalised
from tfctc.io.regular import NotRegularError, open_regular
from tfctc.io.spreadsheets import read_spreadsheet

#: First bytes of files that are no text.
KINDS = {
    b"\xd0\xcf\x11\xe0": "an old Excel file (.xls), or protected by a password",
    b"\x1f\x8b": "compressed (gzip)",
    b"BZh9": "compressed (bzip2)",
    b"\xfd7zXZ": "compressed (xz)",
    b"\x28\xb5\x2f\xfd": "compressed (Zstandard)",
    b"%PDF-": "a PDF file",
    b"{\\rtf": "a text document (RTF)",
    b"PAR1\x15": "a Parquet file",
    b"SQLite format 3": "an SQLite file",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy file",
    b"FCS2.": "a flow cytometry file (FCS)",
    b"FCS3.": "a flow cytometry file (FCS)",
    b"\x89PNG": "an image (PNG)",
    b"II*\0": "an image (TIFF)",
    b"MM\0*": "an image (TIFF)",
    b"\xff\xd8\xff": "an image (JPEG)",
}
#: A file in a ZIP archive -> what the archive is.
ARCHIVES = {
    "xl/workbook.bin": "a binary Excel file (.xlsb)",
    "content.xml": "an OpenDocument file (.ods)",
    "Index/Document.iwa": "a Numbers file",
    "word/document.xml": "a Word document",
}
#: Values that a spreadsheet leaves where a formula fails or a column is too narrow: #N/A, #REF!, #NAME?, #NV, ####.
FAILED = re.compile(r"#(?:N/A|N/D|NV|[^\W\d_][^\W_]*(?:/0)?[!?]|#+)|Err:\d{3}")
#: A number as spreadsheets and R show it if it is long. Not 1E05 and 12E-03, which can be the name of a well.
SHORTENED = re.compile(r"\d(?:[.,]\d+)?[eE]\+\d{2,3}|\d[.,]\d+[eE]-\d{2,3}|\de-\d{2,3}")
#: Text that is kept from being read as a number: ="0001".
QUOTED = re.compile(r'="([^"]*)"')
#: First characters of what the three expressions above match.
SUSPECT = frozenset("#=E0123456789")
#: Ending of a file name.
FILE = re.compile(r"\.[A-Za-z]{3,4}\s*$")
#: Digits in groups of three.
GROUPED = re.compile(r"[1-9]\d{0,2}(?P<sign>[., '\u2019])\d{3}(?:(?P=sign)\d{3})*")


@dataclass(frozen=True)
class Table:
    """A table, read row by row while `rows` is iterated over. As a context manager it closes its file.

    Args:
        header: names of the columns, stripped and in Unicode normal form C; "" for a column without a name.
        positions: needed column -> its place in `header` and in each row. The header may write it in another case.
        rows: line number in the file, as an editor or a spreadsheet shows it (the last line, if a row has several),
            and the values of each row that is not blank, as many as in the header. Values of needed columns are
            stripped and checked; the others are as in the file. All are text.
        notes: what was recognised, one phrase each.
        file: the file that `rows` reads.
    """

    header: tuple[str, ...]
    positions: Mapping[str, int]
    rows: Iterator[tuple[int, list[str]]]
    notes: tuple[str, ...]
    file: BinaryIO = field(repr=False)

    def __enter__(self) -> "Table":
        return self

    def __exit__(self, *exception: object) -> None:
        self.file.close()


def read_table(
    path: str | Path,
    needed: Sequence[str],
    *,
    options: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    skip_lines: int | None = None,
    sheet: str | None = None,
    error: type[TfctcError] = ManifestError,
) -> Table:
    """Reads a table: CSV or other delimited text in any common encoding, or an Excel file (.xlsx).

    The header is the first line with all needed columns. It also tells the delimiter, and the sheet of an Excel file.

    Args:
        path: path of the file.
        needed: names of the columns that must be there, each once. They hold ids and other text, not measurements.
        options: needed column -> option of the command by which the user names it, for messages; None if the command
            has no options for tables.
        delimiter: character between columns; None recognises it.
        skip_lines: number of lines above the header; None recognises the header.
        sheet: name of the sheet of an Excel file; None takes the only one with the needed columns.
        error: class of the errors.

    Raises:
        TfctcError: `error`, for a file that is no table, has no or two headers with the needed columns, or a needed
            column twice. `rows` raises it for a row with more or fewer values than the header, and for a needed value
            that a spreadsheet has replaced by an error, a date or a shortened number. A value that is also in a
            file name in its row, as 1E+05 in P1/1E+05_BF.tif, has not been replaced.
        DependencyError: an Excel file, and openpyxl is not installed.
    """
    names = tuple(dict.fromkeys(map(normalised, needed)))
    named = None if options is None else {normalised(name): option for name, option in options.items()}
    request = TableRequest(Path(path), names, named, delimiter, skip_lines, sheet, error)
    file = _opened(request)
    try:
        reader = read_spreadsheet if _is_spreadsheet(file, request) else read_delimited
        header, rows, tidy = reader(file, request)
    except BaseException:
        file.close()
        raise
    checked = _checked(rows, len(header.names), header.positions, request, tidy)
    return Table(header.names, header.positions, checked, header.notes, file)


def parse_number(text: str) -> float:
    """The number that a text stands for, with a decimal point or a decimal comma: 0.64 and 0,64.

    Digits may be in groups of three: 1,234.5 and 1.234,5 and 1 234,5. A point alone is a decimal point, 1.234; a comma
    alone before three digits can be either.

    Raises:
        ValueError: no finite number, or one that can be read in two ways, such as 1,234.
    """
    value = text.strip(BLANKS).replace("\u2212", "-").replace("\xa0", " ").replace("\u202f", " ")
    sign, digits = ("-", value[1:]) if value[:1] == "-" else ("", value.removeprefix("+"))
    mark = max(digits.rfind("."), digits.rfind(","))
    if GROUPED.fullmatch(digits) and digits.count(",") == 1:
        whole, _, part = digits.partition(",")
        raise ValueError(f"{text!r} can be {whole}{part} or {whole}.{part}; write it with a decimal point")
    if (group := GROUPED.fullmatch(digits)) and (digits.count(group["sign"]) > 1 or group["sign"] not in ".,"):
        digits = digits.replace(group["sign"], "")
    elif mark > 0 and (group := GROUPED.fullmatch(digits[:mark])) and group["sign"] != digits[mark]:
        digits = digits[:mark].replace(group["sign"], "") + "." + digits[mark + 1 :]
    elif digits.count(",") == 1:
        digits = digits.replace(",", ".")
    if not re.fullmatch(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", digits, re.ASCII):
        raise ValueError(f"a number is expected, such as 0.64 or 0,64, got {text!r}")
    if math.isinf(number := float(sign + digits)):
        raise ValueError(f"a finite number is expected, got {text!r}")
    return number


def _opened(request: TableRequest) -> BinaryIO:
    try:
        return open_regular(request.path)
    except NotRegularError as error:
        raise request.refusal(f"cannot be read ({error})", "save the table as a file, and give that") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise request.refusal(f"cannot be read ({reason})", "check path and permissions") from None


def _is_spreadsheet(file: BinaryIO, request: TableRequest) -> bool:
    """Whether the file is an Excel file rather than text, whatever its name ends in; raises for other formats."""
    start = file.read(16)
    file.seek(0)
    kind = next((name for first, name in KINDS.items() if start.startswith(first)), None)
    if start.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(file) as archive:
                names = set(archive.namelist())
        except zipfile.BadZipFile:
            names = set()
        file.seek(0)
        if "xl/workbook.xml" in names:
            return True
        kind = next((name for inside, name in ARCHIVES.items() if inside in names), "a ZIP archive, or damaged")
    if kind:
        fix = (
            "unpack it"
            if kind.startswith("compressed") or "ZIP" in kind
            else "save the table as .xlsx or as CSV in UTF-8"
        )
        raise request.refusal(f"is {kind}, a table is expected", fix)
    return False


def _checked(
    rows: Iterator[tuple[int, list[str]]],
    width: int,
    positions: Mapping[str, int],
    request: TableRequest,
    tidy: bool,
) -> Iterator[tuple[int, list[str]]]:
    """Yields the rows that are not blank with `width` values; the needed ones stripped and checked, unless `tidy`."""
    for line, row in rows:
        if len(row) != width:
            row = _fitted(line, row, width, positions, request)
        if not tidy:
            for name, place in positions.items():
                value = row[place] = row[place].strip(BLANKS)
                if value[:1] in SUSPECT and not _is_in_file_name(value, row):
                    row[place] = _undamaged(value, line, name, request)
        if any(row) and (tidy or any(map(str.strip, row))):
            yield line, row


def _fitted(line: int, row: list[str], width: int, positions: Mapping[str, int], request: TableRequest) -> list[str]:
    """A row of `width` values: empty ones at its end are left out, and those of columns that are not needed added."""
    given = len(row)
    if not any(value.strip(BLANKS) for value in row):
        return [""] * width
    if any(value.strip(BLANKS) for value in row[width:]) or given <= max(positions.values()):
        problem = f"line {line} has {given} value{'s' * (given != 1)}, {width} expected as in the header"
        raise request.refusal(problem, "correct it, and quote values in which there is a delimiter")
    return [*row[:width], *[""] * (width - given)]


def _is_in_file_name(value: str, row: Sequence[str]) -> bool:
    """Whether a value is a part of a file name in its row, as an id is of its image's: then it is as it was entered."""
    return any(value in other and FILE.search(other, len(value)) for other in row)


def _undamaged(text: str, line: int, name: str, request: TableRequest) -> str:
    """A needed value as it was entered; raises for one that a spreadsheet has replaced."""
    if text[:1] == "=" and (quoted := QUOTED.fullmatch(text)):
        text = quoted[1].strip(BLANKS)
    if FAILED.fullmatch(text):
        fix = "correct its formula or make its column wider in the spreadsheet, and save it again"
        raise request.refusal(f"line {line} has {text} in column {name!r}, an error of a spreadsheet", fix)
    if SHORTENED.fullmatch(text):
        fix = f"format the column as text before the {name} is entered, and save the table again"
        raise request.refusal(f"line {line} has {text!r} in column {name!r}: a spreadsheet has shortened it", fix)
    return text
