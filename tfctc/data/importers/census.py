"""Census: channels, patients and pages in the names of all files of an import, counted and not kept."""

import ast
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tfctc.data.importers.sources import SourceImage
from tfctc.errors import PairingError
from tfctc.io.names import abbreviated
from tfctc.io.naming import Match


@dataclass(frozen=True)
class FoundFile:
    """One image found by its name: its path below the folder, groups, channel, and plane."""

    relative: str
    match: Match
    image: SourceImage
    channel: str

    @property
    def counts_pages(self) -> bool:
        """Whether it is one of several pages that are cells, in a file without a problem."""
        return self.image.plane is not None and "channel" in self.match.groups and not self.image.problem


class Census:
    """Channels, patients and pages in the names of all files together.

    Args:
        files: the files, which are counted and not kept.

    Attributes:
        names: names of channels in the paths.
        channels: channels of the images.
    """

    def __init__(self, files: Iterable[FoundFile]):
        self.names: set[str] = set()
        self.channels: set[str] = set()
        self._groups: set[str] | None = None
        self._spread: dict[str, tuple[str, str]] = {}
        self._sites: dict[str, str] = {}
        self._at_several_sites: set[str] = set()
        self._homes: dict[str, str] = {}
        self._pages: dict[str, Counter[str]] = {}
        for file in files:
            groups = file.match.groups
            if (patient := groups.get("patient")) and "site" not in groups:
                home = _home(file.relative, groups)
                if self._homes.setdefault(patient, home) != home:
                    self._spread.setdefault(patient, (self._homes[patient], home))
            if file.counts_pages:
                pages = self._pages.setdefault(str(sorted({**groups, "channel": ""}.items())), Counter())
                pages[file.channel] += 1
            self.names.add(file.match.channel_name)
            self.channels.add(file.channel)
            self._groups = set(groups) if self._groups is None else self._groups & set(groups)
            site = groups.get("site", "")
            if self._sites.setdefault(groups.get("patient", ""), site) != site:
                self._at_several_sites.add(groups.get("patient", ""))

    def wider_id(self) -> str:
        """Template of an id that also has the patient, and the site if patients of two sites have the same name."""
        groups = [name for name in ("patient", "cell") if name in (self._groups or ())]
        return "/".join(f"{{{name}}}" for name in (["site", *groups] if self._at_several_sites else groups))

    def check_pages(self, folder: Path) -> None:
        """Checks that the files of one patient have as many pages in each channel, where every page is a cell."""
        for groups, pages in self._pages.items():
            if len(set(pages.values())) > 1:
                told = ", ".join(f"{count} of {channel}" for channel, count in pages.items())
                names = ", ".join(text for _, text in ast.literal_eval(groups) if text)
                problem = f"{names}: the files have different numbers of pages, {told}"
                raise PairingError(problem, path=folder, fix="export both channels of all cells again, in one order")

    def patient_notes(self, folder: Path) -> list[str]:
        """Notes on patients at several sites.

        Raises:
            PairingError: folders of one name in different places, which may not be those of one patient.
        """
        if self._spread:
            patient, (one, other) = next(iter(self._spread.items()))
            raise PairingError(
                f"{len(self._spread)} patient(s) have folders in several places: {patient} is in {one} and in {other}",
                path=folder,
                fix="write a template that names every folder, such as '{patient}/{run}/{cell}_{channel}.tif' with "
                "--cell-id '{patient}/{run}/{cell}', or '{run}/{patient}/...' with --cell-id '{run}/{patient}/{cell}'",
            )
        if not (several := sorted(filter(None, self._at_several_sites))):
            return []
        return [
            f"{len(several)} patient(s) have cells at several sites and count as one person each: "
            f"{abbreviated(several)}; if they are different people, give their folders different names"
        ]


def _home(relative: str, groups: Mapping[str, str]) -> str:
    """Path of the folder of a patient, without the parts that are groups of their own; empty if it has no folder."""
    folders, patient = relative.split("/")[:-1], groups["patient"]
    if patient not in folders:
        return ""
    above = folders[: len(folders) - 1 - folders[::-1].index(patient)]
    return "/".join([*(name for name in above if name not in groups.values()), patient])
