"""Proposals: the templates and presets that fit the files of a folder, for a user who has given none."""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, product
from pathlib import Path

from tfctc.cells import BRIGHTFIELD, DAPI, FileNaming
from tfctc.data.importers.presets import PRESETS
from tfctc.errors import ConfigError, ImageError, PairingError
from tfctc.io.folders import image_files
from tfctc.io.names import abbreviated
from tfctc.io.naming import ALIASES, Match, Names, plain, shown_planes
from tfctc.io.pixels import plane_names

#: Templates of the folders above a file, by their number. `run` and `part` are folders below the patient.
FOLDERS: dict[int, Sequence[str]] = {
    0: ("",),
    1: ("{patient}/", "{label}/", "{channel}/", "{cell}/"),
    2: ("{patient}/{channel}/", "{site}/{patient}/", "{label}/{patient}/", "{patient}/{label}/", "{label}/{channel}/",
        "{channel}/{patient}/", "{channel}/{label}/", "{patient}/{run}/", "{patient}/{cell}/", "{label}/{cell}/"),
    3: ("{site}/{patient}/{channel}/", "{label}/{patient}/{channel}/", "{patient}/{label}/{channel}/",
        "{site}/{label}/{patient}/", "{site}/{patient}/{label}/", "{label}/{site}/{patient}/",
        "{site}/{patient}/{run}/", "{patient}/{run}/{part}/", "{site}/*/{patient}/", "{patient}/{run}/{channel}/",
        "{label}/{patient}/{run}/", "{channel}/{patient}/{run}/", "{channel}/{site}/{patient}/",
        "{site}/{patient}/{cell}/", "{patient}/{run}/{cell}/", "{label}/{patient}/{cell}/",
        "{patient}/{label}/{cell}/"),
}  # fmt: skip
#: Templates of a file name without its ending.
STEMS = (
    "{cell}", "{cell}_{channel}", "{cell}-{channel}", "{cell} {channel}", "{cell}.{channel}", "{channel}_{cell}",
    "{channel}-{cell}", "{channel} {cell}", "{patient}_{cell}_{channel}", "{patient}-{cell}-{channel}", "{channel}",
)  # fmt: skip
#: Groups that make a cell id unique, in the order of an id; the first two only if the others do not suffice.
ID_GROUPS = ("site", "label", "patient", "run", "part", "cell")
#: Words that name a class of cells in paths.
CLASS_WORDS = {
    "ctc", "ctcs", "wbc", "wbcs", "leukocyte", "leukocytes", "leucocyte", "leucocytes", "tumor", "tumour", "cancer",
    "positive", "negative", "pos", "neg", "blood", "unlabelled", "unlabeled",
}  # fmt: skip
#: Letters before the number of a channel, as in w1, C1 and Ch7.
NUMBERED = {"c", "ch", "chan", "channel", "cam", "camera", "filter", "w", "wl", "wv", "wavelength"}
#: Name of a folder that can only be a patient, although two sites have it.
PATIENT_WORD = re.compile(r"(?:patient|pat|pt|donor|subject)[ _-]*\d+", re.IGNORECASE)
#: Endings of two parts.
DOUBLE_ENDINGS = (".ome.tif", ".ome.tiff")
#: Share of the cells of the best proposal that another one must pair.
LIKELY = 0.75
#: Number of folders, of their subfolders and of files there that a template is first tried on; of names of channels;
#: of proposals; and of example files.
TOPS, BELOW, TRIED, MOST_CHANNELS, SHOWN, EXAMPLES = 10, 10, 20, 12, 5, 5


@dataclass(frozen=True)
class Proposal:
    """A naming that fits files of a folder.

    Args:
        naming: the naming.
        options: the naming as options of `tfctc import`, quoted for a shell.
        paired: number of cells with both channels (with two or more, if it is not known which is which).
        cells: number of cells of which a channel is known.
        files: number of files that it fits.
        brightfield_only: number of cells that have bright-field and no DAPI.
        is_guess: whether the names do not tell which channel is which, so that the options are an example.
        patients: the patients by this naming; empty if it does not tell them.
        others: names of further channels.
    """

    naming: FileNaming
    options: str
    paired: int
    cells: int
    files: int
    brightfield_only: int = 0
    is_guess: bool = False
    patients: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def meaning(self) -> str:
        """The patients, the channels and the doubts of the naming, in words."""
        told = [f"patients are {abbreviated(self.patients)}"] if self.patients else []
        told = told or ["names tell no patient: label table with --patient-column needed"]
        if self.brightfield_only:
            told.append(f"{self.brightfield_only} of {self.cells} cells have only bright-field")
        if self.others and not self.paired:
            told.append(f"if {' or '.join(self.others)} is DAPI, add --channel NAME=dapi")
        return "; ".join([*told, *["check which channel is which"] * self.is_guess])


