"""Which bright-field images are meant by what a user names: files, folders, tables of cells."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tfctc.cells import BRIGHTFIELD, DAPI
from tfctc.data.importers.pairing import channel_of, image_files
from tfctc.data.unique import Fingerprints, fingerprint
from tfctc.errors import ConfigError, ImageError, ManifestError, PairingError

#: Words of a name: 12_cellDAPI -> cell, DAPI.
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
FIX = "choose the bright-field files with --pattern '(?P<cell>.+)_(?P<channel>BF|DAPI)[.]png', or give manifest.csv"


@dataclass(frozen=True)
class Images:
    """Cell ids and their bright-field image files, in the order given: looked up anew each time, never held."""

    sources: tuple[Path, ...]
    pattern: re.Pattern | None
    count: int = 0

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[str, Path]]:
        for source in self.sources:
            yield from _of(source, self.pattern)


def find_cells(sources: Iterable[str | Path], pattern: str | None = None) -> Images:
    """The bright-field image of every cell that is meant. All sources are looked through once, no image is opened.

    Args:
        sources: image files; folders, searched for PNG and TIFF files at any depth; CSV files with the columns
            `cell_id` and `brightfield` (a path, relative to the CSV file's folder or absolute).
        pattern: for folders: a regular expression for the whole path of a file in the folder, with ``/`` between
            parts, with the group `cell` and perhaps `channel`. Files that do not match, or whose channel is not
            bright-field, are passed over. Elsewhere a cell's id is its file's name without suffix.

    Raises:
        ConfigError: a pattern that is not one.
        ImageError: a source that does not exist, a file that by its name is a DAPI image, or no image at all.
        ManifestError: a CSV file without these columns.
        PairingError: two files of one cell id.
    """
    images = Images(tuple(map(Path, sources)), _compile(pattern))
    with Fingerprints() as ids:
        for cell_id, _ in images:
            ids.add(cell_id)
        if not ids:
            fix = "PNG or TIFF files are expected; does --pattern match the whole path?"
            raise ImageError("no images found", fix=fix)
        if repeated := ids.repeated():
            _refuse_duplicate(images, repeated)
        return replace(images, count=len(ids))


def _refuse_duplicate(images: Images, repeated: set[int]) -> None:
    """Raises if two images have one id; `repeated` are the fingerprints under suspicion."""
    first: dict[str, Path] = {}
    for cell_id, path in images:
        if fingerprint(cell_id) in repeated:
            if cell_id in first:
                problem = f"cell {cell_id} has two images: {first[cell_id]} and {path}"
                raise PairingError(problem, fix="give each cell once, or tell them apart by --pattern")
            first[cell_id] = path


def _compile(pattern: str | None) -> re.Pattern | None:
    if pattern is None:
        return None
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"--pattern {pattern!r} is not a regular expression ({error})") from None
    if "cell" not in expression.groupindex:
        raise ConfigError(f"--pattern {pattern!r} has no group named cell", fix="write (?P<cell>...) in it")
    return expression


def _of(source: Path, pattern: re.Pattern | None) -> Iterator[tuple[str, Path]]:
    if source.is_dir():
        yield from _folder(source, pattern)
    elif not source.exists():
        raise ImageError("no such file or folder", path=source, fix="check the path")
    elif source.suffix.lower() == ".csv":
        yield from _table(source)
    else:
        _refuse_dapi(source, source.stem)
        yield source.stem, source


def _folder(folder: Path, pattern: re.Pattern | None) -> Iterator[tuple[str, Path]]:
    for path in image_files(folder):
        place = path.relative_to(folder)
        if pattern is None:
            _refuse_dapi(path, place.as_posix())
            yield path.stem, path
        elif match := pattern.fullmatch(place.as_posix()):
            channel = match.groupdict().get("channel")
            if channel is None:
                _refuse_dapi(path, place.as_posix())
            elif channel_of(channel) != BRIGHTFIELD:
                continue
            yield match["cell"], path


def _table(path: Path) -> Iterator[tuple[str, Path]]:
    try:
        # utf-8-sig: spreadsheets write a byte order mark in front of the first column's name.
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not {"cell_id", BRIGHTFIELD} <= set(reader.fieldnames or ()):
                problem = f"has columns {reader.fieldnames}, cell_id and {BRIGHTFIELD} expected"
                raise ManifestError(problem, path=path, fix="give a manifest.csv or a run's predictions.csv")
            for row in reader:
                if not row["cell_id"] or not row[BRIGHTFIELD]:
                    raise ManifestError(f"line {reader.line_num} has no cell_id or no {BRIGHTFIELD} path", path=path)
                yield row["cell_id"], path.parent / row[BRIGHTFIELD]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ManifestError(f"cannot be read ({error})", path=path, fix="UTF-8 CSV is expected") from None


def _refuse_dapi(path: Path, name: str) -> None:
    if any(channel_of(word) == DAPI for word in WORD.findall(name)):
        raise ImageError("looks like a DAPI image by its name", path=path, fix=FIX)
