"""Survey: every image of an import is read once; then the facts of the data set and all faults are known."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI, DatasetFacts, same_scale
from tfctc.data.importers.description import DatasetDescription
from tfctc.errors import ImageError
from tfctc.io.pixels import Plane

#: Share of the images that must have one size, for the others to count as faults and not as a data set of many sizes.
USUAL = 0.9


@dataclass(frozen=True)
class Fault:
    """An image that cannot be used.

    Args:
        cell: number of its cell, from 0.
        channel: its channel.
        problem: the reason; ``{other}`` in it stands for the path of another image.
        fix: the remedy.
        other: number of the cell of that other image.
    """

    cell: int
    channel: str
    problem: str
    fix: str | None
    other: int | None = None


#: Fields of a measured image: bytes of a pixel, declared bits, height, width, highest value, mpp in nanometres.
ITEM, BITS, HEIGHT, WIDTH, HIGHEST, MPP = range(6)


class Survey:
    """Measurements of every image; some forty bytes for each are kept.

    Args:
        description: what the user told of the data set.
        cells: number of cells.
        path_of: function that gives the path of the image of a cell's number in a channel, for messages.
    """

    def __init__(self, description: DatasetDescription, cells: int, path_of: Callable[[int, str], str]):
        self.description, self._count, self._path_of = description, cells, path_of
        self.faults: list[Fault] = []
        self.conversions: dict[str, Counter[str]] = {channel: Counter() for channel in CHANNELS}
        self._rows = {channel: array("i") for channel in CHANNELS}
        self._cells = {channel: array("i") for channel in CHANNELS}
        self._digests = {channel: array("Q") for channel in CHANNELS}
        self._worth = array("b", bytes(cells))

    def add(self, cell: int, channel: str, plane: Plane) -> None:
        """Adds the image of one channel of a cell."""
        pixels = plane.pixels
        highest, nanometres = int(pixels.max()), round(min(1000 * (plane.mpp or 0), 1e9))
        self._rows[channel].extend((pixels.dtype.itemsize, plane.bits, *pixels.shape, highest, nanometres))
        self._cells[channel].append(cell)
        # Camera noise makes every image unique, except blank ones.
        digest = blake2b(pixels.tobytes(), digest_size=8).digest() if pixels.min() < highest else bytes(8)
        self._digests[channel].append(int.from_bytes(digest, "little"))
        self.conversions[channel].update(plane.notes)

    def set_worth(self, cell: int, worth: int) -> None:
        """Sets how much a cell tells, 0 to 100: of copies, the one that tells most is kept."""
        self._worth[cell] = worth

    def add_fault(self, cell: int, channel: str, error: ImageError) -> None:
        """Adds an image that could not be read."""
        self.faults.append(Fault(cell, channel, error.problem, error.fix))

    def facts(self) -> DatasetFacts:
        """Facts of the data set; images that do not agree with them become faults.

        Raises:
            ImageError: no bright-field image could be read, images of many sizes, or a bit depth, binning or scale that
                contradicts all images of a channel.
        """
        rows = {channel: self._measured(channel) for channel in CHANNELS}
        if not len(rows[BRIGHTFIELD]):
            first = next(fault for fault in self.faults if fault.channel == BRIGHTFIELD)
            path = self._path_of(first.cell, BRIGHTFIELD)
            problem = f"{first.problem}; no bright-field image of the {self._count} can be read"
            raise ImageError(problem, path=path, fix=first.fix)
        depths = {channel: self._bit_depth(channel, rows[channel]) for channel in CHANNELS if len(rows[channel])}
        self._check_registration(rows)
        size = self.description.size or self._common_size(rows[BRIGHTFIELD])
        mpp = self.description.rescale_mpp or self.mpp()
        of_files = self.description.mpp if self.description.rescale_mpp else self.declared_mpp()
        differs = of_files and mpp and not same_scale(of_files, mpp)
        facts = self.description.facts(size, depths, mpp, of_files if differs else None)
        self._find_copies()
        return facts

    def notes(self, facts: DatasetFacts) -> list[str]:
        """Remarks for the user: conversions, cells that lose pixels, bit depths that may be lower."""
        notes = []
        for channel in CHANNELS:
            for conversion, count in sorted(self.conversions[channel].items()):
                notes.append(f"{count} {channel} image(s): {conversion}")
            rows = self._measured(channel)
            if channel in self.description.bit_depth or not len(rows):
                continue
            highest = int(rows[:, HIGHEST].max())
            if facts.channel(channel).bit_depth == 16 and 0 < highest < 2**15:
                bits = max(9, highest.bit_length())
                option = f"{bits}" if channel == BRIGHTFIELD else f"{channel}={bits}"
                notes.append(
                    f"no {channel} pixel is above {highest}: if the camera has fewer than 16 bits, import again with "
                    f"--bit-depth and their number, {option} or more"
                )
        if facts.crop_or_pad:
            rows = self._measured(BRIGHTFIELD)
            height, width = facts.image_size
            lost = int(((rows[:, HEIGHT] > height) | (rows[:, WIDTH] > width)).sum())
            padded = int(((rows[:, HEIGHT] < height) | (rows[:, WIDTH] < width)).sum())
            share = f"{100 * lost / len(rows):.1f} %"
            notes.append(
                f"{lost} of {len(rows)} cells ({share}) are larger than {height} x {width} px and lose pixels at their "
                f"edges; {padded} are smaller and are padded"
            )
        if (
            (declared := self.declared_mpp())
            and self.description.mpp
            and not same_scale(declared, self.description.mpp)
        ):
            notes.append(f"the files declare {declared:g} um a pixel; --mpp {self.description.mpp:g} is used")
        elif declared and not self.description.mpp:
            notes.append(f"the files declare {declared:g} um a pixel")
        return notes

    def mpp(self) -> float | None:
        """Micrometres per pixel of the files: as the user said, else as they declare; None if unknown.

        Raises:
            ImageError: files that declare different values, where the user said none.
        """
        if self.description.mpp is not None:
            return self.description.mpp
        declared = np.unique(self._measured(BRIGHTFIELD)[:, MPP])
        declared = declared[declared > 0] / 1000
        if len(declared) and not same_scale(declared[0], declared[-1]):
            values = " and ".join(f"{value:g}" for value in (declared[0], declared[-1]))
            raise ImageError(
                f"the files declare different micrometres per pixel: {values}",
                fix="import each scale as a data set of its own, or give --mpp if the files are wrong",
            )
        return self.declared_mpp()

    def declared_mpp(self) -> float | None:
        """Micrometres per pixel that most bright-field files declare; None if they declare none."""
        rows = self._measured(BRIGHTFIELD)
        values = rows[:, MPP][rows[:, MPP] > 0]
        return float(np.median(values)) / 1000 if len(values) else None

    def _measured(self, channel: str) -> np.ndarray:
        return np.frombuffer(self._rows[channel], np.intc).reshape(-1, MPP + 1)

    def _fault(
        self, channel: str, number: int | np.signedinteger, problem: str, fix: str, other: int | None = None
    ) -> None:
        self.faults.append(Fault(self._cells[channel][int(number)], channel, problem, fix, other))

    def _bit_depth(self, channel: str, rows: np.ndarray) -> int:
        """Bit depth of a channel. Images of another type, or with pixels above it, become faults."""
        usual, _ = Counter(rows[:, ITEM].tolist()).most_common(1)[0]
        bits = np.unique(rows[rows[:, ITEM] == usual, BITS])
        depth = self.description.bit_depth.get(channel, 8 if usual == 1 else int(bits[-1]))
        expected = 1 if depth == 8 else 2
        if not (rows[:, ITEM] == expected).any():
            raise ImageError(
                f"has {8 * usual} bit pixels, like all {channel} images, {8 * expected} bit ones expected (bit depth "
                f"{depth})",
                path=self._path_of(self._cells[channel][0], channel),
                fix=f"give --bit-depth {channel}={'8' if usual == 1 else '9 to 16'}",
            )
        for number in np.flatnonzero(rows[:, ITEM] != expected):
            problem = (
                f"has {8 * rows[number, ITEM]} bit pixels, {8 * expected} bit ones expected like most {channel} images"
            )
            self._fault(channel, number, problem, "export it again like the others")
        for number in np.flatnonzero((rows[:, ITEM] == expected) & (rows[:, HIGHEST] >= 2**depth)):
            highest = int(rows[number, HIGHEST])
            problem = f"has a pixel of {highest}, above {2**depth - 1} ({channel}: bit depth {depth})"
            fix = f"give images of {depth} bits, or --bit-depth {channel}={highest.bit_length()} or more"
            self._fault(channel, number, problem, fix)
        return depth

    def _common_size(self, rows: np.ndarray) -> tuple[int, int]:
        """Size of nearly all bright-field images; the others become faults."""
        sizes = Counter(map(tuple, rows[:, [HEIGHT, WIDTH]].tolist()))
        (height, width), count = sizes.most_common(1)[0]
        side = int(rows[:, [HEIGHT, WIDTH]].max())
        advice = f"--size {-(-side // 4) * 4} pads every image to the largest; a smaller --size crops larger ones"
        if count < USUAL * len(rows):
            smallest, largest = min(sizes), max(sizes)
            raise ImageError(
                f"bright-field images have {len(sizes)} sizes, from {smallest[0]} x {smallest[1]} to {largest[0]} x "
                f"{largest[1]} px, most often {height} x {width} ({count} of {len(rows)})",
                fix=advice,
            )
        for number in np.flatnonzero((rows[:, HEIGHT] != height) | (rows[:, WIDTH] != width)):
            have = f"{rows[number, HEIGHT]} x {rows[number, WIDTH]}"
            self._fault(BRIGHTFIELD, number, f"is {have} px, {height} x {width} expected like most images", advice)
        return int(height), int(width)

    def _check_registration(self, rows: Mapping[str, np.ndarray]) -> None:
        """Checks the size of each DAPI image, times its binning, against bright-field of its cell; others are faults.

        Raises:
            ImageError: nearly all of them differ, as with another binning than the user said.
        """
        sizes = np.zeros((self._count, 2), np.intc)
        sizes[self._cells[BRIGHTFIELD]] = rows[BRIGHTFIELD][:, [HEIGHT, WIDTH]]
        cells = np.array(self._cells[DAPI], np.intc)
        of_dapi, of_brightfield = rows[DAPI][:, [HEIGHT, WIDTH]], sizes[cells]
        both = of_brightfield[:, 0] > 0
        wrong = both & (of_dapi * self.description.dapi_binning != of_brightfield).any(axis=1)
        ratios = of_brightfield // of_dapi
        whole = (of_dapi * ratios == of_brightfield).all(axis=1) & (ratios[:, 0] == ratios[:, 1])
        problems = {
            int(i): f"is {_px(of_dapi[i])}, and bright-field of the same cell {_px(of_brightfield[i])}"
            for i in np.flatnonzero(wrong)
        }
        if problems and len(problems) >= USUAL * both.sum():
            first, problem = next(iter(problems.items()))
            path = self._path_of(int(cells[first]), DAPI)
            factor = int(ratios[first, 0])
            if whole[first] and factor > 1:
                camera = f"if DAPI was binned {factor} x {factor} on the camera"
                fix = f"{camera}, give --binning dapi={factor}; never crop one channel"
                raise ImageError(problem, path=path, fix=fix)
            fix = "save both channels of a cell with the same field and the same pixels"
            if self.description.dapi_binning > 1:
                fix = f"--binning dapi={self.description.dapi_binning} does not fit; leave it out or correct it"
            raise ImageError(problem, path=path, fix=fix)
        for number, problem in problems.items():
            self._fault(DAPI, number, problem, "save both channels with the same field")

    def _find_copies(self) -> None:
        """Images with the same pixels become faults, unless they are blank; the cell that tells most is kept."""
        for channel in CHANNELS:
            digests, cells = np.frombuffer(self._digests[channel], np.uint64), self._cells[channel]
            order = sorted(np.flatnonzero(digests).tolist(), key=lambda n: (int(digests[n]), -self._worth[cells[n]], n))
            for kept, number in _copies(order, digests):
                fix = "keep one of them: a cell that is there twice may be in training and in test"
                self._fault(channel, number, "has the same pixels as {other}", fix, cells[kept])
        of_brightfield = dict(zip(self._cells[BRIGHTFIELD], self._digests[BRIGHTFIELD], strict=True))
        for number, (cell, digest) in enumerate(zip(self._cells[DAPI], self._digests[DAPI], strict=True)):
            if digest and of_brightfield.get(cell) == digest:
                fix = "find the right DAPI image"
                self._fault(DAPI, number, "has the same pixels as the bright-field image of its cell", fix)


def _px(size: np.ndarray) -> str:
    return f"{size[0]} x {size[1]} px"


def _copies(order: Sequence[int], digests: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yields, in a list of positions sorted by digest, the first position of each digest with each later one."""
    kept = -1
    for number in order:
        if kept >= 0 and digests[kept] == digests[number]:
            yield kept, number
        else:
            kept = number
