"""Simulated cells from a seed. Cell i depends on the seed and the options alone, not on the number of cells."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from tfctc.cells import Cell, DatasetFacts
from tfctc.data.simulate.anatomy import draw_cell
from tfctc.data.simulate.optics import Camera
from tfctc.data.simulate.population import Patient, Site, draw_patient, draw_site
from tfctc.data.simulate.scene import Scene
from tfctc.errors import ConfigError


@dataclass(frozen=True)
class SimulationOptions:
    """Options of a simulated data set.

    Args:
        patients: number of patients; cells are assigned to them in turn, and each has cells of both classes.
        sites: number of sites; a patient belongs to one.
        size: height and width of an image in pixels, 16 to 512.
        mpp: micrometres per pixel, 0.1 to 2; `size` times `mpp` is 20 or more.
        positive: share of CTCs, above 0 and below 1.
        unlabelled: share of cells whose label is left empty, 0 to 1.
        without_dapi: share of cells without a DAPI image, 0 to 1.

    Raises:
        ConfigError: a value out of range.
    """

    patients: int = 40
    sites: int = 3
    size: int = 64
    mpp: float = 0.64
    positive: float = 0.5
    unlabelled: float = 0.0
    without_dapi: float = 0.0

    def __post_init__(self):
        if not 1 <= self.sites <= self.patients:
            raise ConfigError(f"sites must be 1 to the number of patients ({self.patients}), got {self.sites}")
        if not (0.1 <= self.mpp <= 2 and 16 <= self.size <= 512):
            raise ConfigError(f"mpp must be 0.1 to 2 and size 16 to 512, got {self.mpp} and {self.size}")
        if self.size * self.mpp < 20:
            raise ConfigError(
                f"a cell needs a field of 20 um, got {self.size} px of {self.mpp} um", fix="raise size or mpp"
            )
        if not 0 < self.positive < 1:
            raise ConfigError(f"positive must be above 0 and below 1, got {self.positive}")
        if not (0 <= self.unlabelled <= 1 and 0 <= self.without_dapi <= 1):
            raise ConfigError(
                f"unlabelled and without_dapi must be 0 to 1, got {self.unlabelled} and {self.without_dapi}"
            )

    @property
    def facts(self) -> DatasetFacts:
        """Facts of the simulated data set."""
        size = (self.size, self.size)
        return DatasetFacts("simulated", bit_depth=Camera.bit_depth, image_size=size, mpp=self.mpp, simulated=True)


DEFAULT = SimulationOptions()


@dataclass(frozen=True)
class Truth:
    """Ground truth of one cell, which only a simulation knows.

    Args:
        cell_id: id of the cell.
        label: true class name, also of a cell without a label in the manifest.
        kind: kind of leukocyte, or "ctc".
        diameter_um, nucleus_diameter_um: diameter of the circle with the projected area of the cell, or the nucleus.
        chromatin_scale_um: correlation length of the DNA density.
        defocus_um: defocus of the bright-field image.
        neighbour: whether another cell was put beside it, maybe outside the image.
    """

    cell_id: str
    label: str
    kind: str
    diameter_um: float
    nucleus_diameter_um: float
    chromatin_scale_um: float
    defocus_um: float
    neighbour: bool


@dataclass(frozen=True)
class SimulatedCell:
    """One simulated cell.

    Args:
        cell: its row of the manifest.
        truth: its ground truth.
        brightfield: ``(size, size)`` uint16, values of 12 bits.
        dapi: likewise; None for a cell without a DAPI image.
    """

    cell: Cell
    truth: Truth
    brightfield: np.ndarray
    dapi: np.ndarray | None


def simulate_cells(n: int, *, seed: int, options: SimulationOptions = DEFAULT) -> Iterator[SimulatedCell]:
    """Yields cells 0 to n - 1.

    Args:
        n: number of cells.
        seed: seed of everything, 0 or more.
        options: options of the data set.

    Raises:
        ConfigError: too few cells for every patient to have both classes, or a negative seed.
    """
    rarest = min(options.positive, 1 - options.positive)
    needed = options.patients * math.ceil(1 / rarest)
    if n < needed:
        raise ConfigError(
            f"{options.patients} patients with both classes need {needed} cells or more, got {n}",
            fix="simulate more cells or fewer patients",
        )
    if seed < 0:
        raise ConfigError(f"seed must be 0 or more, got {seed}")
    return (_simulate_cell(i, seed, options) for i in range(n))


def _stream(seed: int, kind: int, index: int) -> np.random.Generator:
    return np.random.default_rng([seed, kind, index])


@lru_cache(maxsize=1024)
def site_of(seed: int, index: int) -> Site:
    """Site `index` of a simulation."""
    return draw_site(_stream(seed, 0, index))


@lru_cache(maxsize=4096)
def patient_of(seed: int, index: int) -> tuple[Patient, float]:
    """Patient `index` of a simulation, and a random phase in [0, 1) for the order of its two classes of cells."""
    rng = _stream(seed, 1, index)
    return draw_patient(rng), rng.random()


def _simulate_cell(i: int, seed: int, options: SimulationOptions) -> SimulatedCell:
    turn, p = divmod(i, options.patients)
    (patient, phase), site = patient_of(seed, p), site_of(seed, p % options.sites)
    # Positives are evenly spaced: any ceil(1 / positive) consecutive cells of a patient include a CTC.
    positive = math.floor((turn + 1) * options.positive + phase) > math.floor(turn * options.positive + phase)
    rng = _stream(seed, 2, i)
    hide_label, hide_dapi = rng.random(2) < (options.unlabelled, options.without_dapi)

    defocus = site.focus + 2.5 * rng.standard_normal()
    # A nucleus extends some um above and below the plane in focus, and a change of filters shifts the focus a little.
    glow_defocus = math.hypot(2.0, 1.5 * rng.standard_normal())
    scene = Scene(options.size, options.mpp, site, defocus, glow_defocus)
    anatomy = draw_cell(rng, patient, positive)
    maps = scene.add_cell(anatomy, tuple(rng.normal(0, 1.2, 2)), rng)
    neighbour = rng.random() < 0.12
    if neighbour:
        other = draw_cell(rng, patient, positive=False)
        angle, half = rng.uniform(0, 2 * math.pi), options.size * options.mpp / 2
        far = max(rng.uniform(0.75, 1.25) * half, (anatomy.diameter + other.diameter) / 2 + 1)
        scene.add_cell(other, (far * math.cos(angle), far * math.sin(angle)), rng)
    for _ in range(rng.poisson(0.4)):
        scene.add_debris(rng)
    brightfield, dapi = scene.expose(rng)

    name, patient_id = f"cell{i:07d}", f"patient{p:03d}"
    label = options.facts.positive if positive else options.facts.negative
    return SimulatedCell(
        Cell(
            cell_id=name,
            patient_id=patient_id,
            site=f"site{p % options.sites}",
            brightfield=f"images/{patient_id}/{name}_brightfield.png",
            dapi="" if hide_dapi else f"images/{patient_id}/{name}_dapi.png",
            label="" if hide_label else label,
        ),
        Truth(
            cell_id=name,
            label=label,
            kind=anatomy.kind,
            diameter_um=_area_diameter(maps.thickness, scene.pitch),
            nucleus_diameter_um=_area_diameter(maps.nucleus, scene.pitch),
            chromatin_scale_um=anatomy.chromatin_scale,
            defocus_um=defocus,
            neighbour=neighbour,
        ),
        brightfield,
        None if hide_dapi else dapi,
    )


def _area_diameter(thickness: np.ndarray, pitch: float) -> float:
    return math.sqrt(4 / math.pi * np.count_nonzero(thickness)) * pitch
