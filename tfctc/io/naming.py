"""File names to cells: applies a `FileNaming`, a template or regular expression, to the path of an image file."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI, FileNaming
from tfctc.errors import ConfigError, ImageError
from tfctc.io.names import PATH_BLANKS, normalised

#: Names of the channels in file names; case, spaces and punctuation do not matter.
ALIASES = {
    **dict.fromkeys(("bf", "brightfield", "trans", "transmission"), BRIGHTFIELD),
    **dict.fromkeys(("dapi", "dna", "hoechst"), DAPI),
}
#: Groups of a template or pattern that have a meaning; others may only be parts of the cell id.
GROUPS = ("cell", "channel", "patient", "site", "label")
#: Parts of a template: a group, any number of folders, any text of one folder or file name.
PART = re.compile(r"\{(?P<group>\w*)(?:=(?P<fixed>[^{}]*))?\}|(?P<folders>\*\*/)|(?P<text>\*)")


@dataclass(frozen=True)
class Match:
    """Groups of one path.

    Args:
        groups: name of a group -> its text in the path.
        channel: channel of the image; None if the naming does not know its name, or the path does not tell it.
    """

    groups: Mapping[str, str]
    channel: str | None = None

    @property
    def channel_name(self) -> str:
        """Name of the channel in the path; empty if the path does not tell it."""
        return self.groups.get("channel", "")


class Names:
    """A file naming, ready for use: `match` gives the groups of a path.

    Args:
        naming: the naming; its templates and pattern are taken in Unicode normal form C, as the paths are.

    Raises:
        ConfigError: a template or pattern that cannot be used: none or both are given, a mistake in a regular
            expression, no group `cell`, a group without a meaning, a cell id of unknown groups, a channel without a
            name, or a name of an unknown channel.
    """

    def __init__(self, naming: FileNaming):
        if bool(naming.files) == bool(naming.pattern):
            got = "both" if naming.files else "neither"
            raise ConfigError(f"one of --files and --pattern is needed, got {got}", fix="give one of them")
        self.naming = naming
        self._templates = [Template(normalised(text)) for text in naming.files]
        self._pattern = _compiled(normalised(naming.pattern)) if naming.pattern else None
        self.channels = ALIASES | {plain(name): channel for name, channel in naming.channels.items()}
        self.cell_id = normalised(naming.cell_id) or self._usual_id()
        self._check()

    @property
    def option(self) -> str:
        """The naming as a user gives it: ``--files '...'`` or ``--pattern '...'``."""
        return " or ".join(f"--files '{text}'" for text in self.naming.files) or f"--pattern '{self.naming.pattern}'"

    @property
    def groups(self) -> set[str]:
        """Names of the groups that a path may have."""
        if self._pattern:
            return set(self._pattern.groupindex)
        return set().union(*(template.groups for template in self._templates))

    def match(self, path: str) -> Match | None:
        """Groups of a path with ``/`` between its parts; None if the naming does not fit it.

        Raises:
            ConfigError: a template that fits the path in two ways, or a pattern that matches without its group `cell`
                or whose group `cell` includes its group `channel`.
        """
        path = normalised(path)
        if self._pattern:
            return self._match_pattern(path)
        for template in self._templates:
            if not set(self.id_groups) <= template.groups:
                continue
            fitting = [Match(groups, self._channel(groups)) for groups in template.fits(path)]
            # The name of a channel decides where the parts of a name end, if only one way gives a known channel.
            known = [match for match in fitting if match.channel]
            if not known and "channel" in template.groups:
                known = sorted(fitting, key=lambda match: len(match.channel_name))[:1]
            known = known or fitting
            if len(known) > 1:
                one, other = (", ".join(f"{name} {text}" for name, text in m.groups.items()) for m in known[:2])
                problem = f"fits --files '{template.text}' in two ways: {one}; or {other}"
                fix = "write more of the name into the template, or give a regular expression as --pattern"
                raise ConfigError(problem, path=path, fix=fix)
            if known:
                return known[0]
        return None

    def compose(self, groups: Mapping[str, str]) -> str:
        """Cell id from the groups of a path."""
        return self.cell_id.format_map(groups)

    def compose_values(self, values: Sequence[str]) -> str:
        """Cell id from the values of several columns.

        They are joined as in the template if it has as many groups; if planes are cells, one more value may follow, the
        number of the plane. Otherwise they are joined by ``/``.
        """
        groups = self.id_groups
        extra = len(values) - len(groups)
        if len(values) < 2 or extra not in (0, 1) or (extra and self.naming.planes != "cells"):
            return "/".join(values)
        return "/".join([self.compose(dict(zip(groups, values, strict=False))), *values[len(groups) :]])

    @property
    def id_groups(self) -> list[str]:
        """Names of the groups of the cell id, in order."""
        return re.findall(r"\{(\w+)\}", self.cell_id)

    def _usual_id(self) -> str:
        # A file with many cells may have the name of its patient, and no group `cell`.
        several = self.naming.planes == "cells" and "cell" not in self.groups
        return "{patient}" if several and "patient" in self.groups else "{cell}"

    def _channel(self, groups: Mapping[str, str]) -> str | None:
        return (self.channels.get(plain(groups["channel"])) or None) if "channel" in groups else None

    def _match_pattern(self, path: str) -> Match | None:
        assert self._pattern is not None
        match = self._pattern.fullmatch(path)
        if match is None:
            return None
        if "cell" in match.re.groupindex and match["cell"] is None:
            problem = f"matches --pattern {match.re.pattern!r} without its group cell"
            raise ConfigError(problem, path=path, fix="change the pattern so that the group is not optional")
        if {"cell", "channel"} <= set(match.re.groupindex) and match["channel"] is not None:
            (start, end), (from_, to) = match.span("channel"), match.span("cell")
            if from_ <= start and end <= to:
                problem = f"the group cell of --pattern includes the group channel: {match['cell']}"
                example = "--pattern '(?P<patient>[^/]+)/(?P<channel>BF|DAPI)/(?P<cell>[^/]+)[.]tif'"
                fix = f"leave the channel out of it, and join what is left: {example} --cell-id '{{patient}}/{{cell}}'"
                raise ConfigError(problem, path=path, fix=fix)
        groups = {name: (text or "").strip(PATH_BLANKS) for name, text in match.groupdict().items()}
        return Match(groups, self._channel(groups))

    def _check(self) -> None:
        if "" in self.channels:
            fix = "give a longer name, and let {channel} in --files stand for it"
            raise ConfigError("--channel: a name needs a letter or a digit", fix=fix)
        for unknown in set(self.channels.values()) - {*CHANNELS, ""}:
            fix = f"choose one of: {', '.join(CHANNELS)}; or nothing, to leave these files out"
            raise ConfigError(f"unknown channel {unknown!r}", fix=fix)
        parts = re.sub(r"\{\w+\}", "", self.cell_id)
        if "{" in parts or "}" in parts or not self.id_groups:
            fix = "write it of groups in braces, for example '{patient}/{cell}'"
            raise ConfigError(f"--cell-id {self.cell_id!r} cannot be used", fix=fix)
        if "cell" not in self.groups and self.naming.planes != "cells":
            fix = "add {cell} to the template, or (?P<cell>...) to the pattern"
            raise ConfigError(f"{self.option} lacks the group cell", fix=fix)
        if missing := [name for name in self.id_groups if name not in self.groups]:
            problem = f"--cell-id has the group {missing[0]}, which {self.option} has not"
            raise ConfigError(problem, fix="add it there, or leave it out")
        for name in sorted(self.groups - set(GROUPS) - set(self.id_groups)):
            known = f"use {', '.join(GROUPS)}; or make it part of the id: --cell-id '{{{name}}}/{{cell}}'"
            raise ConfigError(f"unknown group {name!r} in {self.option}", fix=known)


@dataclass(frozen=True)
class Template:
    """Template for the path of a file: text, and groups in braces that each stand for some text without ``/``.

    ``*`` is any text without ``/``, and ``**/`` any number of folders. Upper and lower case do not matter in the ending
    of the file name. A group that is there twice has the same text in both places. ``{channel=BF}`` stands for no text:
    it says that the channel of all files that fit is BF.

    Args:
        text: the template, such as ``{patient}/{cell}_{channel}.tif``.

    Raises:
        ConfigError: an empty template, or a brace without its partner.
    """

    text: str
    _parts: list[tuple[str, str]] = field(init=False, repr=False, compare=False, default_factory=list)
    _fixed: dict[str, str] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self):
        end = 0
        for match in PART.finditer(self.text):
            self._add_text(self.text[end : match.start()])
            kind = match.lastgroup or "group"
            if kind in ("group", "fixed") and not match["group"]:
                raise ConfigError(f"--files '{self.text}' has an empty group {{}}", fix="write * for text of any kind")
            if match["fixed"] is not None:
                self._fixed[match["group"]] = match["fixed"]
            else:
                self._parts.append((kind, match["group"] or ""))
            end = match.end()
        self._add_text(self.text[end:])
        if not self._parts:
            raise ConfigError("--files is empty", fix="give for example '{patient}/{cell}_{channel}.tif'")

    @property
    def groups(self) -> set[str]:
        """Names of the groups."""
        return {name for kind, name in self._parts if kind == "group"} | set(self._fixed)

    def fits(self, path: str) -> list[dict[str, str]]:
        """Groups of `path`, for every way in which the template fits it; the last way has the longest first groups."""
        stem, dot, ending = self.text.rpartition(".")
        if dot and path.lower().endswith(f".{ending.lower()}") and "{" not in ending and "*" not in ending:
            path = path[: len(path) - len(ending)] + ending
        ways = {}
        for found in self._walk(path, 0, 0, {}):
            # Blanks around a value are no part of it: tables lose them.
            groups = {name: text.strip(PATH_BLANKS) for name, text in found.items()} | self._fixed
            if all(groups.values()):
                ways[tuple(sorted(groups.items()))] = groups
        return list(ways.values())

    def _add_text(self, text: str) -> None:
        if "{" in text or "}" in text:
            fix = "write every group as {name}, of letters and digits"
            raise ConfigError(f"--files '{self.text}' has a brace without its partner", fix=fix)
        if text:
            self._parts.append(("literal", text))

    def _walk(self, path: str, start: int, number: int, groups: dict[str, str]) -> Iterator[dict[str, str]]:
        """Yields the groups of every way in which the parts from `number` on fit `path` from `start` on."""
        if number == len(self._parts):
            if start == len(path):
                yield groups
            return
        kind, name = self._parts[number]
        if kind == "literal":
            if path.startswith(name, start):
                yield from self._walk(path, start + len(name), number + 1, groups)
        elif kind == "folders":
            yield from self._walk(path, start, number + 1, groups)
            while (start := path.find("/", start) + 1) > 0:
                yield from self._walk(path, start, number + 1, groups)
        elif name in groups:
            if path.startswith(groups[name], start):
                yield from self._walk(path, start + len(groups[name]), number + 1, groups)
        else:
            for end in self._ends(path, start, number):
                found = groups | {name: path[start:end]} if name else groups
                yield from self._walk(path, end, number + 1, found)

    def _ends(self, path: str, start: int, number: int) -> Iterator[int]:
        """Positions at which a group from `start` on may end: before the text that follows it, or at the path's end."""
        slash = path.find("/", start)
        last = len(path) if slash < 0 else slash
        first = start + (self._parts[number][0] == "group")
        following = self._parts[number + 1] if number + 1 < len(self._parts) else None
        if following is None:
            yield from (last,) if first <= last == len(path) else ()
        elif following[0] == "literal":
            end = path.find(following[1], first)
            while 0 <= end <= last:
                yield end
                end = path.find(following[1], end + 1)
        else:
            yield from range(first, last + 1)


