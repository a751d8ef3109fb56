"""Damaged images composed from real images of single cells, each with the camera's own noise.

Background is put together from the corners of real images, so that its noise and grain are real. Every function takes
images ``(H, W)`` in [0, 1] of square size, and returns such an image; `damaged` rounds it to the levels of the camera.
"""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from tfctc.cells import DatasetFacts
from tfctc.data.simulate import DAMAGE, optics
from tfctc.data.simulate.population import draw_site
from tfctc.data.simulate.scene import Scene

#: Background of a saturated image in shares of full scale, as in `tfctc.data.simulate.damage`.
OVEREXPOSED = (0.9, 1.5)
#: Standard deviation of the blur of an image out of focus, in shares of the side.
BLUR = (0.075, 0.15)
#: Distance of each of two cells from the middle, in shares of the side.
APART = (0.2, 0.3)
#: Micrometres per pixel and numerical apertures for simulated debris: an imaging flow cytometer with a 40x objective.
MPP, APERTURE, CONDENSER = 0.5, 0.5, 0.3


def plane(image: np.ndarray) -> np.ndarray:
    """Plane fitted to the border of an image, two pixels wide, by least squares."""
    y, x = np.indices(image.shape)
    terms = np.stack([np.ones(image.size), x.ravel(), y.ravel()], axis=1)
    border = np.ones(image.shape, bool)
    border[2:-2, 2:-2] = False
    known = border.ravel()
    return (terms @ np.linalg.lstsq(terms[known], image.ravel()[known], rcond=None)[0]).reshape(image.shape)


class Damage:
    """Damaged images of the cells in `images`.

    Args:
        images: ``(N, S, S)`` in [0, 1].
        facts: facts of the images.
    """

    def __init__(self, images: np.ndarray, facts: DatasetFacts):
        self.images, self.facts, self.side = images, facts, images.shape[1]

    def __call__(self, kind: str, rng: np.random.Generator) -> np.ndarray:
        """One random image ``(S, S)`` in [0, 1] with this kind of damage, one of `DAMAGE`."""
        if kind not in DAMAGE:
            raise ValueError(f"unknown kind of damage {kind}")
        image = getattr(self, kind)(rng)
        full_scale = self.facts.full_scale
        return (np.clip(np.rint(image * full_scale), 0, full_scale) / full_scale).astype(np.float32)

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        """A random cell image."""
        return self.images[rng.integers(len(self.images))]

    def constant(self, rng: np.random.Generator) -> np.ndarray:
        """One grey level, that of the background of a cell image."""
        return np.full((self.side, self.side), np.median(plane(self.drawn(rng))))

    def empty(self, rng: np.random.Generator) -> np.ndarray:
        """The plane of one image, with tiles of a quarter of the side from corners of others, less their own planes."""
        tile = self.side // 4
        image = plane(self.drawn(rng)).copy()
        for top in range(0, self.side, tile):
            for left in range(0, self.side, tile):
                other = self.drawn(rng)
                grain = (other - plane(other))[:: rng.choice((-1, 1)), :: rng.choice((-1, 1))][:tile, :tile]
                part = image[top : top + tile, left : left + tile]
                part += grain[: part.shape[0], : part.shape[1]]
        return image

    def debris(self, rng: np.random.Generator) -> np.ndarray:
        """Empty background behind simulated pieces of debris."""
        site = replace(draw_site(rng), aperture=APERTURE, condenser=CONDENSER)
        defocus = rng.uniform(0, 5)
        scene = Scene(self.side, MPP, site, defocus, glow_defocus=2.0)
        for _ in range(1 + rng.poisson(2)):
            scene.add_debris(rng)
        light = optics.brightfield(scene.path, scene.pitch, defocus, APERTURE, CONDENSER)
        return self.empty(rng) * optics.to_pixels(light, scene.oversampling, scene.margin)

    def blurred(self, rng: np.random.Generator) -> np.ndarray:
        """A cell under a Gaussian blur (far out of focus, the diaphragm of the condenser blurs), and new noise."""
        image, background = self.drawn(rng), self.empty(rng)
        below = plane(image)
        blur = ndimage.gaussian_filter(image - below, rng.uniform(*BLUR) * self.side)
        return below + blur + background - plane(background)

    def cut(self, rng: np.random.Generator) -> np.ndarray:
        """A cell moved by 45 to 55 % of the side, with background in its place."""
        across = round(rng.choice((-1, 1)) * rng.uniform(0.45, 0.55) * self.side)
        along = round(rng.uniform(-0.25, 0.25) * self.side)
        return self._moved(self.drawn(rng), *((across, along) if rng.random() < 0.5 else (along, across)), rng)

    def doubled(self, rng: np.random.Generator) -> np.ndarray:
        """Two cells side by side; each has its own half of the image, so that there is one layer of noise."""
        by = round(rng.uniform(*APART) * self.side)
        left, right = self._moved(self.drawn(rng), 0, -by, rng), self._moved(self.drawn(rng), 0, by, rng)
        right *= np.median(plane(left)) / np.median(plane(right))
        return np.rot90(np.where(np.arange(self.side) < self.side / 2, left, right), rng.integers(4))

    def saturated(self, rng: np.random.Generator) -> np.ndarray:
        """A cell in so much light that its background is near full scale or above it."""
        image = self.drawn(rng)
        return image * rng.uniform(*OVEREXPOSED) / np.median(plane(image))

    def _moved(self, image: np.ndarray, down: int, right: int, rng: np.random.Generator) -> np.ndarray:
        result, side = self.empty(rng), self.side
        # The same level, so that the edge of the moved part does not show.
        result *= np.median(plane(image)) / np.median(plane(result))
        rows, columns = (np.arange(max(0, by), min(side, side + by)) for by in (down, right))
        result[np.ix_(rows, columns)] = image[np.ix_(rows - down, columns - right)]
        return result
