"""Anatomy against geometry, sizes that do not give the class away, cells that depend on seed and index only."""

import itertools
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tfctc.data.simulate import SimulationOptions, simulate_cells
from tfctc.data.simulate.anatomy import DIPLOID, HARMONICS, _line_integral, _unwarp, draw_cell, project
from tfctc.data.simulate.population import draw_patient, draw_site
from tfctc.data.simulate.scene import Scene
from tfctc.errors import ConfigError

FEW = SimulationOptions(patients=3, sites=2)


def grid(n=120, pitch=0.2):
    line = ((np.arange(n) + 0.5 - n / 2) * pitch).astype(np.float32)
    return line[None, :], line[:, None], pitch


def one_cell(**changes):
    rng = np.random.default_rng(3)
    return replace(draw_cell(rng, draw_patient(rng), positive=True), **changes)


def test_round_cell_has_the_volume_of_its_spheroid():
    none = np.zeros(len(HARMONICS), np.complex64)
    cell = one_cell(
        diameter=12.0, flattening=0.9, outline=none, nucleus_outline=none, lobes=np.array([[1.0, -0.5, 4.0]])
    )
    x, y, pitch = grid()
    maps = project(cell, x, y, pitch, np.random.default_rng(0))
    assert maps.thickness.sum() * pitch**2 == pytest.approx(np.pi / 6 * 12**3 * 0.9, rel=0.01)
    assert maps.nucleus.sum() * pitch**2 == pytest.approx(np.pi / 6 * 8**3, rel=0.01)
    centre = (maps.nucleus * x).sum() / maps.nucleus.sum(), (maps.nucleus * y).sum() / maps.nucleus.sum()
    np.testing.assert_allclose(centre, (1.0, -0.5), atol=0.02)


def test_path_of_a_smooth_cell_is_index_difference_times_thickness():
    smooth = {"granule_contrast": 0.0, "chromatin_contrast": 0.0, "nucleoli": np.empty((0, 3))}
    cell = one_cell(**smooth, index=1.36, nuclear_index=1.35)
    x, y, pitch = grid()
    maps = project(cell, x, y, pitch, np.random.default_rng(0))
    expected = 0.025 * (maps.thickness - maps.nucleus) + 0.015 * maps.nucleus
    np.testing.assert_allclose(maps.path, expected, atol=1e-5)
    np.testing.assert_allclose(maps.chromatin / maps.chromatin.max(), maps.nucleus / maps.nucleus.max(), atol=1e-5)


def test_dapi_light_follows_dna_and_not_the_size_of_the_nucleus():
    site = draw_site(np.random.default_rng(0))
    for radius, dna in ((3.0, 1.0), (4.5, 1.0), (4.5, 2.0)):
        cell = one_cell(diameter=12.0, lobes=np.array([[0.0, 0.0, radius]]), dna=dna, stain=0.7)
        scene = Scene(64, 0.64, site, defocus=3.0, glow_defocus=2.0)
        scene.add_cell(cell, (0.0, 0.0), np.random.default_rng(0))
        assert scene.glow.sum() * scene.pitch**2 == pytest.approx(0.7 * dna * DIPLOID, rel=1e-3)


def test_nucleus_lies_within_the_cell_for_every_kind():
    rng = np.random.default_rng(0)
    patient = draw_patient(rng)
    x, y, pitch = grid()
    for i in range(60):
        maps = project(draw_cell(rng, patient, positive=i % 3 == 0), x, y, pitch, rng)
        assert (maps.nucleus <= maps.thickness).all() and maps.nucleus.max() > 1 and (maps.chromatin >= 0).all()
        assert maps.thickness[0].max() == maps.thickness[:, 0].max() == 0


def test_outline_is_the_fourier_series_of_the_radius():
    amplitudes = np.array([0.05, 0.03j, 0.02, 0, -0.01, 0.01j], np.complex64)
    angle = np.linspace(0, 2 * np.pi, 50, endpoint=False)
    radius = 1 + sum((a * np.exp(1j * k * angle)).real for k, a in zip(HARMONICS, amplitudes, strict=True))
    x, y = (radius * np.cos(angle)).astype(np.float32), (radius * np.sin(angle)).astype(np.float32)
    np.testing.assert_allclose(np.hypot(*_unwarp(x, y, amplitudes)), 1, atol=1e-5)


def test_texture_has_the_variance_and_correlation_of_an_integrated_gaussian_medium():
    rng, scale, contrast, length, pitch = np.random.default_rng(0), 0.8, 0.5, 6.0, 0.32
    slab = np.full((64, 64), length, np.float32)
    fields = np.stack([_line_integral(slab, scale, contrast, pitch, rng) for _ in range(60)])
    variance = contrast**2 * np.sqrt(2 * np.pi) * scale * length
    assert fields.var() == pytest.approx(variance, rel=0.05)
    for lag in (1, 3, 5):
        correlation = (fields * np.roll(fields, lag, axis=2)).mean() / fields.var()
        assert correlation == pytest.approx(np.exp(-((lag * pitch) ** 2) / (2 * scale**2)), abs=0.03)


