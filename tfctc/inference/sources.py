"""Bright-field images in the files, folders and CSV tables that a user names."""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from tfctc.cells import BRIGHTFIELD, DatasetFacts, FileNaming
from tfctc.config import load
from tfctc.errors import ConfigError, ImageError, ManifestError, PairingError
from tfctc.io.duplicates import Fingerprints, fingerprint
from tfctc.io.folders import FACTS, image_files, is_file, is_folder, other_file_notes
from tfctc.io.names import PATH_BLANKS, abbreviated, check_encodable, normalised
from tfctc.io.naming import Match, Names
from tfctc.io.pixels import plane_count
from tfctc.io.stains import check_fluorescence, check_suffixes, check_twins
from tfctc.io.tables import read_table

#: Number of names of a folder that are compared with one another.
COMPARED = 20_000
#: Columns of a table that tell the patient, the site and the truth. `label` is the truth in a manifest, and
#: in predictions.csv of a run of an early version.
KNOWN_COLUMNS = (("patient_id",), ("site",), ("truth", "label"))
#: Number of folders above the one that the user names that may be part of the naming.
ABOVE = 3


class FoundImage(NamedTuple):
    """The bright-field image of a cell.

    Attributes:
        cell_id: id of the cell.
        path: the file.
        plane: number of its plane, if every plane of the file is a cell; else None.
        mpp: micrometres per pixel, if the data set that holds the image tells them; else None.
        patient_id, site: patient and site of the cell, if the table or the path tells them; else empty.
        truth: label of the cell, if the table or the path tells it; else empty.
    """

    cell_id: str
    path: Path
    plane: int | None = None
    mpp: float | None = None
    patient_id: str = ""
    site: str = ""
    truth: str = ""


@dataclass(frozen=True)
class SearchRules:
    """Rules that find the bright-field images of a folder, and the cell of each.

    Args:
        naming: names of the files; None if they are not known: then every file is a cell, unless its name says
            otherwise.
        is_explicit: whether the user gave the naming with this command, and not the model.
    """

    naming: FileNaming | None = None
    is_explicit: bool = False

    @cached_property
    def names(self) -> Names | None:
        """The naming, ready for use; None if there is none."""
        return None if self.naming is None else Names(self.naming)

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
        rules = cls(own, True)
        _ = rules.names  # Reports a mistake before anything is read.
        return rules


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
    for cell_id, path, *_ in images:
        if fingerprint(cell_id) in repeated:
            if cell_id in first:
                if os.path.realpath(first[cell_id]) == os.path.realpath(path):
                    raise PairingError("is given twice", path=path, fix="give it once")
                problem = f"cell {cell_id} has two images: {first[cell_id]} and {path}"
                fix = "give each cell once; for cells of the same number: --files '{patient}/{cell}_{channel}.tif'"
                raise PairingError(problem, fix=f"{fix} --cell-id '{{patient}}/{{cell}}', for example")
            first[cell_id] = path


def _check_single_files(images: Images) -> None:
    """Checks the names of single files, such as those of a pattern that the shell has filled in."""
    files = [source for source in images.sources if source.suffix.lower() != ".csv" and is_file(source, ImageError)]
    if names := images.rules.names:
        files = [file for file in files if _match_file(file, names) is None]
    for folder in dict.fromkeys(file.parent for file in files):
        own = [file for file in files if file.parent == folder]
        check_twins(own)
        check_suffixes(own)


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
    names = rules.names
    match = _match_file(path, names) if names else None
    if names is None or match is None:
        if names and rules.is_explicit:
            problem = f"has no name like {names.option}"
            raise PairingError(problem, path=path, fix="leave it out, or correct the template")
        check_fluorescence(path)
        yield FoundImage(normalised(path.stem).strip(PATH_BLANKS), path)
        return
    if _is_other(match, names):
        problem = f"is an image of channel {match.channel_name} by its name ({names.option}), not of bright-field"
        raise ImageError(problem, path=path, fix="give bright-field images, or --channel NAME=brightfield")
    yield from _cells(path, match, names)


def _is_other(match: Match, names: Names) -> bool:
    """Whether a file is of another channel than bright-field by its name."""
    return names.naming.planes != "channels" and "channel" in match.groups and match.channel != BRIGHTFIELD


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
    paths = image_files(folder)
    first = list(islice(paths, COMPARED))
    if (names := rules.names) is None:
        check_twins(first, folder)
        check_suffixes(first)
        for path in chain(first, paths):
            check_fluorescence(path)
            yield FoundImage(normalised(path.stem).strip(PATH_BLANKS), path)
        return
    passed_over = Counter() if passed_over is None else passed_over
    level, matches = _level(first, folder, names)
    more = ((path, names.match(_name_at(path, folder, level))) for path in paths)
    for path, match in chain(zip(first, matches, strict=True), more):
        if match is None:
            passed_over["with other names"] += 1
        elif _is_other(match, names):
            passed_over[f"of channel {match.channel_name or 'without a name'}"] += 1
        else:
            if "channel" not in match.groups:
                check_fluorescence(path)
            yield from _cells(path, match, names)


