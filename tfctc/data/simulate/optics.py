"""Image formation: from the optical path of an object to the counts of a camera.

Lengths are in um, spatial frequencies in cycles per um.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.fft

#: Wavelength of the bright-field LED (green), um.
WAVELENGTH = 0.53
#: Wavelength of the emission maximum of DAPI bound to DNA, um.
DAPI_WAVELENGTH = 0.46


@lru_cache(maxsize=4)
def squared_frequency(n: int, pitch: float) -> tuple[np.ndarray, np.ndarray]:
    """Squared spatial frequency along the columns ``(n, 1)`` and the rows ``(1, n)`` of an n x n FFT, float32."""
    f2 = np.square(scipy.fft.fftfreq(n, pitch)).astype(np.float32)
    return f2[:, None], f2[None, :]


@lru_cache(maxsize=64)
def pupil(n: int, pitch: float, cutoff: float, softness: float) -> np.ndarray:
    """Amplitude passed at each frequency of an n x n FFT, ``(n, n)`` float32: 1 inside `cutoff`, 0 outside.

    A tilted ray of the illumination shifts the object's spectrum against the rim of the pupil by up to `softness`. The
    mean over a uniform diaphragm is approximated by a smoothstep from ``cutoff - softness`` to ``cutoff + softness``.
    """
    fy2, fx2 = squared_frequency(n, pitch)
    inwards = (cutoff - np.sqrt(fy2 + fx2)) / max(softness, 1e-6)
    t = np.clip((inwards + 1) / 2, 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def propagate(
    field: np.ndarray,
    pitch: float,
    defocus: float,
    aperture: float,
    condenser: float = 0.0,
    wavelength: float = WAVELENGTH,
) -> np.ndarray:
    """Light field in a plane `defocus` um away, behind a circular pupil.

    Fresnel diffraction in its transfer-function form (Goodman, Introduction to Fourier Optics, chapters 4 to 6): a
    plane wave of frequency f gains the phase ``-pi wavelength defocus f^2`` and passes where
    ``f <= aperture / wavelength``. Only the pupil takes energy away.

    Args:
        field: ``(N, N)`` complex64, periodic.
        pitch: distance of neighbouring samples.
        defocus: distance of the plane, positive away from the source.
        aperture: numerical aperture of the objective.
        condenser: numerical aperture of the illumination; softens the rim of the pupil.
    """
    fy2, _ = squared_frequency(len(field), pitch)
    turn = np.exp(np.complex64(-1j * np.pi * wavelength * defocus) * fy2)
    spectrum = scipy.fft.fft2(field)
    spectrum *= turn
    spectrum *= turn.T
    spectrum *= pupil(len(field), pitch, aperture / wavelength, condenser / wavelength)
    return scipy.fft.ifft2(spectrum, overwrite_x=True)


def blur(image: np.ndarray, pitch: float, sigma: float) -> np.ndarray:
    """Gaussian blur of standard deviation `sigma`; ``(N, N)`` float32, periodic."""
    fy2, fx2 = squared_frequency(len(image), pitch)
    fall = np.exp(np.float32(-2 * np.pi**2 * sigma**2) * fy2)
    spectrum = scipy.fft.rfft2(image)
    spectrum *= fall
    spectrum *= fall.T[:, : spectrum.shape[1]]
    return scipy.fft.irfft2(spectrum, s=image.shape, overwrite_x=True)


def brightfield(
    path: np.ndarray, pitch: float, defocus: float, aperture: float, condenser: float, wavelength: float = WAVELENGTH
) -> np.ndarray:
    """Relative intensity of a transparent object under Koehler illumination; 1 where there is no object.

    The object is thin and only delays light: its transmission is ``exp(i 2 pi path / wavelength)``. Every point of the
    condenser diaphragm gives the same coherent image, displaced by defocus times the angle of that point. So their sum
    is the coherent image blurred by the projected diaphragm (van Cittert-Zernike theorem; exact except at the rim of
    the pupil, see `pupil`). A disc of half-angle `condenser` has the standard deviation condenser / 2 along an axis.

    Args:
        path: ``(N, N)`` float32, optical path difference (index difference times thickness).
        condenser: numerical aperture of the illumination.

    Returns:
        ``(N, N)`` float32, 0 or more.
    """
    phase = np.float32(2 * np.pi / wavelength) * path
    field = np.empty(phase.shape, np.complex64)
    np.cos(phase, out=field.real)
    np.sin(phase, out=field.imag)
    intensity = np.abs(propagate(field, pitch, defocus, aperture, condenser, wavelength))
    intensity *= intensity
    return np.maximum(blur(intensity, pitch, abs(defocus) * condenser / 2), 0)


def fluorescence_sigma(defocus: float, aperture: float, wavelength: float = DAPI_WAVELENGTH) -> float:
    """Standard deviation of the wide-field point spread function.

    In focus 0.21 wavelength / NA (Zhang, Zerubia & Olivo-Marin 2007, Applied Optics 46:1819); out of focus the
    geometrical cone of half-angle NA adds |defocus| NA / 2, in quadrature.
    """
    return float(np.hypot(0.21 * wavelength / aperture, defocus * aperture / 2))


def to_pixels(image: np.ndarray, oversampling: int, margin: int) -> np.ndarray:
    """Averages fine samples over square pixels, and cuts `margin` pixels off each side.

    Args:
        image: ``(N, N)`` samples, N a multiple of `oversampling`.
        oversampling: samples of a pixel along an axis.
        margin: pixels to cut off.
    """
    edge = margin * oversampling
    image = image[edge : len(image) - edge, edge : len(image) - edge]
    # Sums of slices: five times as fast as the mean over a four-dimensional view.
    rows: Any = sum(image[i::oversampling] for i in range(oversampling))
    return sum(rows[:, i::oversampling] for i in range(oversampling)) * np.float32(oversampling**-2)


@dataclass(frozen=True)
class Camera:
    """A linear camera (EMVA 1288) with shot noise, read noise and a black level.

    Args:
        gain: electrons per count.
        read_noise: standard deviation of the read noise, electrons.
        black: mean counts without light.
        bit_depth: bits of a count.
    """

    gain: float
    read_noise: float
    black: float
    bit_depth: int = 12

    def expose(self, counts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Noisy counts, uint16, for the expected counts above the black level, float32.

        Shot noise is drawn from a Gaussian whose variance is the mean in electrons. Above some 50 electrons this is
        within 1 % of the quantiles of Poisson's distribution; below, read noise dominates.
        """
        deviation = np.sqrt(np.maximum(counts, 0) / self.gain + (self.read_noise / self.gain) ** 2)
        noise = rng.standard_normal(counts.shape, dtype=np.float32)
        noise *= deviation
        noise += counts + np.float32(self.black)
        return np.clip(np.rint(noise), 0, 2**self.bit_depth - 1).astype(np.uint16)
