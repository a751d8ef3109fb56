"""Pairing: the channel images of each cell, found by cell id and never by their order."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tfctc.cells import BRIGHTFIELD, DAPI, FileNaming
from tfctc.data.importers.sources import SourceCell, SourceImage
from tfctc.errors import ConfigError, ImageError, PairingError
from tfctc.io.folders import image_files
from tfctc.io.names import check_encodable
from tfctc.io.naming import ALIASES, Match, Names, named_planes, plain
from tfctc.io.pixels import Plane, plane_count, plane_names


@dataclass
class Pairing:
    """Image files of a folder, by cell.

    Args:
        naming: the naming that was used, with the cell id that it came to.
        cells: cell id -> the cell.
        ignored: name of an unknown channel -> number of files.
        unmatched: paths that the naming does not fit, relative to the folder.
        examples: the first few paths, relative to the folder, with their groups.
        notes: remarks for the user.
    """

    naming: FileNaming
    cells: dict[str, SourceCell] = field(default_factory=dict)
    ignored: Counter[str] = field(default_factory=Counter)
    unmatched: list[str] = field(default_factory=list)
    examples: list[tuple[str, Match]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _File:
    """One image found by its name: its path below the folder, groups, channel, and plane."""

    relative: str
    match: Match
    image: SourceImage
    channel: str


#: Number of paths that are shown with their groups.
EXAMPLES = 5


def pair(folder: str | Path, naming: FileNaming) -> Pairing:
    """Groups the images below a folder by cell.

    If the naming has no cell id and cells of several patients have the same number, ids become ``{patient}/{cell}``.

    Args:
        folder: the folder.
        naming: names of the files.

    Raises:
        ConfigError: a naming that cannot be used, or fits a path in two ways; channels of one file without names.
        ImageError: a path that is not UTF-8, the encoding of the manifest.
        PairingError: no folder, one that cannot be read, no image, no path that the naming fits, no bright-field image,
            two images of one channel of a cell, two patients, sites or labels of a cell, or no DAPI image that pairs.
    """
    folder, names = Path(folder), Names(naming)
    found = Pairing(naming)
    files = list(_files(folder, names, found))
    if _names_planes(folder, names, files, found):
        naming = replace(naming, planes="channels")
        names, found = Names(naming), Pairing(naming)
        files = list(_files(folder, names, found))
    if not found.examples:
        if not found.unmatched:
            fix = "export the images as one of these, or give the folder that holds them"
            raise PairingError("holds no PNG or TIFF image", path=folder, fix=fix)
        problem = f"no image file has a name like {names.option} (e.g. {found.unmatched[0]})"
        fix = "leave out --files, --pattern and --preset to see the templates that fit"
        raise PairingError(problem, path=folder, fix=fix)
    _check_channels(folder, names, files, found)
    if not naming.cell_id and _repeats(files, names):
        wider = _wider_id(files)
        if not _repeats(files, Names(replace(naming, cell_id=wider))):
            found.notes.append(f"cells of several patients have the same id, so ids are now {wider}")
            found.naming = replace(naming, cell_id=wider)
            names = Names(found.naming)
    for file in files:
        _add(found.cells, folder, names, file)
    without_dapi = [cell_id for cell_id, cell in found.cells.items() if DAPI not in cell.images]
    unpaired = orphans(found.cells)
    if unpaired and len(without_dapi) + len(unpaired) == len(found.cells):
        raise PairingError(
            f"no DAPI image has the cell id of a bright-field image: bright-field has {without_dapi[0]}, DAPI "
            f"{unpaired[0]}",
            path=folder,
            fix="give --files or --cell-id so that both get the same id",
        )
    return found


def orphans(cells: Mapping[str, SourceCell]) -> list[str]:
    """Ids of cells that have no bright-field image."""
    return [cell_id for cell_id, cell in cells.items() if BRIGHTFIELD not in cell.images]


def _files(folder: Path, names: Names, found: Pairing) -> Iterator[_File]:
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
        if names.naming.planes != "single":
            try:
                for plane, channel in _planes(path, names, match):
                    yield _File(relative, match, SourceImage(path, plane), channel)
            except ImageError as error:
                # Reported later, with those of all files that cannot be read.
                yield _File(relative, match, SourceImage(path, 0, partial(_raise, error)), BRIGHTFIELD)
        elif match.channel:
            yield _File(relative, match, SourceImage(path), match.channel)
        else:
            found.ignored[match.channel_name] += 1


def _raise(error: ImageError) -> Plane:
    raise error


def _planes(path: Path, names: Names, match: Match) -> Iterator[tuple[int, str]]:
    """Yields number and channel of the planes of a file."""
    if names.naming.planes == "cells":
        yield from ((plane, match.channel or BRIGHTFIELD) for plane in range(plane_count(path)))
    else:
        yield from ((plane, channel) for channel, plane in named_planes(path, names).items())


def _names_planes(folder: Path, names: Names, files: list[_File], found: Pairing) -> bool:
    """Whether --channel names planes of the files, although the names of the files tell a channel too."""
    if names.naming.planes != "single" or not names.naming.channels or not found.examples:
        return False
    seen = {plain(name) for name in (*found.ignored, *(file.match.channel_name for file in files))}
    if set(map(plain, names.naming.channels)) <= seen:
        return False
    try:
        return plane_count(folder / found.examples[0][0]) > 1
    except ImageError:
        return False


def _check_channels(folder: Path, names: Names, files: list[_File], found: Pairing) -> None:
    """Checks that every name given by --channel is there, and that there are bright-field images."""
    seen = Counter({file.match.channel_name for file in files}) + found.ignored
    if names.naming.planes == "single" and "channel" in names.groups:
        there = {plain(name) for name in seen}
        for name in names.naming.channels:
            if plain(name) not in there | set(ALIASES):
                fix = f"the channels are {', '.join(sorted(seen))}"
                raise ConfigError(f"--channel {name}: no file has this channel", path=folder, fix=fix)
    if any(file.channel == BRIGHTFIELD for file in files):
        return
    if names.naming.planes == "channels":
        first = folder / found.examples[0][0]
        titles = [title or str(number) for number, title in enumerate(plane_names(first))]
        fix = " ".join(f"--channel {title}=..." for title in titles) + ", each with brightfield or dapi"
        problem = f"holds {len(titles)} planes: {', '.join(titles)}"
        raise ConfigError(problem, path=first, fix=f"say which channels they are: {fix}")
    if "channel" not in names.groups:
        fix = "add {channel} to it; if each file holds the channels as planes, name them: --channel 0=brightfield"
        raise ConfigError(f"{names.option} lacks the group channel", fix=fix)
    known = {file.channel for file in files}
    problem = f"no bright-field image among channels {', '.join([*sorted(found.ignored), *sorted(known)])}"
    example = sorted(found.ignored)[:2] or ["NAME"]
    fix = " ".join(f"--channel {name}={channel}" for name, channel in zip(example, (BRIGHTFIELD, DAPI), strict=False))
    raise PairingError(problem, path=folder, fix=f"say which is which, for example {fix}")


def _repeats(files: Iterable[_File], names: Names) -> bool:
    """Whether two images have the same cell id and channel, or a cell two patients."""
    seen: set[tuple[str, str]] = set()
    patients: dict[str, str] = {}
    for file in files:
        cell_id = _cell_id(file, names)
        key, patient = (cell_id, file.channel), file.match.groups.get("patient", "")
        if key in seen or patients.setdefault(cell_id, patient) != patient:
            return True
        seen.add(key)
    return False


def _wider_id(files: list[_File]) -> str:
    """Template of an id that also has the patient, and the site if patients of two sites have the same name."""
    sites: dict[str, set[str]] = {}
    for file in files:
        sites.setdefault(file.match.groups.get("patient", ""), set()).add(file.match.groups.get("site", ""))
    groups = [name for name in ("patient", "cell") if all(name in file.match.groups for file in files)]
    several_sites = any(len(of_patient) > 1 for of_patient in sites.values())
    return "/".join(f"{{{name}}}" for name in (["site", *groups] if several_sites else groups))


def _cell_id(file: _File, names: Names) -> str:
    cell_id = names.compose(file.match.groups)
    if names.naming.planes != "cells":
        return cell_id
    return f"{cell_id}/{(file.image.plane or 0) + names.naming.first_plane}"


def _add(cells: dict[str, SourceCell], folder: Path, names: Names, file: _File) -> None:
    """Adds an image to its cell. Raises if the cell has one already, or another patient, site or label."""
    cell_id, groups = _cell_id(file, names), file.match.groups
    told = {name: groups.get(name, "") for name in ("patient", "site", "label")}
    cell = cells.setdefault(cell_id, SourceCell(told["patient"], told["site"], told["label"]))
    if other := cell.images.get(file.channel):
        before = names.match(other.path.relative_to(folder).as_posix())
        raise PairingError(
            f"cell {cell_id} has two {file.channel} images, {other.path.relative_to(folder).as_posix()} and "
            f"{file.relative}",
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


def _remedy(names: Names, one: Mapping[str, str], other: Mapping[str, str]) -> str:
    """Advice for two images of one cell and channel: the group that differs, as part of the id."""
    differing = [name for name in one if one[name] != other.get(name) and name != "channel"]
    if differing:
        groups = "/".join(f"{{{name}}}" for name in dict.fromkeys([*differing, *names.id_groups]))
        return f"if these are two cells, give --cell-id '{groups}'; else remove one"
    group = "{run}" if names.naming.files else "(?P<run>...)"
    return (
        f"remove one; if these are two cells, let a new group {group} in {names.option} stand for what differs, and "
        "give --cell-id '{run}/{cell}'"
    )