def plain(name: str) -> str:
    """Name of a channel without case, spaces and punctuation."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", name).casefold())


def shown_planes(titles: Sequence[str]) -> list[str]:
    """Names of planes for messages: the number, from 0, of one without a name."""
    return [title or str(number) for number, title in enumerate(titles)]


def named_planes(path: Path, titles: Sequence[str], names: Names) -> dict[str, int]:
    """Number of the plane of each channel in a file whose planes are channels; from 0.

    Args:
        path: the file, for messages.
        titles: names of its planes (`tfctc.io.pixels.plane_names`).
        names: the naming. A name that is a number means the position; any other is the name of a plane.

    Raises:
        ImageError: two planes of one channel, a plane that is called like the other channel, or no plane of
            bright-field.
    """
    found: dict[str, int] = {}
    for number, title in enumerate(titles):
        told = names.channels.get(plain(title)) if plain(title) else None
        channel = names.channels.get(str(number)) or told
        if channel and told and told != channel:
            problem = f"has a plane {number} that is called {title}, and --channel {number}={channel} was given"
            raise ImageError(problem, path=path, fix="name the planes in place of their numbers, or correct the file")
        if channel and found.setdefault(channel, number) != number:
            fix = "say which one: --channel with its number, such as --channel 0=brightfield"
            raise ImageError(f"has two planes of {channel}, {found[channel]} and {number}", path=path, fix=fix)
    if BRIGHTFIELD not in found:
        shown = ", ".join(shown_planes(titles))
        fix = "give --channel NAME=brightfield with its name or number, counted from 0"
        raise ImageError(f"has no plane that is known as bright-field; its planes are {shown}", path=path, fix=fix)
    return found


def _compiled(pattern: str) -> re.Pattern:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"--pattern is not a regular expression of Python ({error}): {pattern}") from None
    return expression