def propose(folder: str | Path) -> list[Proposal]:
    """The namings that pair most cells of a folder, the best first; empty if none is convincing.

    Two of them may read the same folders as different patients. A folder name that occurs in several folders, as run1
    in P1 and P2, is no patient.

    Raises:
        PairingError, ImageError: no folder, one that cannot be read, or one without images.
    """
    folder, paths = Path(folder), _paths(folder)
    tried = list(_some(paths))
    words = _channel_words(tried)
    candidates = list(_candidates(folder, paths, words))
    found = [(one, candidate) for candidate in candidates if (one := _measured(*candidate, words, tried))]
    best = [candidate for _, candidate in sorted(found, key=lambda pair: _rank(pair[0]))[: 2 * SHOWN]]
    final = sorted(filter(None, (_measured(*candidate, words, paths) for candidate in best)), key=_rank)
    if not final:
        return []
    first = final[0]
    likely = [one for one in final if one.is_guess == first.is_guess and _fit(one) >= _fit(first) * LIKELY]
    templates = [one for one in likely if one.naming.files and not one.options.startswith("--preset")]
    return (templates or likely)[:SHOWN]


def example_files(folder: str | Path) -> list[str]:
    """A few paths of images from all over the folder, relative to it.

    Raises:
        PairingError, ImageError: as `propose`.
    """
    paths = _paths(Path(folder))
    return [paths[i * (len(paths) - 1) // max(EXAMPLES - 1, 1)] for i in range(EXAMPLES)] if paths[EXAMPLES:] else paths


def _paths(folder: Path) -> list[str]:
    paths = [path.relative_to(folder).as_posix() for path in image_files(folder)]
    if not paths:
        fix = "export the images as one of these, or give the folder that holds them"
        raise PairingError("holds no PNG or TIFF image", path=folder, fix=fix)
    return paths


def _fit(proposal: Proposal) -> int:
    return proposal.paired or proposal.brightfield_only


def _rank(proposal: Proposal) -> tuple:
    groups = Names(proposal.naming).groups
    left = proposal.cells - proposal.paired
    told = len({"patient", "label", "site"} & groups)
    tidy = len(proposal.options) + 100 * ("*" in proposal.options)
    return proposal.is_guess, -proposal.paired, left, -proposal.files, "patient" not in groups, -told, tidy


def _some(paths: Sequence[str]) -> Iterator[str]:
    """Files of some folders below each top folder: sorted, so that folders for channels hold the same cells."""
    tops: dict[str, dict[str, list[str]]] = {}
    for path in paths:
        parent = path.rpartition("/")[0]
        tops.setdefault(parent.partition("/")[0], {}).setdefault(parent, []).append(path)
    for below in islice(tops.values(), TOPS):
        tried = TRIED if len(below) > 1 or len(tops) > 1 else BELOW * TRIED
        for own in islice(below.values(), BELOW):
            yield from own[:tried]


def _channel_words(paths: Collection[str]) -> dict[str, str]:
    """Known names of channels in some paths, and not in all of them -> the channel."""
    counts: Counter[str] = Counter()
    for path in paths:
        parts = [part for part in re.split(r"[\W_]+", path) if part]
        counts.update({plain("".join(two)) for two in zip(parts, parts[1:], strict=False)} | set(map(plain, parts)))
    return {word: ALIASES[word] for word, count in counts.items() if word in ALIASES and count < len(paths)}


def _candidates(folder: Path, paths: Sequence[str], words: Mapping[str, str]) -> Iterator[tuple[FileNaming, list[str]]]:
    """Yields namings to try, and their options."""
    depth = Counter(path.count("/") for path in paths).most_common(1)[0][0]
    endings = Counter(map(_ending, paths))
    ending = endings.most_common(1)[0][0]
    titles = _titles(folder / paths[0])
    above = FOLDERS.get(depth, ("**/{patient}/",))
    for top, stem, end in product(above, STEMS, [ending, ".*"] if len(endings) > 1 else [ending]):
        template = f"{top}{stem}{end}"
        is_usable = template.count("{channel}") == 1 and template.count("{patient}") <= 1 and "{cell}" in template
        # In a file with several planes, these may be cells.
        if is_usable and not (stem == "{channel}" and len(titles) > 1):
            yield FileNaming((template,), cell_id=_needed_id(template)), ["--files", template]
    for name in PRESETS:
        yield PRESETS[name].naming(), ["--preset", name]
    if 1 < len(titles) <= MOST_CHANNELS and not words:
        channels = _plane_channels(titles)
        for top in above:
            template = f"{top}{{cell}}{ending}"
            if "{channel}" not in template and template.count("{cell}") == 1:
                naming = FileNaming((template,), "", _needed_id(template), channels, planes="channels")
                yield naming, ["--files", template]


def _needed_id(template: str) -> str:
    """Template of the cell id if the usual one lacks a group; empty otherwise."""
    groups = [f"{{{name}}}" for name in ID_GROUPS[2:] if f"{{{name}}}" in template]
    return "/".join(groups) if "{run}" in groups else ""


@dataclass
class _Census:
    """Cells, groups and channels that a naming finds in some paths.

    Args:
        names: the naming.

    Attributes:
        files: number of the paths that it fits.
        cells: values of all groups of a cell -> plain names of its channels.
        values: group -> its values.
        spelled: plain name of a channel -> its name in the paths.
        patient_repeats: whether the folder of a patient occurs in several folders.
        has_twins: whether two files are one channel of one cell.
    """

    names: Names
    files: int = 0
    cells: dict[tuple[str, ...], set[str]] = field(default_factory=dict)
    values: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    spelled: dict[str, str] = field(default_factory=dict)
    patient_repeats: bool = False
    has_twins: bool = False
    _parents: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.groups = [name for name in ID_GROUPS if name in self.names.groups]
        templates = self.names.naming.files
        # Patterns are those of presets: the folder of a file is its patient.
        folders = templates[0].split("/")[-2::-1] if templates else ["{patient}"]
        self._height = folders.index("{patient}") if "{patient}" in folders else None

    def add(self, path: str, match: Match) -> None:
        """Counts a path."""
        self.files += 1
        own = self.cells.setdefault(tuple(match.groups.get(name, "") for name in self.groups), set())
        channel = plain(match.channel_name)
        self.has_twins |= channel in own
        own.add(channel)
        self.spelled.setdefault(channel, match.channel_name)
        for name, text in match.groups.items():
            self.values[name].add(text)
        patient = match.groups.get("patient")
        if patient and self._height is not None and not PATIENT_WORD.fullmatch(patient):
            known = (match.groups.get("label"), match.groups.get("channel"))
            above = [name for name in path.split("/")[: -2 - self._height] if name not in known]
            self.patient_repeats |= self._parents.setdefault(patient, above) != above

    @property
    def is_sensible(self) -> bool:
        """Whether it fits files, labels alone are words for classes, and no patient or image is in two places."""
        words = {name for name, texts in self.values.items() if {text.casefold() for text in texts} <= CLASS_WORDS}
        labels_alone = words & set(ID_GROUPS) == {"label"} & set(self.groups)
        return self.files > 0 and labels_alone and not self.patient_repeats and not self.has_twins

    def sufficient_id(self) -> str:
        """Template of an id that tells the cells apart; empty if the import finds one by itself."""
        given = self.names.id_groups if self.names.naming.cell_id else []
        usual = [["cell"], ["patient", "cell"], ["site", "patient", "cell"]]
        for groups in [given] if given else usual:
            at = [self.groups.index(name) for name in groups if name in self.groups]
            if len({tuple(key[i] for i in at) for key in self.cells}) == len(self.cells):
                return self.names.naming.cell_id
        return "/".join(f"{{{name}}}" for name in self.groups)


def _measured(
    naming: FileNaming, options: list[str], words: Mapping[str, str], paths: Iterable[str]
) -> Proposal | None:
    """The naming with the numbers of files and cells that it fits; None if it fits none, or makes no sense."""
    census = _Census(Names(naming))
    for path in paths:
        try:
            match = census.names.match(path)
        except ConfigError:
            return None
        if match:
            census.add(path, match)
    if not census.is_sensible:
        return None
    cells, others = list(census.cells.values()), list[str]()
    if naming.planes == "channels":
        given, is_guess = naming.channels, not _tells_both(naming.channels)
        have = [set(given.values())] * len(cells)
    else:
        known = {name: channel for name in census.spelled if (channel := census.names.channels.get(name))}
        if not set(words.values()) <= set(known.values()):
            return None  # A known channel stands in another part of the names.
        given = _guessed(census, known)
        is_guess, known = bool(given), known | {plain(name): channel for name, channel in given.items()}
        have = [{known[name] for name in own if name in known} for own in cells]
        others = sorted(name for key, name in census.spelled.items() if key not in known)
    paired, alone = (sum(own == channels for own in have) for channels in ({BRIGHTFIELD, DAPI}, {BRIGHTFIELD}))
    if not paired and not (alone and all(own <= {BRIGHTFIELD} for own in have)):
        return None
    cell_id = census.sufficient_id()
    naming = replace(naming, channels={**naming.channels, **given}, cell_id=cell_id)
    named = [part for name, channel in given.items() for part in ("--channel", f"{name}={channel}")]
    command = shlex.join([*options, *named, *(["--cell-id", cell_id] if cell_id else [])])
    patients = tuple(sorted(census.values.get("patient", ())))
    told = sum(map(bool, have))
    return Proposal(naming, command, paired, told, census.files, alone, is_guess, patients, tuple(others))


def _guessed(census: _Census, known: Mapping[str, str]) -> dict[str, str]:
    """Channels of names that do not tell them, as an example that the user is to check; empty if none is convincing.

    Numbers and words in paths are cells, patients and runs far more often. So the names must differ in their number
    alone, as w1 and w2, be fewer than the cells, and each occur for most cells.
    """
    if BRIGHTFIELD in known.values():
        return {}
    several = [own for own in census.cells.values() if len(own) > 1]
    counts = Counter(name for own in several for name in own)
    common = [name for name, count in counts.items() if 2 * count > len(several)]
    if known:  # DAPI stands in this place, so the other name is a channel too.
        others = [census.spelled[name] for name in common if name not in known]
        return {others[0]: BRIGHTFIELD} if len(others) == 1 else {}
    parts = [match for name in counts if (match := re.fullmatch(r"([a-z]*)(\d+)", name))]
    letters = {match[1] for match in parts}
    is_series = len(parts) == len(counts) and len(letters) == 1 and letters <= _series(census.names.naming.files)
    is_common = len(common) == len(counts) and 2 * sum(counts.values()) >= census.files
    if not (is_series and is_common and 2 <= len(counts) < len(several) and len(counts) <= MOST_CHANNELS):
        return {}
    ordered = [census.spelled[match[0]] for match in sorted(parts, key=lambda match: int(match[2]))]
    return dict(zip(ordered, (BRIGHTFIELD, DAPI), strict=False))


def _series(templates: Sequence[str]) -> set[str]:
    """Letters that the numbered channels of a template may have."""
    if any("channel{channel}" in text for text in templates):
        return {*NUMBERED, ""}
    # A file or folder c1 may be a cell or a case.
    alone = any(re.search(r"(?:^|/)\{channel\}[./]", text) for text in templates)
    return NUMBERED - ({"c"} if alone else set())


def _tells_both(titles: Iterable[str]) -> bool:
    return {BRIGHTFIELD, DAPI} <= {ALIASES.get(plain(title)) for title in titles}


def _plane_channels(titles: Sequence[str]) -> dict[str, str]:
    """Channels of the planes of a file; of names that do not tell them, in their order, as an example."""
    known = {title: ALIASES[plain(title)] for title in titles if plain(title) in ALIASES}
    free = [title for title in titles if title not in known]
    missing = [channel for channel in (BRIGHTFIELD, DAPI) if channel not in known.values()]
    return {**dict(zip(free, missing, strict=False)), **known}


def _titles(path: Path) -> list[str]:
    """Names of the planes of a file, numbers for those without; empty if the file cannot be read."""
    try:
        return shown_planes(plane_names(path))
    except ImageError:
        return []


def _ending(path: str) -> str:
    lower = path.lower()
    double = next((ending for ending in DOUBLE_ENDINGS if lower.endswith(ending)), None)
    return path[-len(double) :].lower() if double else "." + lower.rpartition(".")[2]
