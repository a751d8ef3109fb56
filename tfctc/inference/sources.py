"""Bright-field images in the files, folders and CSV tables that a user names."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tfctc.cells import BRIGHTFIELD, DAPI
from tfctc.data.importers.pairing import cell_of, channel_of
from tfctc.errors import ConfigError, ImageError, ManifestError, PairingError
from tfctc.io.duplicates import Fingerprints, fingerprint
from tfctc.io.folders import image_files, is_folder
from tfctc.io.names import abbreviated, check_encodable, normalised

#: Names of fluorescence channels in file names.
FLUORESCENCE = {"ck", "panck", "cytokeratin", "epcam", "cd45", "fitc", "tritc", "pe", "apc", "gfp", "cy3", "cy5"}
#: A word of a file name, as in 12_cellDAPI and cellCD45Left; and capital letters before small ones, as in DAPIcell.
WORD, CAPITALS = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*"), re.compile(r"[A-Z]+\d*")
#: A file name that ends in a word, which may be a channel: 7_red, 7-ch01. Not 7_12 or 7_A12, a number or a position.
LAST_WORD = re.compile(r"(?P<cell>.+)[ _.-](?P<channel>[A-Za-z]+|[Cc]h\d+)")
FIX = (
    "choose the bright-field files of a folder with --pattern, for example '(?P<cell>.+)_(?P<channel>BF|DAPI)[.]png', "
    "or give a manifest.csv"
)


@dataclass(frozen=True)
class Images:
    """Iterable of cell ids and their bright-field image files.

    The sources are searched again in every iteration, so that the images of a million cells need no list in memory.

    Args:
        sources: files, folders and CSV files, in order.
        pattern: regular expression for the files in folders, or None.
        count: number of cells.
    """

    sources: tuple[Path, ...]
    pattern: re.Pattern | None
    count: int = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[str, Path]]:
        for source in self.sources:
            for cell_id, path in _cells_of(source, self.pattern):
                check_encodable(cell_id, path)
                yield cell_id, path


def find_cells(sources: Iterable[str | Path], pattern: str | None = None) -> Images:
    """The bright-field image of every cell in `sources`. All sources are searched once; no image is opened.

    Args:
        sources: image files; folders, searched for PNG and TIFF files at any depth; CSV files with the columns
            `cell_id` and `brightfield` (a path, relative to the CSV file's folder or absolute).
        pattern: for folders: a regular expression for the whole path of a file in the folder, with ``/`` between
            parts, with the group `cell` and optionally `channel`. Files that do not match, or whose channel is not
            bright-field, are skipped. Without a pattern, and for single files, the cell id is the file name without its
            ending.

    Raises:
        ConfigError: a pattern that is not a regular expression, or finds no cell in a path.
        ImageError: a source that does not exist, a file that by its name is of another channel, two files of a folder
            that may be channels of one cell, a cell id that is not UTF-8, or no image at all.
        ManifestError: a CSV file without these columns.
        PairingError: two files of one cell id, or a folder that cannot be read.
    """
    images = Images(tuple(map(Path, sources)), compile_pattern(pattern))
    with Fingerprints() as ids:
        for cell_id, _ in images:
            ids.add(cell_id)
        if not ids:
            where = f" in {abbreviated([str(source) for source in images.sources])}" if images.sources else ""
            fix = "PNG or TIFF files, or a CSV file's rows, are expected; does --pattern match the whole path?"
            raise ImageError(f"no images found{where}", fix=fix)
        if repeated := ids.repeated():
            _check_duplicates(images, repeated)
        return replace(images, count=len(ids))


def _check_duplicates(images: Images, repeated: set[int]) -> None:
    """Raises if two images have the same cell id; `repeated` are the fingerprints that occur twice."""
    first: dict[str, Path] = {}
    for cell_id, path in images:
        if fingerprint(cell_id) in repeated:
            if cell_id in first:
                problem = f"cell {cell_id} has two images: {first[cell_id]} and {path}"
                raise PairingError(problem, fix="give each cell once, or give cells different ids by --pattern")
            first[cell_id] = path


def compile_pattern(pattern: str | None) -> re.Pattern | None:
    """The compiled regular expression for `find_cells`; None for None.

    Raises:
        ConfigError: a pattern that is not a regular expression, or has no group `cell`.
    """
    if pattern is None:
        return None
    try:
        expression = re.compile(normalised(pattern))
    except re.error as error:
        raise ConfigError(f"--pattern {pattern!r} is not a regular expression ({error})") from None
    if "cell" not in expression.groupindex:
        raise ConfigError(f"--pattern {pattern!r} has no group named cell", fix="write (?P<cell>...) in it")
    return expression


def _cells_of(source: Path, pattern: re.Pattern | None) -> Iterator[tuple[str, Path]]:
    if is_folder(source, ImageError):
        yield from cells_in_folder(source, pattern)
    elif not source.exists():
        raise ImageError("no such file or folder", path=source, fix="check the path")
    elif source.suffix.lower() == ".csv":
        yield from _table(source)
    else:
        _check_fluorescence(source)
        yield normalised(source.stem), source


def cells_in_folder(folder: Path, pattern: re.Pattern | None) -> Iterator[tuple[str, Path]]:
    """Yields cell id and path of each bright-field image in `folder`; ids are normalised as by `tfctc import`.

    Raises:
        ConfigError: the pattern finds no cell in a path.
        ImageError: a file that by its name is of another channel, or two that may be channels of one cell.
        PairingError: a folder that cannot be read.
    """
    before = folder
    for path in image_files(folder):
        if pattern is None:
            _check_fluorescence(path)
            _check_channels(before, path)
            before = path
            yield normalised(path.stem), path
        elif match := pattern.fullmatch(normalised(path.relative_to(folder).as_posix())):
            channel = match.groupdict().get("channel")
            if channel is None:
                _check_fluorescence(path)
            elif channel_of(channel) != BRIGHTFIELD:
                continue
            yield cell_of(match), path


def _table(path: Path) -> Iterator[tuple[str, Path]]:
    try:
        # utf-8-sig: spreadsheets write a byte order mark in front of the first column's name.
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if any((reader.fieldnames or []).count(name) != 1 for name in ("cell_id", BRIGHTFIELD)):
                problem = f"has columns {reader.fieldnames}, cell_id and {BRIGHTFIELD} expected, each once"
                raise ManifestError(problem, path=path, fix="give a manifest.csv or a run's predictions.csv")
            for row in reader:
                if not row["cell_id"] or not row[BRIGHTFIELD]:
                    problem = f"line {reader.line_num} has no cell_id or no {BRIGHTFIELD} path"
                    raise ManifestError(problem, path=path, fix="fill in both, or remove the line")
                yield row["cell_id"], path.parent / row[BRIGHTFIELD]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"cannot be read ({error})", path=path, fix="give a readable CSV file in UTF-8") from None


def _check_fluorescence(path: Path) -> None:
    """Raises if a word of the file name, or the name of its folder, is the name of a fluorescence channel."""
    words = (*WORD.findall(path.stem), *CAPITALS.findall(path.stem), path.parent.name)
    for name in (*words, *(word.rstrip("0123456789") for word in words)):
        is_dapi = channel_of(name) == DAPI
        if is_dapi or name.casefold() in FLUORESCENCE:
            raise ImageError(f"looks like a {'DAPI' if is_dapi else name} image by its name", path=path, fix=FIX)


def _check_channels(one: Path, other: Path) -> None:
    """Raises if the names of two files of a folder differ only in their last word."""
    first, second = LAST_WORD.fullmatch(one.stem), LAST_WORD.fullmatch(other.stem)
    if not first or not second:
        return
    same_cell = (one.parent, first["cell"]) == (other.parent, second["cell"])
    if same_cell and first["channel"] != second["channel"]:
        problem = f"{one.name} and {other.name} look like two channels of one cell"
        raise ImageError(problem, path=one.parent, fix=FIX)
