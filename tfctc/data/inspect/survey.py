"""Survey of a data set: the numbers that every check takes from each cell, in one pass over the images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tfctc.cells import NO_LABEL, Cell
from tfctc.data.inspect.images import CellImages, images
from tfctc.data.manifest import Manifest
from tfctc.errors import ImageError
from tfctc.progress import Progress, silent, tracked

if TYPE_CHECKING:
    from tfctc.data.inspect.check import Check


@dataclass(frozen=True)
class Survey:
    """Numbers of the cells whose images were read.

    Args:
        manifest: the data set.
        cells: ``(N,)`` positions in the manifest, ascending.
        values: name -> ``(N, ...)`` numbers of `Check.measure`.
        unreadable: cell id -> why one of its images cannot be read; these cells are not in `cells`.
        seed: seed of every random choice.
        progress: called with the progress of long tasks.
    """

    manifest: Manifest
    cells: np.ndarray
    values: Mapping[str, np.ndarray]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    progress: Progress = silent

    def __len__(self) -> int:
        return len(self.cells)

    def column(self, name: str) -> np.ndarray:
        """`patient_id`, `site` or `label` of the cells, ``(N,)`` str."""
        index = self.manifest.index
        return np.array(index.names[name])[index.codes[name][self.cells]]

    @property
    def labels(self) -> np.ndarray:
        """Class index of the cells, ``(N,)``: 0, 1, or -1 for a cell of neither class or without a label."""
        classes = {name: i for i, name in enumerate(self.manifest.facts.classes)}
        return self.manifest.index.coded("label", classes, -1)[self.cells]

    def ids(self, rows: np.ndarray | Sequence[int]) -> list[str]:
        """Ids of cells.

        Args:
            rows: rows of `values`, or a mask of them.
        """
        return [str(name) for name in self.manifest.index.texts["cell_id"][self.cells[rows]]]

    def places(self) -> tuple[str, np.ndarray]:
        """Name and values of the groups that share an instrument: the site if there are two sites, else the patient."""
        sites = self.column("site")
        if len(np.unique(sites)) > 1:
            return "site", np.where(sites == "", "no site", sites)
        return self.manifest.facts.group, self.column("patient_id")

    def images(self, row: int) -> CellImages:
        """Images of the cell in a row of `values`, read again."""
        return CellImages(images(self.cell(row), self.manifest.facts))

    def cell(self, row: int) -> Cell:
        """The cell in a row of `values`."""
        return self.manifest.cell(int(self.cells[row]))

    def label_name(self, row: int) -> str:
        """Label of the cell in a row of `values`, or `NO_LABEL`."""
        return self.cell(row).label or NO_LABEL


def choose_cells(count: int, most: int, seed: int) -> np.ndarray:
    """Positions of `most` of `count` cells, or of all of them: a random choice without replacement, ascending."""
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))


def take_survey(
    manifest: Manifest, checks: Sequence["Check"], most: int, seed: int, progress: Progress = silent
) -> Survey:
    """Reads the images of the cells once, for all checks.

    Memory: about 1 kB a cell with the built-in checks.

    Args:
        manifest: the data set.
        checks: the checks.
        most: largest number of cells to read; of a larger data set a random sample is read.
        seed: seed of the sample.
        progress: called after each cell.
    """
    columns: dict[str, np.ndarray] = {}
    unreadable: dict[str, str] = {}
    chosen = choose_cells(len(manifest), most, seed)
    read = np.zeros(len(chosen), bool)
    for row, position in enumerate(tracked(progress, "Measuring cells", chosen, len(chosen))):
        cell = manifest.cell(int(position))
        try:
            seen = CellImages(images(cell, manifest.facts))
        except ImageError as error:
            unreadable[cell.cell_id] = str(error)
            continue
        read[row] = True
        for check in checks:
            for name, value in check.measure(seen).items():
                value = np.asarray(value)
                if name not in columns:
                    columns[name] = np.zeros((len(chosen), *value.shape), value.dtype)
                columns[name][row] = value
    values = {name: column if read.all() else column[read] for name, column in columns.items()}
    return Survey(manifest, chosen[read], values, unreadable, seed, progress)
