"""Anatomy of a cell (outline, nucleus, chromatin, granules), and the maps of thickness that follow from it.

Lengths in um. Sources of the numbers: docs/simulation.md.
"""

from dataclasses import dataclass

import numpy as np
import scipy.fft

from tfctc.data.simulate.population import LEUKOCYTES, Patient, lognormal

#: Refractive index of the buffer (phosphate-buffered saline).
MEDIUM = 1.335
#: Orders of the harmonics of an outline. The first is left out: it would only move the cell.
HARMONICS = np.arange(2, 8)


@dataclass(frozen=True)
class Anatomy:
    """One cell.

    Args:
        kind: one of `LEUKOCYTES`, or "ctc".
        diameter: diameter of the sphere of which `outline` and `flattening` make the cell.
        outline, nucleus_outline: complex amplitudes of the harmonics of the radius, relative to the mean radius.
        flattening: height over width.
        lobes: ``(M, 3)``: x, y (from the centre of the cell) and radius of the spheres that make up the nucleus.
        nucleoli: ``(K, 3)``: x, y and radius of the nucleoli.
        chromatin_scale, chromatin_contrast: correlation length and relative standard deviation of the DNA density.
        dna: DNA content relative to a diploid nucleus.
        stain: DAPI light for each unit of DNA, relative to the mean of the site.
        granule_scale, granule_contrast: correlation length and standard deviation of the refractive index of the
            cytoplasm.
        index, nuclear_index: mean refractive indices of cytoplasm and nucleus.
    """

    kind: str
    diameter: float
    outline: np.ndarray
    flattening: float
    lobes: np.ndarray
    nucleus_outline: np.ndarray
    nucleoli: np.ndarray
    chromatin_scale: float
    chromatin_contrast: float
    dna: float
    stain: float
    granule_scale: float
    granule_contrast: float
    index: float
    nuclear_index: float


#: Volume of a diploid nucleus at the density of a lymphocyte's, um^3: a sphere 7 um in diameter.
DIPLOID = 180.0
#: Refractive index of chromatin of twice the mean density, above the mean index of the nucleus.
CHROMATIN_INDEX = 0.010
#: Refractive index of a nucleolus, above the mean index of the nucleus.
NUCLEOLUS_INDEX = 0.020


def draw_cell(rng: np.random.Generator, patient: Patient, positive: bool) -> Anatomy:
    """A random cell of a patient: a CTC if `positive`, else a leukocyte of a random kind."""
    kind = "ctc" if positive else str(rng.choice(LEUKOCYTES, p=patient.shares))
    return _DRAW[kind](rng, patient)


def _assemble(
    rng: np.random.Generator,
    patient: Patient,
    kind: str,
    diameter: float,
    lobes: np.ndarray,
    *,
    roughness: float,
    nucleus_roughness: float,
    chromatin: float,
    contrast: float,
    granules: float,
    nucleoli: float,
    dna: float,
) -> Anatomy:
    """Anatomy of a cell, with the values that are drawn alike for all kinds; the others are arguments."""
    index = MEDIUM + 0.030 + patient.index_shift + 0.003 * rng.standard_normal()
    return Anatomy(
        kind=kind,
        diameter=diameter,
        outline=_harmonics(rng, roughness),
        flattening=rng.uniform(0.8, 1.0),
        lobes=lobes,
        nucleus_outline=_harmonics(rng, nucleus_roughness * patient.irregularity),
        nucleoli=_nucleoli(rng, nucleoli, lobes),
        chromatin_scale=lognormal(rng, chromatin, 0.22) * patient.chromatin,
        chromatin_contrast=lognormal(rng, contrast, 0.20),
        dna=dna,
        stain=lognormal(rng, 1, 0.15) * patient.stain,
        granule_scale=lognormal(rng, 0.40, 0.25),
        granule_contrast=lognormal(rng, granules, 0.35),
        index=index,
        nuclear_index=index - 0.008 + 0.002 * rng.standard_normal(),
    )


def _harmonics(rng: np.random.Generator, amplitude: float) -> np.ndarray:
    draws = rng.standard_normal((2, len(HARMONICS)))
    return (amplitude * (draws[0] + 1j * draws[1]) / HARMONICS).astype(np.complex64)


def _nucleoli(rng: np.random.Generator, mean: float, lobes: np.ndarray) -> np.ndarray:
    count = min(rng.poisson(mean), 4)
    radius = rng.uniform(0.5, 1.1, count)
    place = rng.uniform(-0.5, 0.5, (count, 2)) * lobes[0, 2]
    return np.column_stack([place + lobes[0, :2], radius])


