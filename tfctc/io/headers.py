"""Header of a table: the first line that has all needed columns, or advice where there is none."""

import difflib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfctc.errors import TfctcError

#: Number of columns that a message lists.
LISTED = 20
SAVE = "save it as CSV in UTF-8"


@dataclass(frozen=True)
class TableRequest:
    """One call of `tfctc.io.tables.read_table`, with the meaning of its arguments."""

    path: Path
    needed: tuple[str, ...]
    options: Mapping[str, str] | None
    delimiter: str | None
    skip_lines: int | None
    sheet: str | None
    error: type[TfctcError]

    def refusal(self, problem: str, fix: str) -> TfctcError:
        """The error to raise about this table."""
        return self.error(problem, path=self.path, fix=fix)

    def choice(self, option: str, values: Iterable[str], otherwise: str) -> str:
        """Advice to choose by an option; `otherwise` if the command has no options for tables."""
        if self.options is None:
            return otherwise
        return "give " + " or ".join(f"{option} {shlex.quote(value)}" for value in values)


@dataclass(frozen=True)
class Head:
    """The first lines of a table as one delimiter or sheet gives them.

    Args:
        choice: delimiter or name of the sheet.
        lines: number and values of each line that is not blank, stripped and in Unicode normal form C.
    """

    choice: str
    lines: Sequence[tuple[int, list[str]]]


@dataclass(frozen=True)
class Header:
    """The header of a table.

    Args:
        choice: delimiter or sheet that yields it.
        line: number of its first line.
        names: names of the columns; "" for a column without a name.
        positions: needed column -> its place in `names`.
        notes: what was recognised.
    """

    choice: str
    line: int
    names: tuple[str, ...]
    positions: Mapping[str, int]
    notes: tuple[str, ...]


def find_header(heads: Sequence[Head], request: TableRequest, kind: str) -> Header | None:
    """The header with all needed columns, or None.

    Names that are equal count before those that differ in case and in what is neither letter nor digit.

    Args:
        heads: the first lines, for each delimiter or sheet.
        request: the table and its needed columns.
        kind: "delimiter" or "sheet".

    Raises:
        TfctcError: `request.error`, if two delimiters or sheets yield different headers, or a needed column is there
            twice.
    """
    for same in (str, _loose):
        wanted = set(map(same, request.needed))
        found: list[tuple[str, int, list[str]]] = []
        for head in heads:
            fits = ((head.choice, line, names) for line, names in head.lines if wanted <= set(map(same, names)))
            found += [first for first in (next(fits, None),) if first]
        if len(found) > 1 and (kind == "sheet" or any(other[1:] != found[0][1:] for other in found)):
            raise _ambiguous([choice for choice, _, _ in found], request, kind)
        if found:
            choice, line, names = found[0]
            above = sum(number < line for head in heads if head.choice == choice for number, _ in head.lines)
            positions = {name: _position(name, names, request) for name in request.needed}
            notes = [f"{above} line{'s' * (above > 1)} above the header skipped"] if above else []
            notes += [f"column {names[i]!r} read as {name!r}" for name, i in positions.items() if names[i] != name]
            return Header(choice, line, tuple(names), positions, tuple(notes))
    return None


def missing_columns(heads: Sequence[Head], request: TableRequest) -> TfctcError:
    """The error about a table in which `find_header` finds nothing: the columns it has, and how to name the right one.

    The likeliest header is shown: the line that has most of the needed columns, or most names.
    """
    rows = [(head.choice, line, names) for head in heads for line, names in head.lines]
    if not rows:
        return request.refusal("holds no text below its first lines" if request.skip_lines else "is empty", "fill it")
    if rows[0][2][0][:1] in ("{", "[", "<"):
        return request.refusal("looks like JSON, HTML or XML, a table is expected", SAVE)
    wanted = set(map(_loose, request.needed))

    def likely(row: tuple[str, int, list[str]]) -> tuple[int, int]:
        return len(wanted & set(map(_loose, row[2]))), sum(any(map(str.isalpha, name)) for name in row[2])

    _, line, names = max(rows, key=likely)  # The first of the best.
    missing = [name for name in request.needed if _loose(name) not in map(_loose, names)]
    listed = ", ".join(map(repr, names[:LISTED])) + (f" and {len(names) - LISTED} more" if names[LISTED:] else "")
    plural = "s" if len(missing) > 1 else ""
    problem = f"has no column{plural} {', '.join(map(repr, missing))} (columns on line {line}: {listed})"
    return request.refusal(problem, _advice(missing, names, request))


def _advice(missing: Sequence[str], names: Sequence[str], request: TableRequest) -> str:
    named = list(filter(None, names))
    if len(named) == 1 and all(_loose(name) in _loose(named[0]) for name in request.needed):
        if request.options is None:
            return "save it with commas between the columns"
        return f"give {'another' if request.delimiter else 'the'} character between its columns by --delimiter"
    keys = {_loose(name): name for name in reversed(named)}
    near = {name: difflib.get_close_matches(_loose(name), keys, 1) for name in missing}
    if request.options is None:
        renamed = [f"rename {keys[key]!r} to {name!r}" for name, found in near.items() for key in found]
        return " and ".join(renamed) or "add what is missing to the header"
    given = [f"{request.options[name]} {shlex.quote(keys[key])}" for name, found in near.items() for key in found]
    if len(given) == len(missing):
        return f"did you mean {' '.join(given)}?"
    advice = f"name it with {' and '.join(dict.fromkeys(request.options[name] for name in missing))}"
    return f"{advice}, or give another --skip-lines" if request.skip_lines is not None else advice


def _ambiguous(choices: list[str], request: TableRequest, kind: str) -> TfctcError:
    columns = ", ".join(map(repr, request.needed))
    shown = " and ".join(map(repr, choices))
    if kind == "sheet":
        fix = request.choice("--sheet", choices, "save the right one as CSV in UTF-8")
        return request.refusal(f"has the columns {columns} in the sheets {shown}", fix)
    fix = request.choice("--delimiter", choices, "save it with commas between the columns")
    return request.refusal(f"has the columns {columns} with each of the delimiters {shown}", fix)


def _position(name: str, names: Sequence[str], request: TableRequest) -> int:
    """Place of a column; a name that is equal counts before those that are nearly so."""
    for same in (str, _loose):
        places = [i for i, other in enumerate(names) if same(other) == same(name)]
        if len(places) > 1:
            shown = " and ".join(repr(names[i]) for i in places)
            problem = f"has several columns {name!r}" + (f": {shown}" if same is _loose else "")
            raise request.refusal(problem, "rename or delete all but one of them")
        if places:
            break
    return places[0]


def _loose(name: str) -> str:
    """Letters and digits of a name, without case; the name itself if it has none."""
    return "".join(filter(str.isalnum, name.casefold())) or name