def _raise_without_brightfield(folder: Path, rules: SearchRules) -> None:
    """Raises the error for a folder in which no file is a bright-field image by the naming."""
    names = rules.names
    assert names is not None
    paths = list(islice(image_files(folder), COMPARED))
    _, matches = _level(paths, folder, names)
    whose = "" if rules.is_explicit else ", the naming of the training images"
    if channels := sorted({match.channel_name for match in matches if match}):
        problem = f"holds no bright-field image by {names.option}{whose}; its channels are {abbreviated(channels)}"
        fix = "say which one is bright-field: --channel NAME=brightfield with its name"
    else:
        shown = paths[0].relative_to(folder).as_posix()
        problem = f"holds no file with a name like {names.option}{whose}; there is {shown}, for example"
        every = "**/{cell}" + paths[0].suffix
        fix = f"say how these files are named: --files '{every}' if every file is the bright-field image of a cell"
    raise PairingError(problem, path=folder, fix=fix)


def _level(paths: Sequence[Path], folder: Path, names: Names) -> tuple[int, list[Match | None]]:
    """Number of folders above `folder` at which the naming begins, negative if below it; and the match of each path.

    The naming is for paths below the folder that was imported, which may be above or below this one. All files have the
    same level, so that files that lie deeper than the others do not become cells. It is the level that fits most files.
    If several do, 0 comes first, then those above `folder` from the nearest, then those below it from the nearest.
    """
    deepest = max((len(path.relative_to(folder).parts) for path in paths), default=1)
    best: tuple[int, list[Match | None]] = (0, [None] * len(paths))
    most = 0
    for level in (*range(ABOVE + 1), *range(-1, -deepest, -1)):
        matches = [names.match(_name_at(path, folder, level)) for path in paths]
        if (fitting := sum(match is not None for match in matches)) > most:
            best, most = (level, matches), fitting
        if most == len(paths):
            break  # No other level fits more.
    return best


def _name_at(path: Path, folder: Path, level: int) -> str:
    """Path of a file below the folder that is so many levels above `folder`, with ``/`` between its parts."""
    inside = path.relative_to(folder).parts
    above = Path(os.path.abspath(folder)).parts[1:] if level > 0 else ()
    parts = (*above, *inside)
    return "/".join(parts[-max(len(inside) + level, 1) :])


def _match_file(path: Path, names: Names) -> Match | None:
    """Groups of a single file: by its name alone, or with some of the folders above it."""
    names_at = (_name_at(path, path.parent, level) for level in range(ABOVE + 1))
    return next((match for name in names_at if (match := names.match(name))), None)


def _cells(path: Path, match: Match, names: Names) -> Iterator[FoundImage]:
    """The cell of a bright-field file, or all cells of a file whose planes are cells."""
    cell_id = names.compose(match.groups)
    patient, site, truth = (match.groups.get(name, "") for name in ("patient", "site", "label"))
    if names.naming.planes == "cells":
        try:
            count = plane_count(path)
        except ImageError:
            count = 1  # It is refused when it is read.
        for plane in range(count):
            number = plane + names.naming.first_plane
            yield FoundImage(f"{cell_id}/{number}", path, plane, None, patient, site, truth)
    else:
        yield FoundImage(cell_id, path, None, None, patient, site, truth)


def _table(path: Path) -> Iterator[FoundImage]:
    mpp = _mpp_of_dataset(path.parent)
    with read_table(path, ("cell_id", BRIGHTFIELD)) as table:
        id_at, path_at = table.positions["cell_id"], table.positions[BRIGHTFIELD]
        known = [_column(table.header, *names) for names in KNOWN_COLUMNS]
        for line, row in table.rows:
            if not row[id_at] or not row[path_at]:
                problem = f"line {line} has no cell_id or no {BRIGHTFIELD} path"
                raise ManifestError(problem, path=path, fix="fill in both, or remove the line")
            patient, site, truth = ("" if at is None else row[at].strip() for at in known)
            yield FoundImage(row[id_at], path.parent / row[path_at], None, mpp, patient, site, truth)


def _column(header: Sequence[str], *names: str) -> int | None:
    """Place of the first of these columns that the header has, in any case; None if it has none."""
    places = {name.casefold(): place for place, name in reversed(list(enumerate(header)))}
    return next((places[name] for name in names if name in places), None)


def _mpp_of_dataset(folder: Path) -> float | None:
    """Micrometres per pixel of the images of a data set whose images were rescaled; None for any other folder."""
    if not is_file(folder / FACTS, ManifestError):
        return None
    facts = load(DatasetFacts, folder / FACTS)
    return facts.mpp if facts.rescaled else None