def _round_nucleus(rng: np.random.Generator, diameter: float, ratio: float) -> np.ndarray:
    """One sphere, off the centre of the cell by up to 70 % of the distance at which it would touch the membrane."""
    radius = diameter / 2 * ratio
    angle, far = rng.uniform(0, 2 * np.pi), 0.7 * (diameter / 2 - radius) * np.sqrt(rng.random())
    return np.array([[far * np.cos(angle), far * np.sin(angle), radius]])


def _lobed_nucleus(rng: np.random.Generator, count: int, radius: float, arc: float, bend: float) -> np.ndarray:
    """`count` spheres of about `radius` along an arc of radius `arc`, `bend` radians apart, in a random orientation."""
    angle = (np.arange(count) - (count - 1) / 2) * bend
    points = arc * np.column_stack([np.cos(angle), np.sin(angle), np.zeros(count)])
    points += 0.2 * radius * rng.standard_normal(points.shape)
    rotation, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    points = (points @ rotation)[:, :2]
    return np.column_stack([points - points.mean(axis=0), radius * rng.uniform(0.85, 1.15, count)])


def _neutrophil(rng, patient):
    diameter = lognormal(rng, 10.8, 0.08) * patient.leukocyte_size
    count = int(rng.choice([2, 3, 4, 5], p=[0.25, 0.45, 0.25, 0.05]))
    radius = diameter * (0.62 / count) ** (1 / 3) * 0.25
    lobes = _lobed_nucleus(rng, count, radius, diameter * 0.23, 2.0 * radius / (diameter * 0.23) * 0.85)
    return _assemble(rng, patient, "neutrophil", diameter, lobes, roughness=0.03, nucleus_roughness=0.05,
                     chromatin=0.45, contrast=0.45, granules=0.0036, nucleoli=0.0, dna=1.0)  # fmt: skip


def _lymphocyte(rng, patient):
    diameter = lognormal(rng, 8.8, 0.09) * patient.leukocyte_size
    lobes = _round_nucleus(rng, diameter, np.clip(rng.normal(0.80, 0.05), 0.6, 0.92))
    return _assemble(rng, patient, "lymphocyte", diameter, lobes, roughness=0.025, nucleus_roughness=0.035,
                     chromatin=0.48, contrast=0.45, granules=0.0018, nucleoli=0.1, dna=1.0)  # fmt: skip


def _monocyte(rng, patient):
    diameter = lognormal(rng, 12.6, 0.10) * patient.leukocyte_size
    radius = diameter * rng.uniform(0.22, 0.27)
    lobes = _lobed_nucleus(rng, 3, radius, diameter * 0.22, 0.9)
    return _assemble(rng, patient, "monocyte", diameter, lobes, roughness=0.04, nucleus_roughness=0.06,
                     chromatin=0.42, contrast=0.32, granules=0.0024, nucleoli=0.2, dna=1.0)  # fmt: skip


def _activated(rng, patient):
    """A large, activated lymphocyte: the leukocyte that looks most like a tumor cell."""
    diameter = lognormal(rng, 11.3, 0.12) * patient.leukocyte_size
    lobes = _round_nucleus(rng, diameter, np.clip(rng.normal(0.72, 0.06), 0.5, 0.9))
    return _assemble(rng, patient, "activated", diameter, lobes, roughness=0.04, nucleus_roughness=0.06,
                     chromatin=0.50, contrast=0.42, granules=0.0024, nucleoli=0.6, dna=1.3)  # fmt: skip


def _ctc(rng, patient):
    diameter = lognormal(rng, 11.9, 0.17) * patient.ctc_size
    lobes = _round_nucleus(rng, diameter, np.clip(rng.normal(0.74, 0.08), 0.45, 0.92))
    return _assemble(rng, patient, "ctc", diameter, lobes, roughness=0.045, nucleus_roughness=0.11,
                     chromatin=0.75, contrast=0.50, granules=0.0024, nucleoli=1.2,
                     dna=lognormal(rng, 1.5, 0.25))  # fmt: skip


_DRAW = {
    "neutrophil": _neutrophil,
    "lymphocyte": _lymphocyte,
    "monocyte": _monocyte,
    "activated": _activated,
    "ctc": _ctc,
}


@dataclass(frozen=True)
class Maps:
    """Projections along the optical axis on an ``(N, N)`` float32 grid.

    Args:
        thickness, nucleus: thickness of the cell and of its nucleus, um.
        chromatin: DNA, as the thickness that it would have at the density of a lymphocyte's nucleus, um.
        path: optical path difference to the buffer, um.
    """

    thickness: np.ndarray
    nucleus: np.ndarray
    chromatin: np.ndarray
    path: np.ndarray


