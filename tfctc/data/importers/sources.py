"""Protocol of an importer, and the cells and images that it yields."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tfctc.errors import ImageError
from tfctc.io.pixels import Plane, read_plane
from tfctc.registry import Registry


@dataclass(frozen=True, slots=True)
class SourceImage:
    """The image of one channel of a cell, not read yet.

    Args:
        path: the file that holds it.
        plane: its number in that file, from 0; None if the file holds no other image.
        importer: name of the importer of the file; empty for a PNG or TIFF file.
        problem, fix: the reason why it cannot be used and the remedy, if that is known before it is read.
    """

    path: str
    plane: int | None = None
    importer: str = ""
    problem: str = ""
    fix: str = ""

    @property
    def is_file(self) -> bool:
        """Whether the image is a PNG or TIFF file of its own, which a manifest can name."""
        return not self.importer and self.plane is None

    def __str__(self) -> str:
        return self.path if self.plane is None or self.problem else f"{self.path} (plane {self.plane})"

    def read(self) -> Plane:
        """The pixels, and what the file says of them.

        Raises:
            ImageError: as `tfctc.io.pixels.read_plane`, and for a known problem.
        """
        if self.problem:
            raise ImageError(self.problem, path=self.path, fix=self.fix or None)
        if self.importer:
            return IMPORTERS[self.importer].read(Path(self.path), self.plane or 0)
        return read_plane(self.path, self.plane)


@dataclass(slots=True)
class SourceCell:
    """One cell of a source.

    Args:
        patient, site, label: as the source tells them; empty if it does not. The label is the source's own word.
        images: channel -> its image.
    """

    patient: str = ""
    site: str = ""
    label: str = ""
    images: dict[str, SourceImage] = field(default_factory=dict)


class Importer(Protocol):
    """Reader of files that hold many cells, such as those of a cytometer.

    Attributes:
        suffixes: endings of its files in lower case, with the dot.
    """

    suffixes: tuple[str, ...]

    def cells(self, path: Path, channels: Mapping[str, str]) -> Iterator[tuple[str, SourceCell]]:
        """Yields number and images of every cell in a file. The number, as text, becomes the end of the cell id.

        Args:
            path: the file.
            channels: name of a channel in the file -> channel, as the user gave it.

        Raises:
            TfctcError: a file that cannot be read, or a library that is not installed.
        """
        ...

    def read(self, path: Path, number: int) -> Plane:
        """The pixels of one image. Images of one file are asked for one after the other.

        Args:
            path: the file.
            number: the image's `SourceImage.plane`.

        Raises:
            ImageError: an image that cannot be read.
        """
        ...


#: Importers by name. A new one is one module of this package, or an entry point of another in ``tfctc.importers``.
IMPORTERS: Registry[Importer] = Registry("importer", package="tfctc.data.importers", group="importers")
