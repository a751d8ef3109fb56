"""Match of the ids in a table with those of the image files, where a spreadsheet or a person has changed them."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from tfctc.errors import ManifestError
from tfctc.io.names import abbreviated, normalised

#: File name endings that an id in a table may have.
ENDING = re.compile(r"\.(?:tiff?|png|jpe?g|bmp|gif|ome\.tiff?)$", re.IGNORECASE)
#: Last word of a file name, which may be a channel. Not a number, which may tell cells apart.
CHANNEL = re.compile(r"(?<=[^/ _.-])[ _.-]+[A-Za-z][^/ _.-]*$")
#: 1.0 for 1, as statistics programs write a column with gaps; leading zeros of a number between other characters.
FRACTION, ZEROS = re.compile(r"(?<![\w.])(\d+)\.0+(?![\w.])"), re.compile(r"(?<![^\W_])0+(?=\d+(?![^\W_]))")
#: Months as spreadsheets abbreviate them in English, German, French, Spanish and Italian.
MONTHS = (
    "jan feb mar apr may jun jul aug sep oct nov dec mrz mär mai okt dez jän "
    "fév avr juin juil aoû déc ene abr ago dic gen mag giu lug set ott"
)
MONTH = rf"(?:{MONTHS.replace(' ', '|')})[^\W\d_]{{0,2}}\.?"
#: A date that a spreadsheet may have made of 3-1 or MAR1, at the end of an id.
DATE = re.compile(
    rf"(?:^|/)(?:\d{{1,2}}[-. ]+{MONTH}|{MONTH}[-. ]+\d{{2,4}}|\d{{1,4}}([-./])\d{{1,2}}\1\d{{2,4}})$", re.IGNORECASE
)
#: Number of ids of each side in a message.
EXAMPLES = 3


def match_ids(
    table_ids: Iterable[str], cell_ids: Iterable[str], *, table: str | Path | None = None
) -> tuple[dict[str, str], list[str]]:
    """Finds the cell of each id in a table.

    Equal ids come first. The remaining ids are compared with the remaining cells by one rule after another: a number
    with a decimal place, leading zeros, a file name in place of an id, case and spaces. A rule must give each id one
    cell and each cell one id.

    Args:
        table_ids: ids in the table.
        cell_ids: ids of the cells.
        table: path of the table, for messages.

    Returns:
        Table id -> cell id, without the ids that have no cell; and a note for each rule that was used.

    Raises:
        ManifestError: no id has a cell, or an id may belong to several cells, or several ids to one cell.
    """
    ids, cells = list(table_ids), list(cell_ids)
    known = set(cells)
    matched = {one: one for one in ids if one in known}
    notes = []
    for rule, candidates in RULES.items():
        rest = [one for one in ids if one not in matched]
        taken = set(matched.values())
        free = [cell for cell in cells if cell not in taken]
        if not rest or not free:
            break
        found = {one: hits for one, hits in candidates(rest, free).items() if hits}
        _check_one_to_one(found, rule, table)
        matched |= {one: hits[0] for one, hits in found.items()}
        if found:
            one = next(iter(found))
            notes.append(
                f"{len(found)} id(s) of the table differ from the files in {rule}: {one} is read as {found[one][0]}"
            )
    if ids and cells and not matched:
        raise _nothing_matches(ids, cells, table)
    return matched, notes


def _check_one_to_one(found: Mapping[str, Sequence[str]], rule: str, table: str | Path | None) -> None:
    fix = "write the ids in the table as in the files"
    for one, hits in found.items():
        if len(hits) > 1:
            problem = f"id {one!r} may be any of the cells {abbreviated(list(hits))}, which differ from it in {rule}"
            raise ManifestError(problem, path=table, fix=fix)
    owners: dict[str, str] = {}
    for one, (cell,) in found.items():
        if (other := owners.setdefault(cell, one)) != one:
            problem = f"ids {other!r} and {one!r} may both be cell {cell}, from which they differ in {rule}"
            raise ManifestError(problem, path=table, fix=f"keep one row for each cell, and {fix}")


def _nothing_matches(ids: list[str], cells: list[str], table: str | Path | None) -> ManifestError:
    of_table, of_files = (", ".join(map(repr, some[:EXAMPLES])) for some in (ids, cells))
    fix = "give another --id-column, or --files or a --pattern whose cell ids are those of the table"
    if dates := [one for one in ids if DATE.search(one)]:
        fix = f"a spreadsheet may have made the date {dates[0]!r} of an id such as 3-1: enter ids as text; or {fix}"
    problem = f"no id of the table is the id of a cell: the table has {of_table}, the files have {of_files}"
    return ManifestError(problem, path=table, fix=fix)


def _by_key(key: Callable[[str], str]) -> Callable[[Sequence[str], Sequence[str]], dict[str, list[str]]]:
    """Candidates of each id: the cells with the same key."""

    def candidates(ids: Sequence[str], cells: Sequence[str]) -> dict[str, list[str]]:
        index = _index(cells, key)
        return {one: index.get(key(one), []) for one in ids}

    return candidates


def _by_file_name(ids: Sequence[str], cells: Sequence[str]) -> dict[str, list[str]]:
    """Candidates of each id that is a file name: the cells whose id the name begins with."""
    index = _index(cells, _without_zeros)
    return {
        one: list(dict.fromkeys(cell for part in _parts(one) for cell in index.get(_without_zeros(part), [])))
        for one in ids
        if ENDING.search(one)
    }


def _parts(name: str) -> Iterator[str]:
    """Yields what of a file name may be a cell id: p/7_2_BF.tif may be cell p/7_2_BF or p/7_2."""
    stem = ENDING.sub("", name.replace("\\", "/"))
    yield stem
    while last := CHANNEL.search(stem):
        stem = stem[: last.start()]
        yield stem


def _index(cells: Sequence[str], key: Callable[[str], str]) -> Mapping[str, list[str]]:
    index = defaultdict(list)
    for cell in cells:
        index[key(cell)].append(cell)
    return dict(index)


def _whole(name: str) -> str:
    return FRACTION.sub(r"\1", name)


def _without_zeros(name: str) -> str:
    return ZEROS.sub("", _whole(name))


def _spelling(name: str) -> str:
    return " ".join(normalised(_without_zeros(name)).casefold().split())


#: Difference between id and cell -> candidates of each id, strictest first.
RULES = {
    "a decimal place": _by_key(_whole),
    "leading zeros": _by_key(_without_zeros),
    "the ending of a file name": _by_file_name,
    "case, spaces or leading zeros": _by_key(_spelling),
}
