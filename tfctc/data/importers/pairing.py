"""Pairing: the channel images of each cell, found by cell id and never by their order."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI, FileNaming
from tfctc.data.importers.census import Census, FoundFile
from tfctc.data.importers.sources import SourceCell, SourceImage
from tfctc.errors import ConfigError, ImageError, PairingError
from tfctc.io.disk_dict import DiskDict
from tfctc.io.folders import image_files
from tfctc.io.names import abbreviated, check_encodable
from tfctc.io.naming import ALIASES, Match, Names, named_planes, plain, shown_planes
from tfctc.io.pixels import plane_count, plane_names
from tfctc.io.stains import check_fluorescence
from tfctc.progress import Progress, silent, tracked


def _cells() -> MutableMapping[str, SourceCell]:
    return DiskDict(SourceCell)


@dataclass
class Pairing:
    """Image files of a folder, by cell.

    Args:
        naming: the naming that was used, with the cell id that it came to.
        cells: cell id -> the cell, in order of the ids.
        ignored: name of an unknown channel -> number of files.
        unmatched: paths that the naming does not fit, relative to the folder.
        examples: the first few paths, relative to the folder, with their groups.
        notes: remarks for the user.
    """

    naming: FileNaming
    cells: MutableMapping[str, SourceCell] = field(default_factory=_cells)
    ignored: Counter[str] = field(default_factory=Counter)
    unmatched: list[str] = field(default_factory=list)
    examples: list[tuple[str, Match]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


#: Number of paths that are shown with their groups, and of planes that are shown with an option.
EXAMPLES, MOST_SHOWN = 5, 4


def pair(folder: str | Path, naming: FileNaming, progress: Progress = silent) -> Pairing:
    """Groups the images below a folder by cell.

    If the naming has no cell id and cells of several patients have the same number, ids become ``{patient}/{cell}``.
    The folder is searched two to four times, and the cells are kept on disk, so that a million need little memory.

    Args:
        folder: the folder.
        naming: names of the files.
        progress: called after each file.

    Raises:
        ConfigError: a naming that cannot be used, or fits a path in two ways; channels of one file without names.
        ImageError: a path that is not UTF-8, the encoding of the manifest.
        PairingError: no folder, one that cannot be read, no image, no path that the naming fits, no bright-field image,
            two images of one channel of a cell, two patients, sites or labels of a cell, or no DAPI image that pairs.
        OutputError: temporary files cannot be written.
    """
    folder, names = Path(folder), Names(naming)
    found = Pairing(naming)
    census = Census(_files(folder, names, found))
    if _names_planes(folder, names, census, found):
        naming = replace(naming, planes="channels")
        names, found = Names(naming), Pairing(naming)
        census = Census(_files(folder, names, found))
    if not found.examples:
        if not found.unmatched:
            fix = "export the images as one of these, or give the folder that holds them"
            raise PairingError("holds no PNG or TIFF image", path=folder, fix=fix)
        problem = f"no image file has a name like {names.option} (e.g. {found.unmatched[0]})"
        fix = "leave out --files, --pattern and --preset to see the templates that fit"
        raise PairingError(problem, path=folder, fix=fix)
    _check_channels(folder, names, census, found)
    patient_notes = census.patient_notes(folder)  # Before the cells: the remedy for these must not merge patients.
    try:
        found.cells = _paired(folder, names, progress)
    except PairingError as error:
        wider = census.wider_id()
        if naming.cell_id or wider == names.cell_id:
            raise
        found.naming = replace(naming, cell_id=wider)
        try:
            found.cells = _paired(folder, Names(found.naming), progress)
        except PairingError:
            raise error from None
        found.notes.append(f"cells of several patients have the same id, so ids are now {wider}")
    census.check_pages(folder)
    found.notes += patient_notes
    _check_pairs(folder, found.cells)
    return found


def orphans(cells: Mapping[str, SourceCell]) -> list[str]:
    """Ids of cells that have no bright-field image."""
    return [cell_id for cell_id, cell in cells.items() if BRIGHTFIELD not in cell.images]


def _paired(folder: Path, names: Names, progress: Progress) -> MutableMapping[str, SourceCell]:
    cells, files = _cells(), _files(folder, names, Pairing(names.naming, cells={}))
    for file in tracked(progress, "Pairing images", files, 0):
        _add(cells, folder, names, file)
    return cells


def _check_pairs(folder: Path, cells: Mapping[str, SourceCell]) -> None:
    """Checks that not every DAPI image is without its bright-field image, as where the ids differ by channel."""
    unpaired = without_dapi = ""
    for cell_id, cell in cells.items():
        if set(cell.images) == set(CHANNELS):
            return
        unpaired = unpaired or (cell_id if DAPI in cell.images else "")
        without_dapi = without_dapi or (cell_id if BRIGHTFIELD in cell.images else "")
    if unpaired and without_dapi:
        raise PairingError(
            f"no DAPI image has the cell id of a bright-field image: bright-field has {without_dapi}, DAPI {unpaired}",
            path=folder,
            fix="give --files or --cell-id so that both get the same id",
        )


def _files(folder: Path, names: Names, found: Pairing) -> Iterator[FoundFile]:
    """Yields the images whose channel is known; adds the others to `found`."""
    for path in image_files(folder):
        check_encodable(str(path.absolute()), path)
        relative = path.relative_to(folder).as_posix()
        match = names.match(relative)
        if match is None:
            found.unmatched.append(relative)
            continue
        if len(found.examples) < EXAMPLES:
            found.examples.append((relative, match))
        if "channel" not in match.groups:
            _check_stain(path)
        elif names.naming.planes != "channels" and not match.channel:
            found.ignored[match.channel_name or "without a name"] += 1
            continue
        for channel, image in _images(path, names, match):
            yield FoundFile(relative, match, image, channel)


def _check_stain(path: Path) -> None:
    try:
        check_fluorescence(path)
    except ImageError as error:
        names = ("{patient}/{cell}_{channel}", "{patient}/{cell}{channel=BF}")
        both = " ".join(f"--files '{name}{path.suffix}'" for name in names)
        fix = f"write {{channel}} into the template; if only bright-field has no word for it: {both}"
        raise ImageError(error.problem, path=path, fix=fix) from None


def _images(path: Path, names: Names, match: Match) -> Iterator[tuple[str, SourceImage]]:
    """Yields channel and image of the planes of a file. A file with a problem is one image, which says so when read."""
    channel = match.channel or BRIGHTFIELD
    if names.naming.planes == "single":
        # A path without a channel is an error, which `_check_channels` raises.
        yield from [(channel, SourceImage(str(path)))] if match.channel else []
        return
    try:
        if names.naming.planes == "channels":
            planes = named_planes(path, plane_names(path), names)
            yield from ((channel, SourceImage(str(path), plane)) for channel, plane in planes.items())
            return
        titles = plane_names(path)
        others = {title for title in titles if names.channels.get(plain(title)) not in (None, channel)}
        if others:
            problem = f"has a plane that is called {min(others)}: its planes are channels, not cells"
            raise ImageError(problem, path=path, fix="leave out --planes cells")
        yield from ((channel, SourceImage(str(path), plane)) for plane in range(len(titles)))
    except ImageError as error:
        yield channel, SourceImage(str(path), 0, problem=error.problem, fix=error.fix or "")


def _names_planes(folder: Path, names: Names, census: Census, found: Pairing) -> bool:
    """Whether --channel names planes of the files, although the names of the files tell a channel too."""
    if names.naming.planes != "single" or not names.naming.channels or not found.examples:
        return False
    seen = {plain(name) for name in (*found.ignored, *census.names)}
    if set(map(plain, names.naming.channels)) <= seen:
        return False
    for path, _ in found.examples:
        with suppress(ImageError):
            if plane_count(folder / path) > 1:
                return True
    return False


def _check_channels(folder: Path, names: Names, census: Census, found: Pairing) -> None:
    """Checks that every name given by --channel is there, and that there are bright-field images."""
    seen = {*census.names, *found.ignored}
    if names.naming.planes == "single" and "channel" in names.groups:
        there = {plain(name) for name in seen}
        for name in names.naming.channels:
            if plain(name) not in there | set(ALIASES):
                fix = f"the channels are {abbreviated(sorted(filter(None, seen)))}"
                raise ConfigError(f"--channel {name}: no file has this channel", path=folder, fix=fix)
    if names.naming.planes == "channels":
        return _check_planes(folder, names, found)
    if BRIGHTFIELD in census.channels:
        return
    if "channel" not in names.groups:
        fix = "add {channel} to it; if each file holds the channels as planes, name them: --channel 0=brightfield"
        raise ConfigError(f"{names.option} lacks the group channel", fix=fix)
    listed = abbreviated([*sorted(found.ignored), *sorted(census.channels)])
    problem = f"no bright-field image among channels {listed}"
    example = sorted(found.ignored)[:2] or ["NAME"]
    options = (f"{name}={channel}" for name, channel in zip(example, (BRIGHTFIELD, DAPI), strict=False))
    fix = " ".join(f"--channel {shlex.quote(option)}" for option in options)
    if "without a name" in found.ignored:
        fix = "write {channel=BF} into the template of files whose names tell no channel"
    raise PairingError(problem, path=folder, fix=f"say which is which, for example {fix}")


def _check_planes(folder: Path, names: Names, found: Pairing) -> None:
    """Checks, for files whose planes are channels, that some file has a bright-field plane and every named one."""
    shown: list[str] = []
    for path, _ in found.examples:
        with suppress(ImageError):
            titles = plane_names(folder / path)
            shown = shown_planes(titles)
            there = {plain(title) for title in shown} | set(map(str, range(len(titles))))
            for name in names.naming.channels:
                if plain(name) not in there:
                    fix = f"its planes are {abbreviated(shown)}; numbers count from 0"
                    raise ConfigError(f"--channel {name}: the file has no such plane", path=folder / path, fix=fix)
            named_planes(folder / path, titles, names)
            return
    if shown:
        options = " ".join(f"--channel {shlex.quote(title)}=..." for title in shown[:MOST_SHOWN])
        problem = f"holds {len(shown)} plane{'s' * (len(shown) != 1)}: {abbreviated(shown)}"
        fix = f"say which channels they are: {options}, each with brightfield or dapi"
        raise ConfigError(problem, path=folder / found.examples[0][0], fix=fix)


def _cell_id(file: FoundFile, names: Names) -> str:
    cell_id = names.compose(file.match.groups)
    if names.naming.planes != "cells":
        return cell_id
    return f"{cell_id}/{(file.image.plane or 0) + names.naming.first_plane}"


def _add(cells: MutableMapping[str, SourceCell], folder: Path, names: Names, file: FoundFile) -> None:
    """Adds an image to its cell. Raises if the cell has one already, or another patient, site or label."""
    cell_id, groups = _cell_id(file, names), file.match.groups
    told = {name: groups.get(name, "") for name in ("patient", "site", "label")}
    cell = cells.get(cell_id) or SourceCell(told["patient"], told["site"], told["label"])
    if other := cell.images.get(file.channel):
        first = Path(other.path).relative_to(folder).as_posix()
        before = names.match(first)
        raise PairingError(
            f"cell {cell_id} has two {file.channel} images, {first} and {file.relative}",
            path=folder,
            fix=_remedy(names, before.groups if before else {}, groups),
        )
    for name, value in told.items():
        if getattr(cell, name) != value:
            problem = (
                f"cell {cell_id} has two {name}s, {getattr(cell, name)} and {value}, the second at {file.relative}"
            )
            raise PairingError(problem, path=folder, fix=f"make it part of the id: --cell-id '{{{name}}}/{{cell}}'")
    cell.images[file.channel] = file.image
    cells[cell_id] = cell


def _remedy(names: Names, one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Advice for two images of one cell and channel: the group that differs, as part of the id."""
    if one.get("channel") != other.get("channel"):
        return f"leave one of the two out, for example --channel {shlex.quote(other.get('channel', '') + '=')}"
    differing = [name for name in one if one[name] != other.get(name)]
    if differing:
        groups = "/".join(f"{{{name}}}" for name in dict.fromkeys([*differing, *names.id_groups]))
        return f"if these are two cells, give --cell-id '{groups}'; else remove one"
    group = "{run}" if names.naming.files else "(?P<run>...)"
    groups = "/".join(f"{{{name}}}" for name in ["run", *names.id_groups])
    return (
        f"remove one; if these are two cells, let a new group {group} in {names.option} stand for what differs, and "
        f"give --cell-id '{groups}'"
    )
