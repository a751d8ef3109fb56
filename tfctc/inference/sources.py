"""Bright-field images in the files, folders and CSV tables that a user names."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from tfctc.cells import BRIGHTFIELD, DAPI, FileNaming
from tfctc.errors import ConfigError, ImageError, ManifestError, PairingError
from tfctc.inference.twins import check_twins
from tfctc.io.duplicates import Fingerprints, fingerprint
from tfctc.io.folders import image_files, is_file, is_folder, other_file_notes
from tfctc.io.names import abbreviated, check_encodable, normalised
from tfctc.io.naming import ALIASES, Match, Names, plain
from tfctc.io.pixels import plane_count
from tfctc.io.tables import read_table

#: Names of fluorescence channels in file names.
FLUORESCENCE = {"ck", "panck", "cytokeratin", "epcam", "cd45", "fitc", "tritc", "pe", "apc", "gfp", "cy3", "cy5"}
#: A word of a file name, as in 12_cellDAPI and cellCD45Left; and capital letters before small ones, as in DAPIcell.
WORD, CAPITALS = re.compile(r"[A-Z]+(?![a-z])\d*|[A-Z]?[a-z]+\d*"), re.compile(r"[A-Z]+\d*")
#: Number of names of a folder that are compared with one another.
COMPARED = 20_000
#: Number of folders above the one that was named which may be part of the naming.
ABOVE = 3
FIX = (
    "say how the files are named, for example --files '{cell}_{channel}.tif', with --channel NAME=brightfield if need "
    "be; or give a manifest.csv"
)


class FoundImage(NamedTuple):
    """The bright-field image of a cell.

    Attributes:
        cell_id: id of the cell.
        path: the file.
        plane: number of its plane, if every plane of the file is a cell; else None.
    """

    cell_id: str
    path: Path
    plane: int | None = None


@dataclass(frozen=True)
class SearchRules:
    """Rules that tell which files of a folder are bright-field images, and of which cells.

    Args:
        naming: names of the files; None if they are not known: then every file is a cell, unless its name says
            otherwise.
        is_explicit: whether the user gave the naming with this command, and not the model.
    """

    naming: FileNaming | None = None
    is_explicit: bool = False

    @classmethod
    def of(cls, own: FileNaming | None, of_model: FileNaming | None) -> "SearchRules":
        """Rules of a command: its own naming if it gives one, else that of the model.

        Args:
            own: naming that the user gave; with channels only, they are added to those of the model.
            of_model: naming of the images that the model was trained on.

        Raises:
            ConfigError: a naming that cannot be used, or channels without a naming.
        """
        if own is None:
            return cls(of_model)
        if not own.files and not own.pattern:
            if of_model is None:
                problem = "--channel and --cell-id need the names of the files, and the model has none"
                raise ConfigError(problem, fix="add --files, for example --files '{cell}_{channel}.tif'")
            channels = {**of_model.channels, **own.channels}
            own = replace(of_model, channels=channels, cell_id=own.cell_id or of_model.cell_id)
        Names(own)  # Reports a mistake before anything is read.
        return cls(own, True)


@dataclass(frozen=True)
class Images:
    """Iterable of cells and their bright-field images, as `FoundImage`.

    The sources are searched again in every iteration, so that the images of a million cells need no list in memory.

    Args:
        sources: files, folders and CSV files, in order.
        rules: rules for files and folders.
        count: number of cells.
        notes: remarks on files that were passed over, one sentence each.
    """

    sources: tuple[Path, ...]
    rules: SearchRules
    count: int = 0
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[FoundImage]:
        return self.search(Counter())

    def search(self, passed_over: Counter[str]) -> Iterator[FoundImage]:
        """Yields the images; adds the files that are not of bright-field to `passed_over`, by kind."""
        for source in self.sources:
            for found in _images_of(source, self.rules, passed_over):
                check_encodable(found.cell_id, found.path)
                yield found


def find_cells(sources: Iterable[str | Path], rules: SearchRules = SearchRules()) -> Images:  # noqa: B008
    """The bright-field image of every cell in `sources`. All sources are searched once; no image is decoded.

    Args:
        sources: image files; folders, searched for PNG and TIFF files at any depth; CSV files with the columns
            `cell_id` and `brightfield` (a path, relative to the CSV file's folder or absolute).
        rules: rules for the names of files. Files of a folder that the naming does not fit, or whose channel is not
            bright-field, are passed over. Without a naming, the cell id is the file name without its ending.

    Raises:
        ConfigError: a naming that fits a path in two ways.
        ImageError: a source that does not exist, a single file of another channel, images that may be channels of one
            cell, a cell id that is not UTF-8, or no image at all.
        ManifestError: a CSV file without these columns.
        PairingError: two files of one cell id, a folder that cannot be read, or one in which no file fits the naming.
    """
    images = Images(tuple(map(Path, sources)), rules)
    _check_single_files(images)
    passed_over: Counter[str] = Counter()
    with Fingerprints() as ids:
        for found in images.search(passed_over):
            ids.add(found.cell_id)
        if not ids:
            where = f" in {abbreviated([str(source) for source in images.sources])}" if images.sources else ""
            raise ImageError(
                f"no images found{where}", fix="give PNG or TIFF files, their folder, or a CSV file with rows"
            )
        if repeated := ids.repeated():
            _check_duplicates(images, repeated)
        notes = [f"{count} file(s) {kind} passed over" for kind, count in sorted(passed_over.items())]
        for source in images.sources:
            if is_folder(source, ImageError):
                notes += other_file_notes(source)
        return replace(images, count=len(ids), notes=tuple(notes))


def _check_duplicates(images: Images, repeated: set[int]) -> None:
    """Raises if two images have the same cell id; `repeated` are the fingerprints that occur twice."""
    first: dict[str, Path] = {}
    for cell_id, path, _ in images:
        if fingerprint(cell_id) in repeated:
            if cell_id in first:
                problem = f"cell {cell_id} has two images: {first[cell_id]} and {path}"
                fix = "give each cell once; for cells of the same number: --files '{patient}/{cell}_{channel}.tif'"
                raise PairingError(problem, fix=f"{fix} --cell-id '{{patient}}/{{cell}}', for example")
            first[cell_id] = path


def _check_single_files(images: Images) -> None:
    """Checks the names of single files, such as those of a pattern that the shell has filled in."""
    if images.rules.naming is None:
        files = [source for source in images.sources if source.suffix.lower() != ".csv" and is_file(source, ImageError)]
        for folder in dict.fromkeys(file.parent for file in files):
            check_twins([file for file in files if file.parent == folder])


def _images_of(source: Path, rules: SearchRules, passed_over: Counter[str]) -> Iterator[FoundImage]:
    if is_folder(source, ImageError):
        before, count = passed_over.total(), 0
        for found in images_in_folder(source, rules, passed_over):
            count += 1
            yield found
        if not count and passed_over.total() > before:
            _raise_without_brightfield(source, rules)
    elif not source.exists():
        raise ImageError("no such file or folder", path=source, fix="check the path")
    elif source.suffix.lower() == ".csv":
        yield from _table(source)
    else:
        yield from _single_file(source, rules)


def _single_file(path: Path, rules: SearchRules) -> Iterator[FoundImage]:
    """The cell of a file that the user names; it need not fit the naming, but must not be of another channel by it."""
    names = Names(rules.naming) if rules.naming else None
    match = _match(path, path.parent, names, rules) if names else None
    if names is None or match is None:
        _check_fluorescence(path)
        yield FoundImage(normalised(path.stem), path)
        return
    if names.naming.planes != "channels" and match.channel_name and match.channel != BRIGHTFIELD:
        problem = f"is an image of channel {match.channel_name} by its name ({names.option}), not of bright-field"
        raise ImageError(problem, path=path, fix="give bright-field images, or --channel NAME=brightfield")
    yield from _cells(path, match, names)


def images_in_folder(folder: Path, rules: SearchRules, passed_over: Counter[str] | None = None) -> Iterator[FoundImage]:
    """Yields the bright-field images in `folder`.

    Args:
        folder: the folder.
        rules: rules for the names of the files.
        passed_over: counter that gets the files that are not of bright-field, by kind.

    Raises:
        ConfigError: a naming that fits a path in two ways.
        ImageError: without a naming: a file that by its name is of another channel, or images that come in twos.
        PairingError: a folder that cannot be read.
    """
    if rules.naming is None:
        check_twins(islice(image_files(folder), COMPARED), folder)
        for path in image_files(folder):
            _check_fluorescence(path)
            yield FoundImage(normalised(path.stem), path)
        return
    names, passed_over = Names(rules.naming), Counter() if passed_over is None else passed_over
    for path in image_files(folder):
        match = _match(path, folder, names, rules)
        if match is None:
            passed_over["with other names"] += 1
        elif names.naming.planes != "channels" and match.channel_name and match.channel != BRIGHTFIELD:
            passed_over[f"of channel {match.channel_name}"] += 1
        else:
            if not match.channel_name and names.naming.planes != "channels":
                _check_fluorescence(path)
            yield from _cells(path, match, names)


def _raise_without_brightfield(folder: Path, rules: SearchRules) -> None:
    """Raises the error for a folder in which no file is a bright-field image by the naming."""
    assert rules.naming is not None
    names = Names(rules.naming)
    matches = {path: _match(path, folder, names, rules) for path in islice(image_files(folder), COMPARED)}
    channels = {match.channel_name for match in matches.values() if match}
    whose = "" if rules.is_explicit else ", the naming of the training images"
    if channels:
        listed = ", ".join(sorted(channels))
        problem = f"holds no bright-field image by {names.option}{whose}; its channels are {listed}"
        fix = f"say which one is bright-field, for example --channel {min(channels)}=brightfield"
    else:
        other = next(iter(matches))
        shown = other.relative_to(folder).as_posix()
        problem = f"holds no file with a name like {names.option}{whose}; there is {shown}, for example"
        every = "{cell}" + other.suffix
        fix = f"say how these files are named: --files '{every}' if every file is the bright-field image of a cell"
    raise PairingError(problem, path=folder, fix=fix)


def _match(path: Path, folder: Path, names: Names, rules: SearchRules) -> Match | None:
    """Groups of a file by a naming.

    The path below `folder` counts. The model's naming began at the folder that was imported, which may be above or
    below this one; so its path from further above is tried too, then from further below.
    """
    relative = path.relative_to(folder)
    if (match := names.match(relative.as_posix())) or rules.is_explicit:
        return match
    parts, inside = path.absolute().parts[1:], len(relative.parts)
    for count in (*range(inside + 1, inside + 1 + ABOVE), *range(inside - 1, 0, -1)):
        if count <= len(parts) and (match := names.match("/".join(parts[-count:]))):
            return match
    return None


def _cells(path: Path, match: Match, names: Names) -> Iterator[FoundImage]:
    """The cell of a bright-field file, or all cells of a file whose planes are cells."""
    cell_id = names.compose(match.groups)
    if names.naming.planes == "cells":
        for plane in range(plane_count(path)):
            yield FoundImage(f"{cell_id}/{plane + names.naming.first_plane}", path, plane)
    else:
        yield FoundImage(cell_id, path)


def _table(path: Path) -> Iterator[FoundImage]:
    with read_table(path, ("cell_id", BRIGHTFIELD)) as table:
        id_at, path_at = table.positions["cell_id"], table.positions[BRIGHTFIELD]
        for line, row in table.rows:
            if not row[id_at] or not row[path_at]:
                problem = f"line {line} has no cell_id or no {BRIGHTFIELD} path"
                raise ManifestError(problem, path=path, fix="fill in both, or remove the line")
            yield FoundImage(row[id_at], path.parent / row[path_at])


def _check_fluorescence(path: Path) -> None:
    """Raises if a word of the file name, or the name of its folder, is the name of a fluorescence channel."""
    for name in (*WORD.findall(path.stem), *CAPITALS.findall(path.stem), path.parent.name):
        # A number behind other names is that of a patient, as in PE012.
        is_dapi = DAPI in (ALIASES.get(plain(name)), ALIASES.get(plain(name.rstrip("0123456789"))))
        if is_dapi or name.casefold() in FLUORESCENCE:
            raise ImageError(f"looks like a {'DAPI' if is_dapi else name} image by its name", path=path, fix=FIX)
