"""Checks that no fluorescence image is taken for a bright-field one, for files whose naming is not known.

The names are all that can tell. Each check raises an error if two names look like two channels of one cell.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tfctc.cells import DAPI
from tfctc.errors import ImageError
from tfctc.io.naming import ALIASES, plain

#: Names of fluorescence channels in file names.
FLUORESCENCE = {"ck", "panck", "cytokeratin", "epcam", "cd45", "fitc", "tritc", "pe", "apc", "gfp", "cy3", "cy5"}
#: A word of a file name, as in 12_cellDAPI and cellCD45Left; and capital letters before small ones, as in DAPIcell.
WORD, CAPITALS = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*"), re.compile(r"[A-Z]+\d*")
FIX = (
    "say how the files are named, for example --files '{cell}_{channel}.tif', with --channel NAME=brightfield if need "
    "be; or give a manifest.csv"
)
#: Runs of letters, of digits, and of other characters.
TOKEN = re.compile(r"\d+|[^\W\d_]+|(?:[\W_])+")
#: Words before the number of a channel, in lower case.
CHANNEL_WORDS = {"c", "ch", "chan", "channel", "d", "fl", "filter", "w", "wv", "wavelength", "wave"}
#: Parts of a name, and its file.
Name = tuple[tuple[str, ...], Path]
#: Largest number of channels of a cell; a part of a name with more values is not the name of a channel.
MOST_CHANNELS = 8
#: A name, and a word or a wavelength behind it.
SUFFIXED = re.compile(r"(?P<name>.+?)[ _-]+(?:[^\W\d_][^ _-]*|\d{3})")
#: Share of the cells that must come in twos or more for a plain number to count as the number of a channel.
USUAL = 0.8


def check_fluorescence(path: Path) -> None:
    """Raises an ImageError if a word of the file name, or the name of its folder, is that of a fluorescence channel."""
    for name in (*WORD.findall(path.stem), *CAPITALS.findall(path.stem), path.parent.name):
        # A number behind other names is that of a patient, as in PE012.
        is_dapi = DAPI in (ALIASES.get(plain(name)), ALIASES.get(plain(name.rstrip("0123456789"))))
        if is_dapi or name.casefold() in FLUORESCENCE:
            raise ImageError(f"looks like a {'DAPI' if is_dapi else name} image by its name", path=path, fix=FIX)


def check_suffixes(paths: Iterable[Path]) -> None:
    """Checks that no file has the name of another one of its folder and a word behind it, as 1.tif and 1_blue.tif.

    Raises:
        ImageError: two such files.
    """
    known: dict[tuple[Path, str], Path] = {}
    longer: list[tuple[tuple[Path, str], Path]] = []
    for path in paths:
        stem = path.name.split(".")[0]
        known.setdefault((path.parent, stem), path)
        if match := SUFFIXED.fullmatch(stem):
            longer.append(((path.parent, match["name"]), path))
    for key, path in longer:
        if key in known:
            problem = f"{known[key].name} and {path.name} may be two images of one cell"
            template = "{cell}{channel=BF}" + path.suffix
            fix = f"say which is which: --files '{{cell}}_{{channel}}{path.suffix}' --files '{template}'"
            raise ImageError(problem, path=path.parent, fix=fix)


def check_twins(paths: Iterable[Path], folder: Path | None = None) -> None:
    """Checks that no part of the names tells channels: that images do not come in twos or more.

    Args:
        paths: image files.
        folder: folder of all of them; None if only the names of the files count.

    Raises:
        ImageError: images that may be two channels of one cell; it names two of them.
    """
    shapes: dict[tuple[str, ...], list[Name]] = {}
    for path in paths:
        name = path.relative_to(folder) if folder else Path(path.name)
        tokens = tuple(TOKEN.findall(str(name.parent / name.name.split(".")[0])))
        # Names of one shape have the same separators in the same places.
        shape = tuple("" if token.isalnum() else token for token in tokens)
        shapes.setdefault(shape, []).append((tokens, path))
    for names in shapes.values():
        for one, other in _twins(names):
            problem = f"{one.name} and {other.name} may be two channels of one cell"
            fix = (
                "say how the files are named, for example --files '{cell}_{channel}" + one.suffix + "', with --channel "
                "NAME=brightfield if need be; if every file is the bright-field image of a cell of its own: --files "
                "'{cell}" + one.suffix + "'"
            )
            raise ImageError(problem, path=folder or one.parent, fix=fix)


def _twins(names: list[Name]) -> Iterator[tuple[Path, Path]]:
    """Yields two images that differ in one part of their names, which may be a channel; likely ones first."""
    tokens, length = names[0][0], len(names[0][0])
    values = [{own[i] for own, _ in names} for i in range(length)]
    varying = [i for i in range(length) if 2 <= len(values[i]) <= MOST_CHANNELS and not _is_position(tokens, values, i)]
    for i in sorted(varying, key=lambda i: (-_likelihood(tokens, values, i), len(values[i]), -i)):
        others = [k for k in range(length) if k != i and tokens[k].isalnum() and not _is_word_of(tokens, values, i, k)]
        cells: dict[tuple[str, ...], dict[str, Path]] = {}
        for own, path in names:
            cells.setdefault(own[:i] + own[i + 1 :], {}).setdefault(own[i], path)
        several = [of_cell for of_cell in cells.values() if len(of_cell) > 1]
        usual = len(several) >= USUAL * len(cells) and len(cells) > 1
        if not others or not (_likelihood(tokens, values, i) or usual):
            continue
        for of_cell in several:
            one, other = list(of_cell.values())[:2]
            # Images of one name in two folders have the same cell id, which is an error of its own.
            if one.stem != other.stem:
                yield one, other


def _word_before(tokens: tuple[str, ...], i: int) -> int | None:
    """Position of the word before a number, with or without a separator between them; None if there is none."""
    return next((k for k in (i - 1, i - 2) if k >= 0 and tokens[k].isalpha()), None) if tokens[i].isdigit() else None


def _is_position(tokens: tuple[str, ...], values: list[set[str]], i: int) -> bool:
    """Whether part `i` belongs to the position of a well, such as A12: one letter that varies, and its number."""
    letter = i if tokens[i].isalpha() else i - 1
    number = letter + 1
    return (
        letter >= 0
        and number < len(tokens)
        and len(tokens[letter]) == 1
        and tokens[letter].isalpha()
        and tokens[number].isdigit()
        and len(values[letter]) > 1
    )


def _is_word_of(tokens: tuple[str, ...], values: list[set[str]], i: int, k: int) -> bool:
    """Whether part `k` only is the word before the number `i`, as in ch01."""
    return k == i - 1 and _word_before(tokens, i) == k and len(values[k]) == 1


def _likelihood(tokens: tuple[str, ...], values: list[set[str]], i: int) -> int:
    """2 if part `i` is a word, or a number behind a word for channels; 1 behind a letter for channels; else 0."""
    if not all(value.isdigit() for value in values[i]):
        return 2
    before = _word_before(tokens, i)
    if before is None or len(values[before]) > 1 or tokens[before].casefold() not in CHANNEL_WORDS:
        return 0
    return 2 if len(tokens[before]) > 1 else 1
