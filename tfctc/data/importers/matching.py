"""Match of the ids in a table with those of the image files, where a spreadsheet or a person has changed them."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

from tfctc.errors import ManifestError
from tfctc.io.names import abbreviated, normalised
from tfctc.io.naming import ALIASES, plain

#: File name endings that an id in a table may have.
ENDING = re.compile(r"\.(?:tiff?|png|jpe?g|bmp|gif|ome\.tiff?)$", re.IGNORECASE)
#: Characters between the words of a file name.
BETWEEN = re.compile(r"(?<=[^/ _.-])[ _.-]+(?=[^/ _.-])")
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
    table_ids: Iterable[str],
    cell_ids: Iterable[str],
    *,
    channels: Collection[str] = ALIASES,
    table: str | Path | None = None,
) -> tuple[dict[str, str], list[str]]:
    """Finds the cell of each id in a table.

    Equal ids come first. The remaining ids are compared with the remaining cells by one rule after another: a number
    with a decimal place, leading zeros, a file name in place of an id, case and spaces. A rule must give each id one
    cell and each cell one id. The last word of a file name is left out only if it is a channel: 7_cluster.tif is not
    cell 7.

    Args:
        table_ids: ids in the table.
        cell_ids: ids of the cells.
        channels: names of channels without case, spaces and punctuation.
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
    for rule, candidates in _rules(channels).items():
        rest = [one for one in ids if one not in matched]
        taken = set(matched.values())
        free = [cell for cell in cells if cell not in taken]
        if not rest or not free:
            break
        found = {one: hits for one, hits in candidates(rest, free).items() if hits}
        _check_one_to_one(found, rule, table)
        matched |= {one: hits[0] for one, hits in found.items()}
        if found:
            one = max(found, key=lambda one: abs(len(one) - len(matched[one])))  # The least similar, to be checked.
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


def _rules(channels: Collection[str]) -> dict[str, Callable[[Sequence[str], Sequence[str]], dict[str, list[str]]]]:
    """Difference between id and cell -> candidates of each id, strictest first."""
    # A number may tell cells apart, even if it is a channel elsewhere.
    words = {name for name in channels if not name.isdecimal()}
    file_name, ending = "the ending of a file name", _without_ending
    return {
        "a decimal place": _by_key(_whole),
        "leading zeros": _by_key(_without_zeros),
        file_name: _by_key(str, ending),
        f"{file_name}, and leading zeros": _by_key(_without_zeros, lambda one: _without_zeros(ending(one))),
        f"{file_name} and of its channel": _by_key(
            _without_zeros, lambda one: _without_zeros(_without_channel(one, words))
        ),
        "case, spaces or leading zeros": _by_key(_spelling),
    }


def _by_key(
    key: Callable[[str], str], key_of_id: Callable[[str], str] | None = None
) -> Callable[[Sequence[str], Sequence[str]], dict[str, list[str]]]:
    """Candidates of each id: the cells with the same key. The key of an id may be another one, "" for none."""

    def candidates(ids: Sequence[str], cells: Sequence[str]) -> dict[str, list[str]]:
        index = _index(cells, key)
        return {one: index.get((key_of_id or key)(one), []) for one in ids}

    return candidates


def _without_ending(name: str) -> str:
    """A file name without its ending: p/7_2 for p\\7_2.tif; "" if it is no file name."""
    return ENDING.sub("", name.replace("\\", "/")) if ENDING.search(name) else ""


def _without_channel(name: str, words: Collection[str]) -> str:
    """A file name without its ending and the channel at its end: 7_2 for 7_2_BF.tif; "" if no channel is there."""
    stem = _without_ending(name)
    for match in BETWEEN.finditer(stem):
        if plain(stem[match.end() :]) in words:
            return stem[: match.start()]
    return ""


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
