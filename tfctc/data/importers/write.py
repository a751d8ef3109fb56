"""Writing of an imported data set: reads every image once, reports all faults, packs pixels where they must be."""

import csv
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI, Cell, DatasetFacts
from tfctc.data.importers.sources import SourceImage
from tfctc.data.importers.survey import DatasetDescription, Fault, Survey
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
        cells: its cells.
        notes: remarks for the user, one sentence each.
    """

    facts: DatasetFacts
    cells: list[Cell]
    notes: list[str]


def write_dataset(
    output: str | Path,
    cells: Sequence[Cell],
    images: Sequence[Mapping[str, SourceImage]],
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
        cells: the cells, one or more, with empty paths.
        images: channel -> image, for each cell.
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
    survey, home = Survey(stored, images), folder.parent
    pack = copy or description.rescale_mpp is not None or not all(i.is_file for own in images for i in own.values())
    with atomic_folder(output) as temporary:
        placed = [_placed(cell, own, home, folder) for cell, own in zip(cells, images, strict=True)]
        if not pack:
            _check_manifest(temporary, description, placed, output)
        numbers = tracked(progress, "Checking images", range(len(cells)), len(cells))
        for number in numbers:
            for channel in filter(images[number].__contains__, CHANNELS):
                try:
                    plane = _rescaled(images[number][channel].read(), channel, description)
                    survey.add(number, channel, plane)
                    if pack:
                        path = _packed_path(number, channel)
                        _pack(temporary / path, plane.pixels)
                        placed[number] = replace(placed[number], **{channel: path})
                except ImageError as error:
                    survey.add_fault(number, channel, error)
        facts = survey.facts()
        notes = survey.notes(facts)
        if survey.faults:
            if not skip_bad:
                raise _all_faults(survey.faults)
            placed, skipped = _without_faults(placed, survey.faults, temporary)
            notes.append(f"{skipped}, listed in {SKIPPED}")
        _check_manifest(temporary, description, placed, output, facts)
    return WrittenDataset(facts, placed, notes)


def _placed(cell: Cell, images: Mapping[str, SourceImage], home: Path, folder: Path) -> Cell:
    """The cell with the paths of its images, relative to the data set's `folder` if they lie below `home`."""
    paths = {}
    for channel, image in images.items():
        real = os.path.realpath(image.path)
        check_encodable(real, Path(real))
        inside = os.path.commonpath((real, home)) == str(home) and home != home.parent
        paths[channel] = os.path.relpath(real, folder) if inside else real
    return replace(cell, **paths)


def _check_manifest(
    folder: Path,
    description: DatasetDescription,
    cells: Sequence[Cell],
    output: str | Path,
    facts: DatasetFacts | None = None,
) -> None:
    """Writes the manifest, and checks that `fit` will open it."""
    known = facts or description.facts((1, 1), dict.fromkeys(CHANNELS, 16), description.mpp)
    write_manifest(folder, known, cells)
    try:
        Manifest.open(folder)
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


def _all_faults(faults: Sequence[Fault]) -> ImageError:
    """One error for all faults: the fault itself if there is one, else their number, with a list of them."""
    faults = list({(fault.cell, fault.channel): fault for fault in reversed(faults)}.values())[::-1]
    if len(faults) == 1:
        first = faults[0].error
        return ImageError(first.problem, path=first.path, fix=f"{first.fix}; or leave it out with --skip-bad")
    kinds = Counter(fault.error.fix or fault.error.problem for fault in faults)
    lines = [f"bad: {fault.error}" for fault in faults[:LISTED]]
    if len(faults) > LISTED:
        lines.append(f"bad: and {len(faults) - LISTED} more images")
    remedies = "; ".join(f"{remedy} ({count})" for remedy, count in kinds.most_common(3))
    return ImageError(
        f"{len(faults)} images cannot be used, the first is {faults[0].error.path}: {faults[0].error.problem}",
        fix=f"{remedies}; or leave all of them out with --skip-bad",
        details=lines,
    )


def _without_faults(cells: Sequence[Cell], faults: Sequence[Fault], folder: Path) -> tuple[list[Cell], str]:
    """The cells without those whose bright-field image has a fault; of the others only DAPI is left out."""
    bad = {(fault.cell, fault.channel) for fault in faults}
    with (folder / SKIPPED).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["cell_id", "channel", "file", "reason"])
        for fault in sorted(faults, key=lambda fault: (fault.cell, fault.channel)):
            table.writerow([cells[fault.cell].cell_id, fault.channel, fault.error.path, fault.error.problem])
    kept = [
        replace(cell, dapi="") if (number, DAPI) in bad else cell
        for number, cell in enumerate(cells)
        if (number, BRIGHTFIELD) not in bad
    ]
    if not kept:
        raise ManifestError("no cell is left", fix="correct the images; every bright-field image has a fault")
    for number in range(len(cells)):
        for channel in CHANNELS:
            path = folder / _packed_path(number, channel)
            if (number, channel) in bad or (number, BRIGHTFIELD) in bad:
                path.unlink(missing_ok=True)
    left_out = len(cells) - len(kept)
    without_dapi = len({number for number, channel in bad if channel == DAPI and (number, BRIGHTFIELD) not in bad})
    return kept, f"{left_out} cell(s) and the DAPI image of {without_dapi} other(s) left out"
