"""Anatomy against geometry, and sizes that do not give the class away."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tfctc.data.simulate.anatomy import HARMONICS, _line_integral, _unwarp, draw_cell, project
from tfctc.data.simulate.population import draw_patient


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