def test_light_falls_unevenly_on_both_exposures():
    site = replace(draw_site(np.random.default_rng(0)), tilt=(0.2, 0.0), falloff=0.0)
    scene = Scene(64, 0.64, site, defocus=3.0, glow_defocus=2.0)
    scene.glow += 5
    for image in scene.expose(np.random.default_rng(0)):
        line = image.mean(axis=0) - site.camera.black
        # Linear from 0.8 to 1.2, give or take 0.02 a cell.
        assert line[-16:].mean() / line[:16].mean() == pytest.approx(1.15 / 0.85, abs=0.08)


def test_diameter_alone_does_not_tell_the_classes_apart():
    diameters, labels = [], []
    for p in range(60):
        rng = np.random.default_rng([7, p])
        patient = draw_patient(rng)
        for i in range(50):
            diameters.append(draw_cell(rng, patient, positive=i % 2 == 0).diameter)
            labels.append(i % 2 == 0)
    assert 0.55 < roc_auc_score(labels, diameters) < 0.75
    assert min(diameters) > 5 and np.quantile(diameters, 0.99) < 20


def test_a_cell_depends_on_seed_and_index_only():
    short = list(simulate_cells(12, seed=5, options=FEW))
    long = list(itertools.islice(simulate_cells(10_000, seed=5, options=FEW), 12))
    for a, b in zip(short, long, strict=True):
        assert (a.cell, a.truth) == (b.cell, b.truth)
        np.testing.assert_array_equal(a.brightfield, b.brightfield)
        np.testing.assert_array_equal(a.dapi, b.dapi)
    other = next(simulate_cells(12, seed=6, options=FEW))
    assert (other.brightfield != short[0].brightfield).mean() > 0.9
    assert len({c.brightfield.tobytes() for c in short}) == 12


def test_hiding_labels_and_dapi_leaves_the_images_alone():
    plain = list(simulate_cells(200, seed=1, options=FEW))
    hidden = list(simulate_cells(200, seed=1, options=replace(FEW, unlabelled=0.3, without_dapi=0.6)))
    assert 0.2 < np.mean([c.cell.label == "" for c in hidden]) < 0.4
    assert 0.5 < np.mean([c.cell.dapi == "" for c in hidden]) < 0.7
    for a, b in zip(plain, hidden, strict=True):
        assert a.truth == b.truth and (b.dapi is None) == (b.cell.dapi == "")
        np.testing.assert_array_equal(a.brightfield, b.brightfield)


def test_every_patient_has_both_classes_and_one_site():
    options = SimulationOptions(patients=4, sites=2, positive=0.1)
    labels, sites = defaultdict(list), defaultdict(set)
    for one in simulate_cells(200, seed=0, options=options):
        labels[one.cell.patient_id].append(one.cell.label)
        sites[one.cell.patient_id].add(one.cell.site)
    assert len(labels) == 4 and {len(s) for s in sites.values()} == {1} and len(set.union(*sites.values())) == 2
    for mine in labels.values():
        assert all("ctc" in mine[i : i + 10] for i in range(len(mine) - 9))
        assert abs(mine.count("ctc") - 5) <= 1


@pytest.mark.parametrize("size, mpp", [(64, 0.64), (48, 1.0), (100, 0.3)])
def test_images_show_the_nucleus_at_its_true_size(size, mpp):
    options = SimulationOptions(patients=3, sites=2, size=size, mpp=mpp)
    ratios = []
    for one in itertools.islice(simulate_cells(100, seed=2, options=options), 30):
        for image in (one.brightfield, one.dapi):
            assert image.shape == (size, size) and image.dtype == np.uint16 and image.max() <= 4095
        if not one.truth.neighbour:
            signal = one.dapi - np.median(one.dapi)
            area = (signal > signal.max() / 4).sum() * mpp**2
            ratios.append(np.sqrt(4 / np.pi * area) / one.truth.nucleus_diameter_um)
    assert 0.85 < np.median(ratios) < 1.2


def test_a_cell_is_a_lens_that_gathers_light_behind_its_focus():
    peaks = {"near": [], "behind": []}
    for one in simulate_cells(200, seed=0, options=FEW):
        peak = one.brightfield[20:44, 20:44].max() / np.median(one.brightfield)
        if abs(one.truth.defocus_um) < 1:
            peaks["near"].append(peak)
        elif one.truth.defocus_um > 4:
            peaks["behind"].append(peak)
    assert len(peaks["near"]) > 10 and np.median(peaks["near"]) < 1.3 < 1.45 < np.median(peaks["behind"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"sites": 0},
        {"sites": 41},
        {"positive": 0.0},
        {"positive": 1.0},
        {"unlabelled": 1.1},
        {"without_dapi": -0.1},
        {"size": 24},
        {"mpp": 0.0},
    ],
)
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        SimulationOptions(**wrong)


def test_too_few_cells_and_negative_seeds_are_refused():
    with pytest.raises(ConfigError, match="80 cells or more, got 79"):
        simulate_cells(79, seed=0)
    with pytest.raises(ConfigError, match="seed"):
        simulate_cells(80, seed=-1)
