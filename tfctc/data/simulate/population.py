"""Sites and patients: the differences between microscopes and between people."""

from dataclasses import dataclass

import numpy as np

from tfctc.data.simulate.optics import Camera

#: Kinds of leukocyte that remain after enrichment by size, and their mean shares: our choice, see docs/simulation.md.
LEUKOCYTES = ("neutrophil", "lymphocyte", "monocyte", "activated")
SHARES = (0.46, 0.24, 0.20, 0.10)


def lognormal(rng: np.random.Generator, median: float, spread: float) -> float:
    """A random positive number; `spread` is the standard deviation of its logarithm."""
    return float(median * np.exp(spread * rng.standard_normal()))


@dataclass(frozen=True)
class Site:
    """The microscope of one laboratory.

    Args:
        aperture, condenser: numerical apertures of a 10x objective and of the illumination.
        focus: mean defocus, um.
        tilt: relative change of illumination from the centre to the right and the lower edge.
        falloff: relative loss of light in the corners.
        brightness: bright-field background as a share of full scale.
        stain: mean DAPI counts per um of chromatin at the density of a lymphocyte's nucleus.
        haze: DAPI background, counts.
        camera: the camera.
    """

    aperture: float
    condenser: float
    focus: float
    tilt: tuple[float, float]
    falloff: float
    brightness: float
    stain: float
    haze: float
    camera: Camera


def draw_site(rng: np.random.Generator) -> Site:
    """A random site."""
    return Site(
        aperture=rng.uniform(0.28, 0.32),
        condenser=rng.uniform(0.14, 0.22),
        focus=rng.uniform(2.5, 6.0),
        tilt=tuple(rng.normal(0, 0.03, 2)),
        falloff=rng.uniform(0, 0.06),
        brightness=rng.uniform(0.35, 0.50),
        stain=rng.uniform(110, 220),
        haze=rng.uniform(20, 80),
        camera=Camera(gain=rng.uniform(2.5, 5.0), read_noise=rng.uniform(5, 10), black=rng.uniform(60, 160)),
    )


@dataclass(frozen=True)
class Patient:
    """Properties that all cells of one patient share.

    Args:
        ctc_size, leukocyte_size: factors of the diameters.
        chromatin: factor of the correlation length of chromatin.
        irregularity: factor of the roughness of the outline of nuclei.
        stain: factor of the DAPI light.
        index_shift: change of the refractive index.
        shares: shares of `LEUKOCYTES`, sum 1.
    """

    ctc_size: float
    leukocyte_size: float
    chromatin: float
    irregularity: float
    stain: float
    index_shift: float
    shares: tuple[float, ...]


def draw_patient(rng: np.random.Generator) -> Patient:
    """A random patient."""
    return Patient(
        ctc_size=lognormal(rng, 1, 0.07),
        leukocyte_size=lognormal(rng, 1, 0.03),
        chromatin=lognormal(rng, 1, 0.08),
        irregularity=lognormal(rng, 1, 0.15),
        stain=lognormal(rng, 1, 0.15),
        index_shift=rng.normal(0, 0.0015),
        shares=tuple(rng.dirichlet(np.multiply(SHARES, 25))),
    )
