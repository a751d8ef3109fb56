"""Field of view around one cell, and its two exposures. Lengths in um."""

import math

import numpy as np
import scipy.fft

from tfctc.data.simulate import optics
from tfctc.data.simulate.anatomy import Anatomy, Maps, project
from tfctc.data.simulate.population import Site

#: Width of the window that a cell is drawn in, in cell diameters; holds its outline and the glow of its nucleus.
WINDOW = 1.4
#: Width of the margin around the image: objects this far outside still cast a halo into it.
MARGIN = 2.5
#: Largest distance of neighbouring samples in the optics: half of the shortest period that the objective passes.
MAX_PITCH = 0.35


class Scene:
    """Optical path and fluorescence of all objects, on a grid that is finer and a little wider than the image.

    Args:
        size: height and width of the image, pixels.
        mpp: micrometres per pixel.
        site: the microscope.
        defocus: defocus of the bright-field exposure.
        glow_defocus: defocus of the DAPI exposure.
    """

    def __init__(self, size: int, mpp: float, site: Site, defocus: float, glow_defocus: float):
        self.size, self.site, self.defocus = size, site, defocus
        self.oversampling = math.ceil(mpp / MAX_PITCH)
        self.pitch = mpp / self.oversampling
        self.margin = math.ceil(MARGIN / mpp)
        self.sigma = optics.fluorescence_sigma(glow_defocus, site.aperture)
        n = (size + 2 * self.margin) * self.oversampling
        self.path, self.glow = np.zeros((2, n, n), np.float32)

    def add_cell(self, cell: Anatomy, centre: tuple[float, float], rng: np.random.Generator) -> Maps:
        """Adds a cell; parts outside the grid are cut off.

        Args:
            cell: the cell.
            centre: x and y of its centre from the centre of the image.
            rng: source of its texture.

        Returns:
            Maps of the cell, in its own window.
        """
        n, width = len(self.path), scipy.fft.next_fast_len(math.ceil(WINDOW * cell.diameter / self.pitch), real=True)
        first = [round(n / 2 + c / self.pitch - width / 2) for c in centre]
        x, y = (
            (np.arange(f, f + width, dtype=np.float32) + np.float32(0.5 - n / 2)) * np.float32(self.pitch)
            - np.float32(c)
            for f, c in zip(first, centre, strict=True)
        )
        maps = project(cell, x[None, :], y[:, None], self.pitch, rng)
        (ax, bx), (ay, by) = ((max(f, 0), min(f + width, n)) for f in first)
        if ax < bx and ay < by:
            inside = np.s_[ay - first[1] : by - first[1], ax - first[0] : bx - first[0]]
            self.path[ay:by, ax:bx] += maps.path[inside]
            # Fluorescence is incoherent: intensities add, so each cell may be blurred alone, in its small window.
            glow = optics.blur(np.float32(cell.stain) * maps.chromatin, self.pitch, self.sigma)
            self.glow[ay:by, ax:bx] += glow[inside]
        return maps

    def add_debris(self, rng: np.random.Generator) -> None:
        """Adds a platelet or a fragment of membrane at a random place: a smooth bump 1 to 3 um wide, without DNA."""
        n, sigma = len(self.path), rng.uniform(0.4, 1.2)
        line = (np.arange(n, dtype=np.float32) + np.float32(0.5 - n / 2)) * np.float32(self.pitch)
        centre = rng.uniform(-0.5, 0.5, 2).astype(np.float32) * np.float32(n * self.pitch)
        x, y = (np.exp(-0.5 * np.square((line - c) / np.float32(sigma))) for c in centre)
        self.path += np.float32(rng.uniform(0.01, 0.06)) * y[:, None] * x[None, :]

    def expose(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Bright-field and DAPI image ``(size, size)`` uint16, as the site's camera reads them."""
        site, camera = self.site, self.site.camera
        image = optics.brightfield(self.path, self.pitch, self.defocus, site.aperture, site.condenser)
        line = np.linspace(-1, 1, self.size, dtype=np.float32)
        tilt = np.add(site.tilt, rng.normal(0, 0.02, 2)).astype(np.float32)
        light = 1 + tilt[0] * line[None, :] + tilt[1] * line[:, None]
        light -= np.float32(site.falloff / 2) * (line[None, :] ** 2 + line[:, None] ** 2)
        level = np.float32(site.brightness * 2**camera.bit_depth * (1 + 0.03 * rng.standard_normal()))
        haze = np.float32(site.haze * math.exp(0.3 * rng.standard_normal()))
        return (
            camera.expose(level * light * self._pixels(image), rng),
            # The fluorescence lamp is assumed to be as uneven as the bright-field lamp.
            camera.expose((np.float32(site.stain) * self._pixels(self.glow) + haze) * light, rng),
        )

    def _pixels(self, image: np.ndarray) -> np.ndarray:
        return optics.to_pixels(image, self.oversampling, self.margin)
