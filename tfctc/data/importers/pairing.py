"""Finding the channel images that belong to one cell: strictly by id, never by sorted order."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI
from tfctc.errors import ConfigError, ImageError, PairingError
from tfctc.files import is_folder
from tfctc.images import SUFFIXES

#: What file names call the channels; case, spaces and punctuation do not matter.
ALIASES = {
    **dict.fromkeys(("bf", "brightfield", "trans", "transmission"), BRIGHTFIELD),
    **dict.fromkeys(("dapi", "dna", "hoechst"), DAPI),
}
#: Names listed in a message before "and N more".
NAMED = 5


@dataclass
class Found:
    """The images of one cell, and what their paths told."""

    patient: str = ""
    site: str = ""
    files: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Pairing:
    """Cell id -> what was found; channels that nobody asked for -> files; files that the pattern did not match."""

    cells: dict[str, Found]
    ignored: Counter
    unmatched: list[str]


def pair(folder: str | Path, pattern: str, channels: Mapping[str, str] | None = None) -> Pairing:
    """Sorts the image files below `folder` by cell. The pattern and the paths it is matched with are `composed` before.

    Args:
        pattern: regular expression for a whole path below the folder, "/" between its parts. Groups: `cell` (the id,
            unique in the data set) and `channel`; if the path tells them, `patient` and `site`.
        channels: further names of channels, in addition to `ALIASES`.

    Raises:
        ConfigError: a pattern that is none, lacks its groups, or finds no cell in a path; an unknown channel.
        ImageError: a path that is not UTF-8, as the manifest is.
        PairingError: no folder, one that cannot be read, no image, nothing matched, no bright-field at all, or two
            images of one cell's channel.
    """
    expression = _compile(composed(pattern))
    names = ALIASES | {_plain(name): channel for name, channel in (channels or {}).items()}
    if "" in names:
        raise ConfigError("--channel: a name needs a letter or a digit", fix="let the group channel span more")
    for channel in set(names.values()) - set(CHANNELS):
        raise ConfigError(f"unknown channel {channel!r}", fix=f"choose one of: {', '.join(CHANNELS)}")
    found = Pairing({}, Counter(), [])
    for path in image_files(Path(folder)):
        refuse_unwritable(str(path.absolute()), path)
        relative = path.relative_to(folder).as_posix()
        match = expression.fullmatch(composed(relative))
        if not match:
            found.unmatched.append(relative)
            continue
        groups = {name: value or "" for name, value in match.groupdict().items()}
        channel = channel_of(groups["channel"], names)
        if channel is None:
            found.ignored[groups["channel"]] += 1
            continue
        home = Found(groups.get("patient", ""), groups.get("site", ""))
        cell = found.cells.setdefault(cell_of(match), home)
        if channel in cell.files:
            other = cell.files[channel].relative_to(folder).as_posix()
            raise PairingError(
                f"cell {groups['cell']} has two {channel} images, {other} and {relative}",
                path=folder,
                fix="let the group cell span what tells them apart, e.g. (?P<cell>(?P<patient>[^/]+)/...)",
            )
        if (cell.patient, cell.site) != (home.patient, home.site):
            raise PairingError(
                f"cell {groups['cell']} lies with two patients or sites, the second time at {relative}",
                path=folder,
                fix="let the group cell span the patient, e.g. (?P<cell>(?P<patient>[^/]+)/...)",
            )
        cell.files[channel] = path
    if not found.cells and not found.ignored:
        if not found.unmatched:
            fix = "export the images as one of these, or give the folder that they are in"
            raise PairingError("holds no PNG or TIFF image", path=folder, fix=fix)
        problem = f"no image file matches the pattern (e.g. {found.unmatched[0]})"
        raise PairingError(problem, path=folder, fix="give a --pattern that does")
    if not any(BRIGHTFIELD in cell.files for cell in found.cells.values()):
        seen = ", ".join([*found.ignored, *{c for cell in found.cells.values() for c in cell.files}])
        problem = f"no bright-field image among channels {seen}"
        raise PairingError(problem, path=folder, fix="--channel NAME=brightfield")
    return found


def composed(text: str) -> str:
    """In Unicode's normal form C: a Mac's file names and a spreadsheet's text write letters in different bytes."""
    return unicodedata.normalize("NFC", text)


def orphans(cells: Mapping[str, Found]) -> list[str]:
    """Ids of cells that have no bright-field image."""
    return [cell_id for cell_id, cell in cells.items() if BRIGHTFIELD not in cell.files]


def listed(names: list[str]) -> str:
    """The first few names and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def channel_of(name: str, names: Mapping[str, str] = ALIASES) -> str | None:
    """The channel that a file calls `name`, or None."""
    return names.get(_plain(name))


def cell_of(match: re.Match) -> str:
    """The cell id that a pattern found in a path.

    Raises:
        ConfigError: the group took no part in the match.
    """
    if match["cell"] is None:
        problem = f"matches --pattern {match.re.pattern!r} without its group cell"
        raise ConfigError(problem, path=match.string, fix="let the group take part in every match")
    return match["cell"]


def refuse_unwritable(name: str, path: Path) -> None:
    """Raises an ImageError if `name`, which the file in `path` gave, cannot be written in UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise ImageError("file name is not UTF-8", path=shown, fix="rename it") from None


def image_files(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> Iterator[Path]:
    """Every image file below `folder`, in one fixed order; hidden files and folders are passed over.

    With other `suffixes`, in small letters, every file that has one of them; all have the empty one.
    Each folder is read once, however many links lead to it: by its own path if it has one below `folder`.

    Raises:
        ImageError, PairingError: `folder` is none, or it or one below it cannot be read.
    """
    if not is_folder(folder, ImageError):
        raise PairingError("is not a folder", path=folder, fix="give the folder of the images")
    waiting, seen = [folder], set()
    for top in waiting:  # Links that are come across join at the end.
        for parent, folders, files in os.walk(top, onerror=_refuse_unreadable):
            if (real := os.path.realpath(parent)) in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            waiting += [link for name in folders if (link := Path(parent, name)).is_symlink()]
            for name in sorted(files):
                if name.lower().endswith(suffixes) and not name.startswith("."):
                    yield Path(parent, name)


def _refuse_unreadable(error: OSError) -> None:
    # In a folder that fills, others may come and go.
    if not isinstance(error, FileNotFoundError):
        fix = "make the folder readable, or take it away"
        raise PairingError(f"cannot be read ({error.strerror})", path=error.filename, fix=fix) from None


def _compile(pattern: str) -> re.Pattern:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"--pattern is not a regular expression ({error}): {pattern}") from None
    for group in {"cell", "channel"} - set(expression.groupindex):
        raise ConfigError(f"--pattern lacks the group (?P<{group}>...): {pattern}")
    return expression


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", name).casefold())
