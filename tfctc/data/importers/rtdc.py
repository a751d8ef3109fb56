"""Importer of .rtdc files (RT-DC, deformability cytometry): one bright-field image for each event. Read with dclab."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tfctc.cells import BRIGHTFIELD
from tfctc.data.importers.sources import IMPORTERS, SourceCell, SourceImage
from tfctc.errors import DependencyError, ImageError
from tfctc.io.pixels import Plane

NAME = "rtdc"


class RtdcImporter:
    """Events of an .rtdc file. Cells are numbered from 1, as in the feature `index` of these files."""

    suffixes: tuple[str, ...] = (".rtdc",)

    def __init__(self) -> None:
        self._open: tuple[Path, Any] | None = None

    def cells(self, path: Path, channels: Mapping[str, str]) -> Iterator[tuple[str, SourceCell]]:
        """Yields number and bright-field image of every event; the file has no other image channel.

        Raises:
            DependencyError: dclab is not installed.
            ImageError: a file that dclab cannot read, or without images.
        """
        dataset = self._dataset(path)
        if "image" not in dataset:
            raise ImageError("holds no images", path=path, fix="record the images of the events, or leave the file out")
        for event in range(len(dataset)):
            yield str(event + 1), SourceCell(images={BRIGHTFIELD: SourceImage(str(path), event, NAME)})

    def read(self, path: Path, number: int) -> Plane:
        """The image of event `number`, counted from 0.

        Raises:
            ImageError: an image that cannot be read, or is not grey of 8 or 16 bits.
        """
        dataset = self._dataset(path)
        try:
            pixels = np.asarray(dataset["image"][number])
        except Exception as error:
            problem = f"has no readable image of event {number + 1} ({str(error) or type(error).__name__})"
            raise ImageError(problem, path=path, fix="copy the file again") from None
        if pixels.ndim != 2 or pixels.dtype not in (np.uint8, np.uint16):
            problem = f"has images of shape {pixels.shape} and type {pixels.dtype}, grey of 8 or 16 bits expected"
            raise ImageError(problem, path=path)
        mpp = dataset.config.get("imaging", {}).get("pixel size")
        return Plane(pixels, 8 * pixels.dtype.itemsize, mpp, ())

    def _dataset(self, path: Path) -> Any:
        """The opened file; it stays open until another one is asked for."""
        if self._open is None or self._open[0] != path:
            self._open = path, _opened(path)
        return self._open[1]


def _opened(path: Path) -> Any:
    try:
        import dclab
    except ModuleNotFoundError as error:
        fix = "in the folder of tfctc's source: pip install '.[rtdc]'"
        raise DependencyError(f"{path.name} needs {error.name}, which is not installed", fix=fix) from None
    try:
        return dclab.new_dataset(path)
    except Exception as error:  # On a damaged file, HDF5 and dclab may raise anything.
        problem = f"is not a readable .rtdc file ({str(error) or type(error).__name__})"
        raise ImageError(problem, path=path, fix="copy the file again") from None


IMPORTERS.register(NAME)(RtdcImporter())
