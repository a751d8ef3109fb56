"""Text tables: recognises the encoding and the delimiter of a file, and reads it row by row."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from tfctc.io.encodings import BLANKS, find_encoding
from tfctc.io.headers import SAVE, Head, Header, TableRequest, find_header, missing_columns
from tfctc.io.names import normalised

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
#: All characters of a line without a name.
EMPTY = BLANKS + "".join(DELIMITERS)
#: Spellings of a tab on a command line.
TAB = ("\\t", "tab")
#: The header is searched in so many lines and characters.
HEAD_LINES, HEAD_SIZE = 200, 2**20
#: First line by which Excel is told the delimiter.
SEPARATOR = re.compile(r'"?sep=(?P<delimiter>\\t|[^"])"?[,;\t|]*', re.IGNORECASE)


def read_delimited(file: BinaryIO, request: TableRequest) -> tuple[Header, Iterator[tuple[int, list[str]]], bool]:
    """Reads a text table.

    Args:
        file: the file, at its begin. It is closed at the end of the iterator.
        request: the table, its needed columns, and what the user says of its layout.

    Returns:
        The header; an iterator of line number (of a row's last line) and values; whether no value has to be stripped
        or refused.

    Raises:
        TfctcError: `request.error`, for a file that is not text, has no header with the needed columns, or has
            one for each of two delimiters. The iterator raises it for a row that cannot be read.
    """
    if request.sheet is not None:
        raise request.refusal("is a text table, which has no sheets", "leave out --sheet")
    encoding, notes, tidy = find_encoding(file, request)
    text = io.TextIOWrapper(file, encoding, newline="")
    header = _find_header(list(islice(io.StringIO(text.read(HEAD_SIZE), newline=""), HEAD_LINES)), request)
    text.seek(0)
    rows = _rows(text, header, request)
    header = Header(header.choice, header.line, header.names, header.positions, (*notes, *header.notes))
    return header, rows, tidy and header.choice in DELIMITERS


def _find_header(lines: list[str], request: TableRequest) -> Header:
    separator = SEPARATOR.fullmatch(lines[0].rstrip("\r\n")) if lines else None
    told = separator["delimiter"] if separator else None
    first = max(request.skip_lines or 0, 1 if told else 0)
    given = _delimiter(request)
    choices = [given] if given else list(dict.fromkeys([*([_tab(told)] if told else []), *DELIMITERS]))
    heads = [Head(choice, _head(lines, first, choice, request.skip_lines is not None)) for choice in choices]
    notes: tuple[str, ...] = ()
    header = find_header(heads[:1], request, "delimiter") if told else None
    if header is None:
        header = find_header(heads, request, "delimiter")
        if header is None:
            raise missing_columns(heads, request)
        separated = DELIMITERS.get(header.choice, repr(header.choice))
        if told and not given:
            notes = (f"separated by {separated}, although the first line is sep={told}",)
        elif header.choice != "," and not given:
            notes = (f"separated by {separated}",)
    return Header(header.choice, header.line, header.names, header.positions, (*notes, *header.notes))


def _delimiter(request: TableRequest) -> str | None:
    """The delimiter that the user gives."""
    given = request.delimiter and _tab(request.delimiter)
    if given is not None and (len(given) != 1 or given in '"\r\n'):
        fix = r"give ',', ';', '|' or '\t'"
        raise request.refusal(f"--delimiter must be one character, got {request.delimiter!r}", fix)
    return given


def _tab(delimiter: str) -> str:
    return "\t" if delimiter.lower() in TAB else delimiter


def _head(lines: list[str], first: int, delimiter: str, only_one: bool) -> list[tuple[int, list[str]]]:
    """Number and names of each line that is not blank, read as if it were the header.

    Each line begins anew: what stands above a header need not be a table, and may hold single quotation marks.
    """
    head = []
    for i in range(first, len(lines)):
        if not lines[i].strip(EMPTY):
            continue
        try:
            row = next(csv.reader(islice(lines, i, None), delimiter=delimiter, strict=True), [])
        except csv.Error:
            continue
        names = [normalised(name.strip(BLANKS)) for name in row]
        while names and not names[-1]:  # Spreadsheets save columns that were emptied.
            names.pop()
        if names:
            head.append((i + 1, names))
            if only_one:
                break
    return head


def _rows(text: io.TextIOWrapper, header: Header, request: TableRequest) -> Iterator[tuple[int, list[str]]]:
    """Yields line number and values of every row below the header; closes the file at its end."""
    above = line = header.line - 1
    with text:
        try:
            for _ in range(above):
                text.readline()
            reader = csv.reader(text, delimiter=header.choice, strict=True)
            next(reader)
            line += reader.line_num
            for row in reader:
                line = above + reader.line_num
                yield line, row
        except csv.Error as error:
            fix = "close its quotation marks, and write those inside a value twice"
            raise request.refusal(f"the row that begins on line {line + 1} cannot be read ({error})", fix) from None
        except (OSError, UnicodeDecodeError) as error:
            raise request.refusal(f"cannot be read ({error})", f"make it readable, and {SAVE}") from None
