"""The optics against closed forms and a direct Fourier sum in float64."""

import numpy as np
import pytest

from tfctc.data.simulate import optics

N, PITCH = 64, 0.32
LINE = (np.arange(N) - N / 2) * PITCH
R2 = LINE[:, None] ** 2 + LINE[None, :] ** 2


def direct_transfer(image, transfer):
    """Filters by an explicit sum over all frequencies: no FFT, float64."""
    f = np.arange(-N // 2, N // 2) / (N * PITCH)
    wave = np.exp(-2j * np.pi * np.outer(f, LINE))
    spectrum = wave @ image @ wave.T
    spectrum *= transfer(f[:, None] ** 2 + f[None, :] ** 2)
    return wave.conj().T @ spectrum @ wave.conj() / N**2


def test_nothing_in_the_beam_gives_a_flat_field():
    image = optics.brightfield(np.zeros((N, N), np.float32), PITCH, 7.0, 0.3, 0.2)
    np.testing.assert_allclose(image, 1, atol=1e-6)


def test_uniform_slab_is_invisible():
    image = optics.brightfield(np.full((N, N), 0.4, np.float32), PITCH, 7.0, 0.3, 0.2)
    np.testing.assert_allclose(image, 1, atol=1e-5)


@pytest.mark.parametrize("defocus", [-6.0, 0.0, 4.0])
def test_weak_phase_contrast_is_the_sine_transfer_function(defocus):
    path = 2e-4 * np.exp(-R2 / 4) + 1e-4 * np.exp(-((LINE[:, None] - 3) ** 2 + LINE[None, :] ** 2) / 1.5)
    phase = 2 * np.pi * path / optics.WAVELENGTH
    expected = 2 * direct_transfer(phase, lambda f2: np.sin(np.pi * optics.WAVELENGTH * defocus * f2))
    got = optics.brightfield(path.astype(np.float32), PITCH, defocus, aperture=1.3, condenser=0.0) - 1
    np.testing.assert_allclose(got, expected.real, atol=2e-5)
    assert defocus == 0 or np.abs(expected).max() > 5e-4


def test_small_defocus_obeys_the_transport_of_intensity_equation():
    width, depth, defocus = 2.5, 0.02, 0.5
    path = depth * np.exp(-R2 / (2 * width**2))
    laplacian = path * (R2 / width**4 - 2 / width**2)
    # dI/dz = -(wavelength / 2 pi) laplacian(phase), and phase = 2 pi path / wavelength.
    got = optics.brightfield(path.astype(np.float32), PITCH, defocus, aperture=1.3, condenser=0.0) - 1
    np.testing.assert_allclose(got, -defocus * laplacian, atol=0.02 * defocus * np.abs(laplacian).max())


def test_gaussian_beam_spreads_as_the_textbook_says():
    waist, defocus = 1.2, 12.0
    got = np.abs(optics.propagate(np.exp(-R2 / waist**2).astype(np.complex64), PITCH, defocus, aperture=1.3)) ** 2
    wide2 = waist**2 * (1 + (optics.WAVELENGTH * defocus / (np.pi * waist**2)) ** 2)
    np.testing.assert_allclose(got, waist**2 / wide2 * np.exp(-2 * R2 / wide2), atol=2e-5)


def test_propagation_conserves_energy_and_reverses():
    rng = np.random.default_rng(0)
    field = np.exp(1j * rng.standard_normal((N, N))).astype(np.complex64)
    away = optics.propagate(field, PITCH, 9.0, aperture=2.0)
    assert np.square(np.abs(away)).sum() == pytest.approx(N * N, rel=1e-5)
    np.testing.assert_allclose(optics.propagate(away, PITCH, -9.0, aperture=2.0), field, atol=1e-4)
    assert np.square(np.abs(optics.propagate(field, PITCH, 9.0, aperture=0.3))).sum() < 0.5 * N * N


def test_pupil_passes_the_cutoff_and_is_soft_by_the_condenser():
    plane = optics.pupil(N, PITCH, cutoff=0.6, softness=0.2)
    f = np.sqrt(np.add.outer(np.fft.fftfreq(N, PITCH) ** 2, np.fft.fftfreq(N, PITCH) ** 2))
    assert (plane[f < 0.4] == 1).all() and (plane[f > 0.8] == 0).all()
    np.testing.assert_allclose(plane[np.abs(f - 0.6) < 0.02], 0.5, atol=0.16)


def test_blur_of_a_point_is_the_gaussian():
    point = np.zeros((N, N), np.float32)
    point[N // 2, N // 2] = 1
    sigma = 0.9
    expected = PITCH**2 / (2 * np.pi * sigma**2) * np.exp(-R2 / (2 * sigma**2))
    np.testing.assert_allclose(optics.blur(point, PITCH, sigma), expected, atol=1e-6)


def test_fluorescence_sigma_in_focus_and_far_out():
    assert optics.fluorescence_sigma(0.0, 0.3) == pytest.approx(0.21 * 0.46 / 0.3)
    assert optics.fluorescence_sigma(100.0, 0.3) == pytest.approx(15.0, rel=1e-3)


@pytest.mark.parametrize("oversampling", [1, 2, 3])
def test_pixels_are_means_without_the_margin(oversampling):
    fine = np.random.default_rng(0).random((10 * oversampling, 10 * oversampling), dtype=np.float32)
    expected = fine.reshape(10, oversampling, 10, oversampling).mean(axis=(1, 3))[2:8, 2:8]
    np.testing.assert_allclose(optics.to_pixels(fine, oversampling, margin=2), expected, rtol=1e-6)


def test_noise_variance_is_read_noise_plus_the_mean_over_the_gain():
    camera, rng = optics.Camera(gain=4.0, read_noise=8.0, black=100.0), np.random.default_rng(0)
    means = np.array([0, 400, 1600, 3200], np.float32)
    counts = camera.expose(np.repeat(means, 40_000), rng).reshape(4, -1).astype(float)
    np.testing.assert_allclose(counts.mean(axis=1), 100 + means, atol=0.5)
    # The last term is what rounding to whole counts adds.
    np.testing.assert_allclose(counts.var(axis=1), means / 4 + (8 / 4) ** 2 + 1 / 12, rtol=0.04)


def test_shot_noise_follows_poisson_quantiles():
    from scipy.stats import poisson

    camera = optics.Camera(gain=1.0, read_noise=0.0, black=0.0)
    counts = camera.expose(np.full(200_000, 400, np.float32), np.random.default_rng(0))
    share = [0.01, 0.1, 0.5, 0.9, 0.99]
    np.testing.assert_allclose(np.quantile(counts, share), poisson(400).ppf(share), rtol=0.01)


def test_camera_saturates_at_12_bits():
    counts = optics.Camera(gain=2.0, read_noise=5.0, black=50.0).expose(
        np.full(100, 1e5, np.float32), np.random.default_rng(0)
    )
    assert counts.dtype == np.uint16 and (counts == 4095).all()
