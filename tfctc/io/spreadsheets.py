"""Excel files (.xlsx): reads one sheet row by row, with the values that the spreadsheet shows."""

import contextlib
import re
import warnings
import zipfile
from collections.abc import Iterator
from datetime import date, time, timedelta
from functools import cache
from itertools import islice
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

from tfctc.errors import DependencyError
from tfctc.io.encodings import BLANKS
from tfctc.io.headers import SAVE, Head, Header, TableRequest, find_header, missing_columns
from tfctc.io.names import normalised

#: The header is searched in so many rows.
HEAD_ROWS = 200
#: A spreadsheet keeps so many digits of a number.
DIGITS = 15
#: Begin of a formula in the XML of a sheet.
FORMULA = re.compile(rb"[<:]f[ >/]")


def read_spreadsheet(file: BinaryIO, request: TableRequest) -> tuple[Header, Iterator[tuple[int, list[str]]], bool]:
    """Reads an Excel file.

    Args:
        file: the file, at its begin. It is closed at the end of the iterator.
        request: the table, its needed columns, and what the user says of its layout.

    Returns:
        The header; an iterator of row number and values as text; False: values have to be stripped and checked.

    Raises:
        DependencyError: openpyxl is not installed.
        TfctcError: `request.error`, for a damaged file, no sheet with the needed columns, or several. The iterator
            raises it for a needed cell that holds a date, a number of too many digits, or a formula without a value.
    """
    if request.delimiter is not None:
        raise request.refusal("is an Excel file, which has no delimiter", "leave out --delimiter")
    with _damage(request):
        book = _load(file, request, data_only=True)
        sheets = {sheet.title: sheet for sheet in book.worksheets if sheet.sheet_state == "visible"}
        if request.sheet is not None:
            sheets = {sheet.title: sheet for sheet in book.worksheets if sheet.title == request.sheet}
            if not sheets:
                shown = ", ".join(repr(sheet.title) for sheet in book.worksheets)
                raise request.refusal(f"has no sheet {request.sheet!r}", f"give one of these by --sheet: {shown}")
        heads = [Head(name, _head(sheet, request.skip_lines)) for name, sheet in sheets.items()]
        filled = [head for head in heads if head.lines]
        header = find_header(filled, request, "sheet")
        if header is None:
            raise missing_columns(filled, request)
        notes = (f"only sheet {header.choice!r} read",) if len(filled) > 1 else ()
        rows = _rows(file, sheets[header.choice], header, request)
    return Header(header.choice, header.line, header.names, header.positions, (*notes, *header.notes)), rows, False


def _load(file: BinaryIO, request: TableRequest, *, data_only: bool) -> Any:
    try:
        from openpyxl import load_workbook
    except ImportError:
        fix = f"pip install 'tfctc[formats]', or {SAVE}"
        raise DependencyError(
            "openpyxl, which reads Excel files, is not installed", path=request.path, fix=fix
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # About styles and filters, which are not read.
        book = load_workbook(file, read_only=True, data_only=data_only)
    for sheet in book.worksheets:
        sheet.reset_dimensions()  # Some programs write wrong ones.
    return book


def _head(sheet: Any, skip_lines: int | None) -> list[tuple[int, list[str]]]:
    """Number and names of each row that is not blank."""
    head = []
    first = skip_lines or 0
    for number, row in enumerate(islice(sheet.iter_rows(), first, first + HEAD_ROWS), first + 1):
        names = [normalised(_shown(cell).strip(BLANKS)) for cell in row]
        while names and not names[-1]:
            names.pop()
        if names:
            head.append((number, names))
            if skip_lines is not None:
                break
    return head


def _rows(file: BinaryIO, sheet: Any, header: Header, request: TableRequest) -> Iterator[tuple[int, list[str]]]:
    """Yields number and values of every row below the header; closes the file at its end."""

    @cache
    def formulas() -> set[str]:
        """Addresses of the needed cells with a formula: a formula without a value looks like an empty cell."""
        if not _has_formulas(file):
            return set()
        other = _load(file, request, data_only=False)[sheet.title]
        rows = other.iter_rows(min_row=header.line + 1)
        cells = (row[i] for row in rows for i in header.positions.values() if i < len(row))
        return {cell.coordinate for cell in cells if cell.data_type == "f"}

    needed = {place: name for name, place in header.positions.items()}
    with file, _damage(request):
        for number, row in enumerate(islice(sheet.iter_rows(), header.line, None), header.line + 1):
            values = [_shown(cell) for cell in row]
            for place, name in needed.items():
                if place < len(row) and row[place].value is not None:
                    _check(row[place], name, request)
                elif (address := f"{_letters(place)}{number}") in formulas():
                    fix = "open it in the spreadsheet and save it there, or save it as CSV in UTF-8"
                    raise request.refusal(f"cell {address} has a formula without a value", fix)
            yield number, values + [""] * (len(header.names) - len(values))


def _has_formulas(file: BinaryIO) -> bool:
    """Whether a sheet has a formula. This takes a hundredth of the time of reading the sheets."""
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if name.startswith("xl/worksheets/") and name.endswith(".xml"):
                with archive.open(name) as sheet:
                    before = b""
                    while chunk := sheet.read(2**20):
                        if FORMULA.search(before + chunk):
                            return True
                        before = chunk[-3:]
    return False


def _check(cell: Any, name: str, request: TableRequest) -> None:
    """Raises for the value of a needed cell that is not what was entered."""
    value = cell.value
    if isinstance(value, date | time | timedelta):
        shown = value.isoformat() if isinstance(value, date | time) else str(value)
        problem = f"cell {cell.coordinate} (column {name!r}) holds the date {shown}"
        fix = "format the column as text, and enter the value again: spreadsheets make dates of values such as 3-1"
        raise request.refusal(problem, fix)
    if isinstance(value, int | float) and abs(value) >= 10**DIGITS:
        problem = f"cell {cell.coordinate} (column {name!r}) holds a number of more than {DIGITS} digits"
        fix = "format the column as text, and enter the value again: spreadsheets do not keep the other digits"
        raise request.refusal(problem, fix)


def _shown(cell: Any) -> str:
    """Text of a cell as the spreadsheet shows it: 12 for 12.0, 0012 if the cell has the format 0000."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer() and abs(value) < 10**DIGITS:
        value = int(value)
    if isinstance(value, int) and re.fullmatch("0{2,}", cell.number_format):
        return str(value).zfill(len(cell.number_format))
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


def _letters(place: int) -> str:
    """Letters of a column in an address: A for 0, AA for 26."""
    return ("" if place < 26 else _letters(place // 26 - 1)) + chr(ord("A") + place % 26)


@contextlib.contextmanager
def _damage(request: TableRequest) -> Iterator[None]:
    """Raises what openpyxl raises for a damaged file as the error of the table."""
    try:
        yield
    except (
        OSError,
        zipfile.BadZipFile,
        ParseError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        EOFError,
    ) as error:
        problem = f"cannot be read as an Excel file ({type(error).__name__}: {error})"
        raise request.refusal(problem, f"open it in a spreadsheet, and save it again as .xlsx, or {SAVE}") from None