def project(cell: Anatomy, x: np.ndarray, y: np.ndarray, pitch: float, rng: np.random.Generator) -> Maps:
    """Maps of a cell.

    Args:
        cell: the cell.
        x, y: coordinates of the grid from the centre of the cell, float32 ``(1, N)`` and ``(N, 1)``.
        pitch: distance of neighbouring grid points.
        rng: source of the texture of chromatin and cytoplasm.
    """
    radius = np.float32(cell.diameter / 2)
    wx, wy = _unwarp(x, y, cell.outline)
    thickness = cell.flattening * _sphere(wx, wy, radius)

    cx, cy = (cell.lobes[:, :2] * cell.lobes[:, 2:]).sum(axis=0) / cell.lobes[:, 2].sum()
    wx, wy = _unwarp(x - np.float32(cx), y - np.float32(cy), cell.nucleus_outline)
    nucleus = _sphere(wx - np.float32(cell.lobes[0, 0] - cx), wy - np.float32(cell.lobes[0, 1] - cy), cell.lobes[0, 2])
    for lx, ly, lr in cell.lobes[1:]:
        nucleus = np.maximum(nucleus, _sphere(wx - np.float32(lx - cx), wy - np.float32(ly - cy), lr))
    nucleus = np.minimum(nucleus, np.float32(0.95) * thickness)
    cytoplasm = thickness - nucleus

    clumps = _line_integral(nucleus, cell.chromatin_scale, cell.chromatin_contrast, pitch, rng)
    granules = _line_integral(cytoplasm, cell.granule_scale, cell.granule_contrast, pitch, rng)
    nucleoli = np.float32(0)
    for nx, ny, nr in cell.nucleoli:
        nucleoli = nucleoli + np.minimum(_sphere(x - np.float32(nx), y - np.float32(ny), nr), nucleus)
    chromatin = np.maximum(nucleus + clumps - np.float32(0.8) * nucleoli, np.float32(0.1) * nucleus)
    # The sum is fixed: a large nucleus has no more DNA than a small one, only at a lower density.
    chromatin *= np.float32(cell.dna * DIPLOID / pitch**2) / chromatin.sum()
    path = (
        np.float32(cell.index - MEDIUM) * cytoplasm
        + np.float32(cell.nuclear_index - MEDIUM) * nucleus
        + np.float32(CHROMATIN_INDEX) * clumps
        + np.float32(NUCLEOLUS_INDEX) * nucleoli
        + granules
    )
    return Maps(thickness, nucleus, chromatin, path)


def _sphere(x: np.ndarray, y: np.ndarray, radius: float | np.floating) -> np.ndarray:
    """Thickness of a sphere along the optical axis."""
    return 2 * np.sqrt(np.maximum(np.float32(radius**2) - (x * x + y * y), np.float32(0)))


def _unwarp(x: np.ndarray, y: np.ndarray, amplitudes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in which the outline ``1 + Re sum_k a_k exp(i k angle)`` is a circle of radius 1."""
    z = x + np.complex64(1j) * y
    unit = z / (np.abs(z) + np.float32(1e-6))
    # Horner's scheme: sum_k a_k u^k for k = 2, 3, ...
    total = np.full(z.shape, amplitudes[-1])
    for amplitude in amplitudes[-2::-1]:
        total *= unit
        total += amplitude
    factor = 1 / np.maximum(1 + (total * unit * unit).real, np.float32(0.4))
    return x * factor, y * factor


def _line_integral(
    thickness: np.ndarray, scale: float, contrast: float, pitch: float, rng: np.random.Generator
) -> np.ndarray:
    """Integral along the optical axis, through `thickness`, of a random density of mean 0.

    The density has the covariance ``contrast^2 exp(-r^2 / (2 scale^2))``. Over a length L well above `scale`, its
    integral has the variance ``contrast^2 sqrt(2 pi) scale L`` and the same lateral correlation.
    """
    n = len(thickness)
    line = np.exp(-((np.pi * scale * scipy.fft.fftfreq(n, pitch)) ** 2))
    line = (line / np.sqrt(np.mean(line**2))).astype(np.float32)
    texture = scipy.fft.rfft2(rng.standard_normal(thickness.shape, dtype=np.float32))
    texture *= line[:, None]
    texture *= line[: n // 2 + 1]
    texture = scipy.fft.irfft2(texture, s=thickness.shape, overwrite_x=True)
    return texture * np.sqrt(np.float32(contrast**2 * np.sqrt(2 * np.pi) * scale) * thickness)
