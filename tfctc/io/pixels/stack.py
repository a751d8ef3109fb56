"""Planes of a TIFF file: which directory and which sample each one is, its name, and what is known about all."""

import contextlib
import json
from dataclasses import dataclass

from tfctc.errors import ImageError
from tfctc.io.pixels.imagej import ImageJ, parse_imagej, slice_labels
from tfctc.io.pixels.layout import MOST_SAMPLES, SAMPLES
from tfctc.io.pixels.ome import Ome, parse_ome
from tfctc.io.pixels.plane import FIJI_TIFF
from tfctc.io.pixels.source import Source
from tfctc.io.pixels.tags import Directory, directories

SUBFILE, OLD_SUBFILE, PHOTOMETRIC, DESCRIPTION, PAGE_NAME, EXTRA_SAMPLES = 254, 255, 262, 270, 285, 338
METAMORPH, MICRO_MANAGER = 33629, 51123
BLACK_IS_ZERO, WHITE_IS_ZERO = 1, 0
#: Number of characters of a name that are kept.
LONGEST_NAME = 100
SPLIT = "save each plane as a file of its own"


@dataclass(frozen=True)
class TiffPlane:
    """Place of one plane in a TIFF file.

    Args:
        directory: the tags of its image.
        number: number of its directory in the file, from 0.
        image: number of its image behind that of the directory, in a file with one directory for all.
        sample: number of its first sample.
    """

    directory: Directory
    number: int
    image: int
    sample: int


@dataclass(frozen=True)
class Stack:
    """All planes of a TIFF file.

    Args:
        planes: the planes in their order.
        ome: what OME-XML says, if there is any.
        imagej: what a description of ImageJ says, if there is any.
        images: number of images that lie one behind the other in a file with one directory for all; otherwise 1.
    """

    planes: tuple[TiffPlane, ...]
    ome: Ome | None
    imagej: ImageJ | None
    images: int

    @property
    def mpp(self) -> float | None:
        """Micrometres per pixel that the file declares."""
        known = self.ome or self.imagej
        return known.mpp if known else None

    def check_channels(self) -> None:
        """Checks that the planes are only channels, not also z positions or time points.

        Raises:
            ImageError: they are more.
        """
        known = self.ome or self.imagej
        if known and known.stack and len(self.planes) > 1:
            raise ImageError(f"holds {known.stack}, one expected", fix="save the right one as a file of its own")

    def names(self) -> tuple[str, ...]:
        """A name of each plane, "" for one without: from OME-XML, ImageJ, Micro-Manager, or the tag PageName.

        They hold no character that a terminal would act on.
        """
        return tuple("".join(filter(str.isprintable, name))[:LONGEST_NAME] for name in self._names())

    def _names(self) -> tuple[str, ...]:
        first = self.planes[0].directory
        if self.ome and any(self.ome.channels):
            if len(self.ome.channels) == len(self.planes) and len({plane.number for plane in self.planes}) == 1:
                return self.ome.channels
            return tuple("" if plane.sample else self.ome.names.get(plane.number, "") for plane in self.planes)
        labels = slice_labels(first)
        if len(labels) == len(self.planes) and any(labels):
            return labels
        return tuple(_own_name(plane) for plane in self.planes)


def read_stack(source: Source) -> Stack:
    """The planes of a TIFF file, without reading a pixel.

    Raises:
        ImageError: no image, or a stack whose planes cannot be found.
        EOFError: tags that are not in the file.
    """
    found = list(enumerate(directories(source)))
    images = [(number, directory) for number, directory in found if not _is_extra(directory)]
    if not images:
        raise ImageError("holds only a thumbnail or a mask", fix=FIJI_TIFF)
    first = images[0][1]
    text = first.text(DESCRIPTION)
    ome, imagej = parse_ome(text), parse_imagej(text, first)
    behind = imagej.images if imagej and len(found) == 1 else 1
    if METAMORPH in first and first.entries[METAMORPH][1] > 1:
        raise ImageError(f"is a MetaMorph stack of {first.entries[METAMORPH][1]} planes", fix=FIJI_TIFF)
    if text.startswith("{") and '"truncated": true' in text and len(found) == 1:
        raise ImageError("is a stack with one directory, as tifffile writes with truncate=True", fix=SPLIT)
    planes = tuple(
        TiffPlane(directory, number, image, sample)
        for image in range(behind)
        for number, directory in images
        for sample in range(_planes_of(directory))
    )
    return Stack(planes, ome, imagej, behind)


def alpha_of(directory: Directory) -> int | None:
    """Number of the last sample if it is declared an alpha channel, or the fourth of an RGB image; otherwise None."""
    samples, extra = directory.number(SAMPLES, 1), directory.numbers(EXTRA_SAMPLES, (0,))
    declared = extra[-1] in (1, 2) or (samples == 4 and directory.number(PHOTOMETRIC, -1) == 2)
    return samples - 1 if declared and samples > 1 else None


def _planes_of(directory: Directory) -> int:
    samples = directory.number(SAMPLES, 1)
    if not 0 < samples <= MOST_SAMPLES:
        raise ImageError(f"has {samples} samples a pixel, 1 to {MOST_SAMPLES} expected", fix=FIJI_TIFF)
    if directory.number(PHOTOMETRIC, BLACK_IS_ZERO) not in (BLACK_IS_ZERO, WHITE_IS_ZERO):
        return 1
    return samples - (alpha_of(directory) is not None)


def _is_extra(directory: Directory) -> bool:
    """Whether an image is a smaller copy or a mask of another one."""
    return bool(directory.number(SUBFILE, 0) & 5) or (
        SUBFILE not in directory and directory.number(OLD_SUBFILE, 1) == 2
    )


def _own_name(plane: TiffPlane) -> str:
    """Name that a directory has for its only plane; "" if none."""
    if plane.sample or plane.image or _planes_of(plane.directory) > 1:
        return ""
    if MICRO_MANAGER in plane.directory:
        with contextlib.suppress(ValueError, RecursionError):
            values = json.loads(plane.directory.text(MICRO_MANAGER))
            name = values.get("Channel") if isinstance(values, dict) else None
            if isinstance(name, str) and name.strip():
                return name.strip()
    return plane.directory.text(PAGE_NAME).strip()
