"""Writing of an imported data set: reads every image once, reports all faults, packs pixels if needed."""

import csv
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI, Cell, DatasetFacts
from tfctc.data.importers.description import DatasetDescription
from tfctc.data.importers.sources import SourceImage
from tfctc.data.importers.survey import Fault, Survey
from tfctc.data.manifest import MANIFEST, Manifest, write_manifest
from tfctc.errors import ConfigError, ImageError, ManifestError
from tfctc.io.files import atomic_folder
from tfctc.io.images import rescaled, unbinned
from tfctc.io.names import check_encodable
from tfctc.io.pixels import Plane
from tfctc.progress import Progress, silent, tracked

#: Table of the images that --skip-bad left out, and folder of packed images, in the folder of a data set.
SKIPPED, PACKED = "skipped.csv", "images"
#: Number of images in one folder of packed images.
FOLDER_SIZE = 2000
#: Number of faults that are listed before a number stands for the others.
LISTED = 20


@dataclass(frozen=True)
class WrittenDataset:
    """A data set that has been written.

    Args:
        facts: its facts.
        manifest: its manifest, in memory. Do not use `manifest.folder`: it was a temporary folder.
        notes: remarks for the user, one sentence each.
    """

    facts: DatasetFacts
    manifest: Manifest
    notes: list[str]


class Cells(Protocol):
    """Cells to write, with empty paths, and channel -> image of each; `Assembly` is one. It may be iterated again.

    `splits` holds patient -> given split, and `has_original_labels` is what it says.
    """

    @property
    def splits(self) -> Mapping[str, str]: ...

    @property
    def has_original_labels(self) -> bool: ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[Cell, Mapping[str, SourceImage]]]: ...


def write_dataset(
    output: str | Path,
    cells: Cells,
    description: DatasetDescription,
    *,
    copy: bool = False,
    skip_bad: bool = False,
    progress: Progress = silent,
) -> WrittenDataset:
    """Checks every image and writes the data set folder; on an error, nothing is left behind.

    Paths are relative to the folder if the images lie below the folder that holds it, so that both can be moved
    together. Pixels are packed into the folder if `copy` is set, if a file holds several images, or if they are
    rescaled.

    Args:
        output: the folder to write.
        cells: the cells, one or more.
        description: facts of the data set that the files do not show.
        copy: whether the pixels are packed into the data set.
        skip_bad: whether images that cannot be used are left out and listed in `SKIPPED`: a cell with its bright-field
            image, otherwise only its DAPI image.
        progress: called after each cell.

    Raises:
        ImageError: images that cannot be used, all of them listed; sizes, depths or scales that contradict each other.
        ConfigError: --rescale-mpp where the scale of the files is not known.
        ManifestError: cells that `Manifest.open` would refuse, or no cell left.
        OutputError: `output` is not empty or cannot be written to.
    """
    folder = Path(os.path.realpath(output))
    # Rescaled images are packed without binning.
    stored = replace(description, dapi_binning=1) if description.rescale_mpp else description
    survey = Survey(stored, len(cells), lambda number, channel: _paths(cells, {(number, channel)})[number, channel])
    pack = copy or description.rescale_mpp is not None
    pack = pack or not all(image.is_file for _, images in cells for image in images.values())
    placed = _Placed(cells, folder, pack)
    with atomic_folder(output) as temporary:
        if not pack:
            facts = description.facts((1, 1), dict.fromkeys(CHANNELS, 16), description.mpp)
            _write_manifest(temporary, facts, placed, output)
        for number, (cell, images) in enumerate(tracked(progress, "Checking images", cells, len(cells))):
            survey.set_worth(number, 2 * bool(cell.label) + len(images))
            for channel in filter(images.__contains__, CHANNELS):
                try:
                    plane = _rescaled(images[channel].read(), channel, description)
                except ImageError as error:
                    survey.add_fault(number, channel, error)
                    continue
                survey.add(number, channel, plane)
                if pack:
                    _pack(temporary / _packed_path(number, channel), plane.pixels)
        facts = survey.facts()
        notes = survey.notes(facts)
        if survey.faults:
            faults = _errors(cells, survey.faults)
            if not skip_bad:
                raise _all_faults(list(faults.values()))
            placed.bad = set(faults)
            notes.append(_leave_out(temporary, cells, faults))
        manifest = _write_manifest(temporary, facts, placed, output)
    return WrittenDataset(facts, manifest, notes)


#: An image: number of its cell, and its channel.
Key = tuple[int, str]


