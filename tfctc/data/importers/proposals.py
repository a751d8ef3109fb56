"""Proposals: the templates and presets that fit the files of a folder, for a user who has given none."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path

from tfctc.cells import BRIGHTFIELD, DAPI, FileNaming
from tfctc.data.importers.presets import PRESETS
from tfctc.errors import ConfigError, ImageError, PairingError
from tfctc.io.folders import image_files
from tfctc.io.naming import ALIASES, Names, plain
from tfctc.io.pixels import plane_names

#: Templates of the folders above a file, by their number.
FOLDERS: dict[int, Sequence[str]] = {
    0: ("",),
    1: ("{patient}/", "{label}/", "{channel}/"),
    2: ("{patient}/{channel}/", "{site}/{patient}/", "{label}/{patient}/", "{patient}/{label}/", "{label}/{channel}/",
        "{channel}/{patient}/", "{channel}/{label}/"),
    3: ("{site}/{patient}/{channel}/", "{label}/{patient}/{channel}/", "{patient}/{label}/{channel}/",
        "{site}/{label}/{patient}/", "{site}/{patient}/{label}/", "{label}/{site}/{patient}/"),
}  # fmt: skip
#: Templates of a file name without its ending.
STEMS = (
    "{cell}", "{cell}_{channel}", "{cell}-{channel}", "{cell} {channel}", "{cell}.{channel}", "{channel}_{cell}",
    "{channel}-{cell}", "{channel} {cell}", "{patient}_{cell}_{channel}", "{patient}-{cell}-{channel}",
)  # fmt: skip
#: Words that name a class of cells in paths.
CLASS_WORDS = {
    "ctc", "ctcs", "wbc", "wbcs", "leukocyte", "leukocytes", "leucocyte", "leucocytes", "tumor", "tumour", "cancer",
    "positive", "negative", "pos", "neg", "blood", "unlabelled", "unlabeled",
}  # fmt: skip
#: Endings of two parts.
DOUBLE_ENDINGS = (".ome.tif", ".ome.tiff")
#: Share of the cells of the best proposal that another one must pair.
LIKELY = 0.75
#: Number of files that a template is first tried on, from each of the first folders; of names of channels in a folder;
#: and of proposals.
TRIED, TOPS, MOST_CHANNELS, SHOWN = 200, 10, 8, 5


@dataclass(frozen=True)
class Proposal:
    """A naming that fits files of a folder.

    Args:
        naming: the naming.
        options: the naming as options of `tfctc import`.
        paired: number of cells with both channels (with two or more, if it is not known which is which).
        cells: number of all cells.
        files: number of files that it fits.
        is_guess: whether the names do not tell which channel is which, so that the options are an example.
    """

    naming: FileNaming
    options: str
    paired: int
    cells: int
    files: int
    is_guess: bool = False


def propose(folder: str | Path) -> list[Proposal]:
    """The namings that pair most cells of a folder, the best first; empty if none pairs any.

    Raises:
        PairingError, ImageError: no folder, one that cannot be read, or one without images.
    """
    folder = Path(folder)
    paths = [path.relative_to(folder).as_posix() for path in image_files(folder)]
    if not paths:
        fix = "export the images as one of these, or give the folder that holds them"
        raise PairingError("holds no PNG or TIFF image", path=folder, fix=fix)
    tried = list(_some(paths))
    found = [(one, candidate) for candidate in _candidates(folder, paths) if (one := _measured(*candidate, tried))]
    best = sorted(found, key=lambda pair: _rank(pair[0]))[: 2 * SHOWN]
    final = sorted(filter(None, (_measured(*candidate, paths) for _, candidate in best)), key=_rank)
    if not final:
        return []
    likely = [one for one in final if one.paired >= LIKELY * final[0].paired and one.is_guess == final[0].is_guess]
    templates = [one for one in likely if one.naming.files and not one.options.startswith("--preset")]
    return (templates or likely)[:SHOWN]


def _rank(proposal: Proposal) -> tuple:
    groups = Names(proposal.naming).groups
    left = proposal.cells - proposal.paired
    told = len({"patient", "label", "site"} & groups)
    return proposal.is_guess, -proposal.paired, left, "patient" not in groups, -told, len(proposal.options)


def _some(paths: Sequence[str]) -> Iterator[str]:
    """Files of each of the first folders: sorted, so that the same cells come from a folder for each channel."""
    tops: dict[str, list[str]] = {}
    for path in paths:
        tops.setdefault(path.rpartition("/")[0], []).append(path)
    for own in islice(tops.values(), TOPS):
        yield from own[:TRIED]


def _candidates(folder: Path, paths: Sequence[str]) -> Iterator[tuple[FileNaming, str]]:
    """Yields namings to try, and their options."""
    depth = Counter(path.count("/") for path in paths).most_common(1)[0][0]
    ending = Counter(map(_ending, paths)).most_common(1)[0][0]
    for above, stem in product(FOLDERS.get(depth, ("**/{patient}/",)), STEMS):
        template = f"{above}{stem}{ending}"
        if template.count("{channel}") == 1 and template.count("{patient}") <= 1:
            yield FileNaming((template,)), f"--files '{template}'"
    for name in PRESETS:
        naming = PRESETS[name].naming()
        yield naming, f"--preset {name}"
    titles = _titles(folder / paths[0])
    if (count := len(titles)) > 1:
        for above in FOLDERS.get(depth, ("**/{patient}/",)):
            template = f"{above}{{cell}}{ending}"
            if count <= MOST_CHANNELS and "{channel}" not in template:
                channels = _guess_channels(titles)
                named = " ".join(f"--channel {title}={channel}" for title, channel in channels.items())
                naming = FileNaming((template,), channels=channels, planes="channels")
                yield naming, f"--files '{template}' {named}"


def _measured(naming: FileNaming, options: str, paths: Sequence[str]) -> Proposal | None:
    """The naming with the numbers of files and cells that it fits; None if it pairs none, or makes no sense."""
    names, files = Names(naming), 0
    channels: dict[tuple[str, ...], set[str]] = {}
    labels: set[str] = set()
    spelled: dict[str, str] = {}
    for path in paths:
        try:
            match = names.match(path)
        except ConfigError:
            return None
        if match is None:
            continue
        files += 1
        key = tuple(match.groups.get(name, "") for name in ("site", "label", "patient", "cell"))
        channels.setdefault(key, set()).add(plain(match.channel_name))
        spelled.setdefault(plain(match.channel_name), match.channel_name)
        labels.add(match.groups.get("label", "").casefold())
    if not files or ("label" in names.groups and not _are_classes(labels)):
        return None
    if any(_are_classes({key[part].casefold() for key in channels}) for part in (0, 2)):
        return None  # Sites or patients that are words for classes: a template with a label is the right one.
    if naming.planes == "channels":
        return Proposal(naming, options, len(channels), len(channels), files)
    known = {name: channel for name in spelled if (channel := names.channels.get(name))}
    is_guess = False
    if {BRIGHTFIELD, DAPI} <= set(known.values()):
        paired = sum({known.get(name) for name in own} >= {BRIGHTFIELD, DAPI} for own in channels.values())
    elif len(spelled) <= MOST_CHANNELS:
        paired = sum(len(own) > 1 for own in channels.values())
        naming, is_guess = replace(naming, channels=_guess_channels(sorted(spelled.values()))), True
        options = " ".join([options, *(f"--channel {name}={channel}" for name, channel in naming.channels.items())])
    else:
        return None
    return Proposal(naming, options, paired, len(channels), files, is_guess) if paired else None


def _are_classes(words: set[str]) -> bool:
    return words <= CLASS_WORDS


def _guess_channels(titles: Sequence[str]) -> dict[str, str]:
    """Channels of names that say nothing, in their order, as an example that the user is to check."""
    known = {title: ALIASES[plain(title)] for title in titles if plain(title) in ALIASES}
    if BRIGHTFIELD in known.values():
        return known
    return dict(zip(titles, (BRIGHTFIELD, DAPI), strict=False))


def _titles(path: Path) -> list[str]:
    """Names of the planes of a file, numbers for those without; empty if the file cannot be read."""
    try:
        return [title or str(number) for number, title in enumerate(plane_names(path))]
    except ImageError:
        return []


def _ending(path: str) -> str:
    lower = path.lower()
    double = next((ending for ending in DOUBLE_ENDINGS if lower.endswith(ending)), None)
    return path[-len(double) :].lower() if double else "." + lower.rpartition(".")[2]
