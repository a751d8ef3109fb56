"""Pairing: the channel images of each cell, found by cell id and never by their order."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI
from tfctc.errors import ConfigError, PairingError
from tfctc.io.folders import image_files
from tfctc.io.names import check_encodable, normalised

#: Names of the channels in file names; case, spaces and punctuation do not matter.
ALIASES = {
    **dict.fromkeys(("bf", "brightfield", "trans", "transmission"), BRIGHTFIELD),
    **dict.fromkeys(("dapi", "dna", "hoechst"), DAPI),
}


@dataclass
class CellFiles:
    """The images of one cell.

    Args:
        patient, site: patient and site in the paths of the images; empty if the pattern has no such group.
        files: channel -> path of its image.
    """

    patient: str = ""
    site: str = ""
    files: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Pairing:
    """Image files of a folder, by cell.

    Args:
        cells: cell id -> its images.
        ignored: name of an unknown channel -> number of files.
        unmatched: paths that the pattern does not match, relative to the folder.
    """

    cells: dict[str, CellFiles]
    ignored: Counter
    unmatched: list[str]


def pair(folder: str | Path, pattern: str, channels: Mapping[str, str] | None = None) -> Pairing:
    """Groups the image files below a folder by cell. Pattern and paths are matched in Unicode normal form C.

    Args:
        folder: the folder.
        pattern: regular expression for the whole path of a file below the folder, with "/" between its parts. Groups:
            `cell` (the id, unique in the data set) and `channel`; if the path contains them, `patient` and `site`.
        channels: name of a channel in file names -> channel, in addition to `ALIASES`.

    Raises:
        ConfigError: a pattern that is not a regular expression, lacks a group, or matches a path without its group
            `cell`; an unknown channel.
        ImageError: a path that is not UTF-8, the encoding of the manifest.
        PairingError: no folder, one that cannot be read, no image, no path that matches, no bright-field image, two
            images of one channel of a cell, or two patients or sites of a cell.
    """
    expression = _compile(normalised(pattern))
    names = ALIASES | {_plain(name): channel for name, channel in (channels or {}).items()}
    if "" in names:
        fix = "give a longer name, and let the group `channel` of the pattern match it"
        raise ConfigError("--channel: a name needs a letter or a digit", fix=fix)
    for unknown in set(names.values()) - set(CHANNELS):
        raise ConfigError(f"unknown channel {unknown!r}", fix=f"choose one of: {', '.join(CHANNELS)}")
    found = Pairing({}, Counter(), [])
    for path in image_files(Path(folder)):
        check_encodable(str(path.absolute()), path)
        relative = path.relative_to(folder).as_posix()
        match = expression.fullmatch(normalised(relative))
        if not match:
            found.unmatched.append(relative)
            continue
        groups = {name: value or "" for name, value in match.groupdict().items()}
        channel = channel_of(groups["channel"], names)
        if channel is None:
            found.ignored[groups["channel"]] += 1
            continue
        home = CellFiles(groups.get("patient", ""), groups.get("site", ""))
        cell = found.cells.setdefault(cell_of(match), home)
        if channel in cell.files:
            other = cell.files[channel].relative_to(folder).as_posix()
            raise PairingError(
                f"cell {groups['cell']} has two {channel} images, {other} and {relative}",
                path=folder,
                fix="let the group `cell` span what differs, e.g. (?P<cell>(?P<patient>[^/]+)/...), or remove one",
            )
        if (cell.patient, cell.site) != (home.patient, home.site):
            raise PairingError(
                f"cell {groups['cell']} has two patients or sites, the second at {relative}",
                path=folder,
                fix="let the group `cell` span the patient and the site, e.g. (?P<cell>(?P<patient>[^/]+)/...)",
            )
        cell.files[channel] = path
    if not found.cells and not found.ignored:
        if not found.unmatched:
            fix = "export the images as one of these, or give the folder that holds them"
            raise PairingError("holds no PNG or TIFF image", path=folder, fix=fix)
        problem = f"no image file matches the pattern (e.g. {found.unmatched[0]})"
        raise PairingError(problem, path=folder, fix="give a --pattern that does")
    if not any(BRIGHTFIELD in cell.files for cell in found.cells.values()):
        seen = ", ".join([*found.ignored, *{c for cell in found.cells.values() for c in cell.files}])
        problem = f"no bright-field image among channels {seen}"
        raise PairingError(problem, path=folder, fix="name bright-field's with --channel NAME=brightfield")
    return found


def orphans(cells: Mapping[str, CellFiles]) -> list[str]:
    """Ids of cells that have no bright-field image."""
    return [cell_id for cell_id, cell in cells.items() if BRIGHTFIELD not in cell.files]


def channel_of(name: str, names: Mapping[str, str] = ALIASES) -> str | None:
    """Channel of a channel name in a file name; None if it is unknown."""
    return names.get(_plain(name))


def cell_of(match: re.Match) -> str:
    """Cell id in a path that a pattern matches.

    Raises:
        ConfigError: the group `cell` took no part in the match.
    """
    if match["cell"] is None:
        problem = f"matches --pattern {match.re.pattern!r} without its group cell"
        raise ConfigError(problem, path=match.string, fix="change the pattern so that the group is not optional")
    return match["cell"]


def _compile(pattern: str) -> re.Pattern:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"--pattern is not a regular expression of Python ({error}): {pattern}") from None
    for group in {"cell", "channel"} - set(expression.groupindex):
        raise ConfigError(f"--pattern lacks the group (?P<{group}>...): {pattern}", fix="add it")
    return expression


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", name).casefold())
