"""Scenes: the light of the DNA, and lamps that light unevenly."""

from dataclasses import replace

import numpy as np
import pytest

from tfctc.data.simulate.anatomy import DIPLOID, draw_cell
from tfctc.data.simulate.population import draw_patient, draw_site
from tfctc.data.simulate.scene import Scene


def one_cell(**changes):
    rng = np.random.default_rng(3)
    return replace(draw_cell(rng, draw_patient(rng), positive=True), **changes)


def test_dapi_light_follows_dna_and_not_the_size_of_the_nucleus():
    site = draw_site(np.random.default_rng(0))
    for radius, dna in ((3.0, 1.0), (4.5, 1.0), (4.5, 2.0)):
        cell = one_cell(diameter=12.0, lobes=np.array([[0.0, 0.0, radius]]), dna=dna, stain=0.7)
        scene = Scene(64, 0.64, site, defocus=3.0, glow_defocus=2.0)
        scene.add_cell(cell, (0.0, 0.0), np.random.default_rng(0))
        assert scene.glow.sum() * scene.pitch**2 == pytest.approx(0.7 * dna * DIPLOID, rel=1e-3)


def test_light_falls_unevenly_on_both_exposures():
    site = replace(draw_site(np.random.default_rng(0)), tilt=(0.2, 0.0), falloff=0.0)
    scene = Scene(64, 0.64, site, defocus=3.0, glow_defocus=2.0)
    scene.glow += 5
    for image in scene.expose(np.random.default_rng(0)):
        line = image.mean(axis=0) - site.camera.black
        # Linear from 0.8 to 1.2, give or take 0.02 a cell.
        assert line[-16:].mean() / line[:16].mean() == pytest.approx(1.15 / 0.85, abs=0.08)
