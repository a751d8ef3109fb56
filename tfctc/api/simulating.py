"""Simulated cells: `tfctc.simulate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfctc.progress import Progress, silent


@dataclass(frozen=True)
class SimulatedDataset:
    """A data set of simulated cells that has been written: its folder, and its numbers of cells, patients and sites."""

    folder: Path
    cells: int
    patients: int
    sites: int


def simulate(
    output: str | Path, cells: int = 2000, *, seed: int = 0, progress: Progress = silent, **options: Any
) -> SimulatedDataset:
    """Writes a data set of simulated cells: bright-field and DAPI images of leukocytes and CTCs.

    Results on simulated cells say nothing about patients.

    Args:
        output: folder to write.
        cells: number of cells.
        seed: seed of all random numbers; the same seed gives the same cells.
        progress: called with the progress of long tasks.
        options: fields of `tfctc.data.simulate.SimulationOptions`, such as `patients`, `sites` or `size`.

    Raises:
        ConfigError: options that contradict each other.
        ModuleNotFoundError: SciPy is not installed.
        OutputError: the folder is not empty or cannot be written to.
    """
    from tfctc.data.simulate import SimulationOptions, write_dataset

    chosen = SimulationOptions(**options)
    folder = write_dataset(output, cells, seed=seed, options=chosen, progress=progress)
    return SimulatedDataset(folder, cells, chosen.patients, chosen.sites)