@dataclass
class _Placed:
    """Cells with the paths of their images, without those that are bad.

    Args:
        cells: the cells.
        folder: the data set's folder.
        pack: whether the pixels are packed into it.
        bad: images to leave out: a cell with its bright-field image, otherwise only its DAPI image.
    """

    cells: Cells
    folder: Path
    pack: bool
    bad: set[Key] = field(default_factory=set)

    def __iter__(self) -> Iterator[Cell]:
        for number, (cell, images) in enumerate(self.cells):
            if (number, BRIGHTFIELD) not in self.bad:
                used = [channel for channel in images if (number, channel) not in self.bad]
                yield replace(cell, **{channel: self._path(number, channel, images[channel]) for channel in used})

    def _path(self, number: int, channel: str, image: SourceImage) -> str:
        """Path of an image, relative to the folder if it lies below the folder that holds it."""
        if self.pack:
            return _packed_path(number, channel)
        real, home = os.path.realpath(image.path), self.folder.parent
        check_encodable(real, Path(real))
        inside = os.path.commonpath((real, home)) == str(home) and home != home.parent
        return os.path.relpath(real, self.folder) if inside else real


def _write_manifest(folder: Path, facts: DatasetFacts, cells: _Placed, output: str | Path) -> Manifest:
    """Writes the manifest, and opens it as `fit` will."""
    write_manifest(folder, facts, cells, original=cells.cells.has_original_labels, splits=cells.cells.splits)
    try:
        return Manifest.open(folder)
    except ManifestError as error:
        # The error is about a manifest.csv that is removed now. The cause is in the names of files or in the table.
        cause = "correct the names of the files or the label table, or give other --files"
        fix = "; ".join(filter(None, (error.fix, cause)))
        problem = f"would be refused by fit: {error.problem}"
        raise ManifestError(problem, path=Path(output) / MANIFEST, fix=fix) from None


def _packed_path(number: int, channel: str) -> str:
    return f"{PACKED}/{number // FOLDER_SIZE:04}/{number:07}_{channel}.png"


def _pack(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, compress_level=1)


def _rescaled(plane: Plane, channel: str, description: DatasetDescription) -> Plane:
    if description.rescale_mpp is None:
        return plane
    mpp = description.mpp or plane.mpp
    if mpp is None:
        fix = "give --mpp with the micrometres per pixel of the files"
        raise ConfigError("--rescale-mpp needs the scale of the files, which they do not declare", fix=fix)
    pixels = plane.pixels
    if channel == DAPI:
        pixels = unbinned(pixels, description.dapi_binning)
        mpp = description.mpp or mpp / description.dapi_binning
    return replace(plane, pixels=rescaled(pixels, mpp, description.rescale_mpp))


def _paths(cells: Cells, wanted: Collection[Key]) -> dict[Key, str]:
    """Path of some images."""
    numbers = {number for number, _ in wanted}
    images = {number: images for number, (_, images) in enumerate(cells) if number in numbers}
    return {(number, channel): str(images[number][channel]) for number, channel in wanted}


def _errors(cells: Cells, faults: Sequence[Fault]) -> dict[Key, ImageError]:
    """The first fault of each image, as an error with its path; ordered by cell."""
    first = {(fault.cell, fault.channel): fault for fault in reversed(faults)}
    others = {(fault.other, fault.channel) for fault in first.values() if fault.other is not None}
    paths = _paths(cells, first.keys() | others)
    errors = {}
    for key, fault in sorted(first.items()):
        other = paths.get((fault.cell if fault.other is None else fault.other, fault.channel))
        problem = fault.problem if fault.other is None else fault.problem.format(other=other)
        errors[key] = ImageError(problem, path=paths[key], fix=fault.fix)
    return errors


def _all_faults(errors: Sequence[ImageError]) -> ImageError:
    """One error for all faults: the fault itself if there is one, else their number, with a list of them."""
    first = errors[0]
    if len(errors) == 1:
        return ImageError(first.problem, path=first.path, fix=f"{first.fix}; or leave it out with --skip-bad")
    lines = [f"bad: {error}" for error in errors[:LISTED]]
    if len(errors) > LISTED:
        lines.append(f"bad: and {len(errors) - LISTED} more images")
    kinds = Counter(error.fix or error.problem for error in errors)
    remedies = "; ".join(f"{remedy} ({count})" for remedy, count in kinds.most_common(3))
    return ImageError(
        f"{len(errors)} images cannot be used, the first is {first.path}: {first.problem}",
        fix=f"{remedies}; or leave all of them out with --skip-bad",
        details=lines,
    )


def _leave_out(folder: Path, cells: Cells, errors: Mapping[Key, ImageError]) -> str:
    """Writes `SKIPPED` and removes packed pixels that are not used; returns a note."""
    numbers = {number for number, _ in errors}
    ids = {number: cell.cell_id for number, (cell, _) in enumerate(cells) if number in numbers}
    with (folder / SKIPPED).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["cell_id", "channel", "file", "reason"])
        table.writerows((ids[n], channel, error.path, error.problem) for (n, channel), error in errors.items())
    lost = {number for number, channel in errors if channel == BRIGHTFIELD}
    for number in numbers:
        for channel in CHANNELS:
            if number in lost or (number, channel) in errors:
                (folder / _packed_path(number, channel)).unlink(missing_ok=True)
    if len(lost) == len(cells):
        raise ManifestError("no cell is left", fix="correct the images; every bright-field image has a fault")
    return f"{len(lost)} cell(s) and the DAPI image of {len(numbers - lost)} other(s) left out, listed in {SKIPPED}"
