"""Counts as uint8 or uint16 from samples of any type, if no count is changed by it."""

import numpy as np

from tfctc.errors import ImageError
from tfctc.io.pixels.plane import EXPORT_RAW, WHOLE_FLOATS, WHOLE_SIGNED, WHOLE_WIDE

#: Count above which pixels are refused.
MOST = 2**16 - 1
#: Without the first step ImageJ would stretch each image to its own range.
IN_IMAGEJ = (
    'in ImageJ untick "Scale when converting" in Edit > Options > Conversions, then Image > Type > 16-bit, and save'
)
BEFORE_SUBTRACTION = "save the counts as they were before a background was subtracted"
#: What ImageJ adds to signed numbers of 16 bits, which it stores as unsigned ones.
IMAGEJ_ZERO = 2**15


def counts_of(samples: np.ndarray, signed_in_imagej: bool = False) -> tuple[np.ndarray, tuple[str, ...]]:
    """The counts of a grey plane, and the notes about their conversion.

    Args:
        samples: ``(H, W)`` of any type of whole numbers or floats.
        signed_in_imagej: whether the samples are uint16 in which 0 is stored as `IMAGEJ_ZERO`.

    Returns:
        uint8 for samples of 8 bits, else uint16.

    Raises:
        ImageError: a count that is negative, above `MOST`, not a whole number, NaN or infinite.
    """
    if signed_in_imagej and samples.dtype == np.uint16:
        samples = samples.astype(np.int32) - IMAGEJ_ZERO
        _check_range(samples, "16 bit signed")
        return samples.astype(np.uint16), (WHOLE_SIGNED,)
    kind, size = samples.dtype.kind, samples.dtype.itemsize
    if kind == "u" and size <= 2:
        return samples, ()
    if kind == "f":
        _check_floats(samples)
        return samples.astype(np.uint16), (WHOLE_FLOATS,)
    _check_range(samples, f"{8 * size} bit {'signed' if kind == 'i' else 'unsigned'}")
    target = np.uint8 if size == 1 else np.uint16
    return samples.astype(target), (WHOLE_WIDE if size > 2 else WHOLE_SIGNED,)


def _check_floats(samples: np.ndarray) -> None:
    name = samples.dtype.name
    if not np.isfinite(samples).all():
        raise ImageError("holds NaN or infinite pixels", fix="export the raw counts again")
    whole = np.rint(samples) == samples
    if not whole.all():
        first = samples.flat[np.argmin(whole)]
        problem = f"has pixels of {name} with fractions, e.g. {_short(float(first))}, whole numbers expected"
        # Rounded, all pixels of an image scaled to 0 to 1 would be 0 or 1.
        scaled = samples.max() <= 1
        raise ImageError(problem, fix=f"{EXPORT_RAW}: it was scaled to 0 to 1" if scaled else IN_IMAGEJ)
    _check_range(samples, name)


def _check_range(samples: np.ndarray, name: str) -> None:
    # As Python's numbers: NumPy would compare `MOST` as a float16, in which it is infinite.
    least, most = samples.min().item(), samples.max().item()
    if least < 0:
        problem = f"has negative counts, e.g. {_short(least)} ({name}), 0 to {MOST} expected"
        raise ImageError(problem, fix=BEFORE_SUBTRACTION)
    if most > MOST:
        problem = f"has counts above {MOST}, e.g. {_short(most)} ({name})"
        raise ImageError(problem, fix="save the counts of single exposures, not their sum, with 16 bits")


def _short(value: float) -> str:
    """A count as in a message: 12.37, -3, 70000."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if abs(value) >= 0.005 else f"{value:.2g}"
