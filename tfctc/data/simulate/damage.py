"""Simulated bright-field images of something else than one whole, sharp cell, by the same optics as the cells."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from tfctc.data.simulate.anatomy import draw_cell
from tfctc.data.simulate.generate import DEFAULT, SimulationOptions, patient_of, site_of
from tfctc.data.simulate.population import Patient
from tfctc.data.simulate.scene import Scene
from tfctc.errors import ConfigError

#: Kind of damage -> what the image shows.
DAMAGE = {
    "constant": "one grey level, as of a dead camera",
    "empty": "background alone, with its noise and uneven light",
    "debris": "background with one or more pieces of debris",
    "blurred": "a cell 15 to 30 um out of focus",
    "cut": "a cell on an edge of the image, about half of it inside",
    "doubled": "two cells that touch, in the middle",
    "saturated": "a cell in so much light that the background is 0.9 to 1.5 of full scale",
}
#: Distance out of focus, beyond the mean focus of the site; cells differ by 2.5 um (standard deviation).
OUT_OF_FOCUS = (15.0, 30.0)
#: Background of a saturated image, in shares of full scale.
OVEREXPOSED = (0.9, 1.5)


def simulate_damaged(
    kind: str, n: int, *, seed: int, options: SimulationOptions = DEFAULT, patients: Sequence[int] | None = None
) -> Iterator[np.ndarray]:
    """Yields `n` damaged images of the patients and sites of the simulation with this seed.

    Args:
        kind: one of `DAMAGE`.
        n: number of images.
        seed: seed of everything, 0 or more; `simulate_cells` with the same one has the same patients and sites.
        options: options of the data set.
        patients: numbers of the patients, who have images in turn; None takes all.

    Returns:
        Images ``(size, size)`` uint16, values of 12 bits.

    Raises:
        ConfigError: an unknown kind of damage.
    """
    if kind not in DAMAGE:
        raise ConfigError(f"kind of damage must be one of {', '.join(DAMAGE)}, got {kind!r}")
    chosen = range(options.patients) if patients is None else patients
    stream = list(DAMAGE).index(kind)
    return (
        _damaged(kind, np.random.default_rng([seed, 3, stream, i]), seed, chosen[i % len(chosen)], options)
        for i in range(n)
    )


def _damaged(kind: str, rng: np.random.Generator, seed: int, number: int, options: SimulationOptions) -> np.ndarray:
    (patient, _), site = patient_of(seed, number), site_of(seed, number % options.sites)
    if kind == "saturated":
        site = replace(site, brightness=rng.uniform(*OVEREXPOSED))
    defocus = site.focus + 2.5 * rng.standard_normal()
    if kind == "blurred":
        defocus = site.focus + rng.choice((-1, 1)) * rng.uniform(*OUT_OF_FOCUS)
    scene = Scene(options.size, options.mpp, site, defocus, glow_defocus=2.0)
    _fill(scene, kind, rng, patient, options.size * options.mpp / 2)
    image, _ = scene.expose(rng)
    return np.full_like(image, np.median(image)) if kind == "constant" else image


def _fill(scene: Scene, kind: str, rng: np.random.Generator, patient: Patient, half: float) -> None:
    """Adds what an image of this kind shows; `half` is half of the side of the image, um."""
    if kind == "debris":
        for _ in range(1 + rng.poisson(2)):
            scene.add_debris(rng)
        return
    if kind in ("constant", "empty"):
        return
    cell, middle = draw_cell(rng, patient, rng.random() < 0.5), rng.normal(0, 1.2, 2)
    if kind == "cut":
        # The centre lies within a fifth of the radius of an edge.
        across = rng.choice((-1, 1)) * (half + 0.2 * cell.diameter / 2 * rng.uniform(-1, 1))
        centre = (across, rng.uniform(-0.5, 0.5) * half)
        scene.add_cell(cell, centre if rng.random() < 0.5 else centre[::-1], rng)
    elif kind == "doubled":
        other, angle = draw_cell(rng, patient, positive=False), rng.uniform(0, 2 * math.pi)
        apart = (cell.diameter + other.diameter) / 2 * rng.uniform(0.9, 1.1) * np.array([np.cos(angle), np.sin(angle)])
        scene.add_cell(cell, tuple(middle - apart / 2), rng)
        scene.add_cell(other, tuple(middle + apart / 2), rng)
    else:
        scene.add_cell(cell, tuple(middle), rng)
