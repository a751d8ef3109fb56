"""Channel images: pixels of a file, checked and fitted to the facts of a data set."""

from pathlib import Path

import numpy as np
from PIL import Image

from tfctc.cells import BRIGHTFIELD, DatasetFacts
from tfctc.errors import ConfigError, ImageError
from tfctc.io.pixels import read_plane

#: Largest factor between two scales, one of which is rescaled to the other.
MOST_FACTOR = 20


def read_channel(
    path: str | Path, facts: DatasetFacts, channel: str = BRIGHTFIELD, plane: int | None = None
) -> np.ndarray:
    """Reads the image of one channel, and checks and fits it to the facts of its data set.

    Args:
        path: the image file.
        facts: facts of the data set.
        channel: one of the `CHANNELS`.
        plane: number of the plane in a file that holds several; None for a file with one.

    Returns:
        ``(H, W, 1)``, values 0 to the full scale of the channel.

    Raises:
        ImageError: as `tfctc.io.pixels.read_plane` and `fit_to_facts`.
    """
    return fit_to_facts(read_plane(path, plane).pixels, facts, path, channel)


def fit_to_facts(
    pixels: np.ndarray, facts: DatasetFacts, path: str | Path = "image", channel: str = BRIGHTFIELD
) -> np.ndarray:
    """Checks pixels against the facts of their data set; binned pixels are repeated, other sizes cropped or padded.

    Args:
        pixels: ``(H, W)`` or ``(H, W, 1)``, unsigned integers.
        facts: facts of the data set.
        path: file of the pixels, for messages.
        channel: one of the `CHANNELS`.

    Returns:
        ``(H, W, 1)`` of `facts.image_size`, the same type.

    Raises:
        ImageError: the pixels have another type than the facts say, a value above the full scale of the channel, or
            another size where the facts allow none.
    """
    stored = facts.channel(channel)
    if pixels.dtype != stored.dtype:
        raise ImageError(
            f"has {pixels.dtype} pixels, {stored.dtype} expected ({channel}: bit depth {stored.bit_depth})",
            path=path,
            fix=f"export it again as {stored.dtype}, like all {channel} images of its data set",
        )
    if pixels.shape[2:] not in ((), (1,)) or pixels.ndim < 2:
        raise ImageError(f"has the shape {pixels.shape}, (height, width) expected", path=path)
    pixels = pixels.reshape(pixels.shape[:2])
    pixels = unbinned(pixels, stored.binning)
    height, width = facts.image_size
    if not pixels.size or (pixels.shape != (height, width) and not facts.crop_or_pad):
        raise ImageError(
            f"is {' x '.join(map(str, pixels.shape))} px, {height} x {width} expected",
            path=path,
            fix="save it in this size, like all images of its data set",
        )
    if pixels.max() > stored.full_scale:
        raise ImageError(
            f"has a pixel of {pixels.max()}, above {stored.full_scale} ({channel}: bit depth {stored.bit_depth})",
            path=path,
            fix=f"give images of {stored.bit_depth} bits, or import all again with --bit-depth "
            f"{int(pixels.max()).bit_length()} or more",
        )
    return crop_or_pad(pixels, (height, width))[:, :, np.newaxis]


def unbinned(pixels: np.ndarray, binning: int) -> np.ndarray:
    """Every pixel of ``(H, W)`` repeated to a square of `binning` x `binning`, so that it covers the same field."""
    return pixels if binning == 1 else pixels.repeat(binning, axis=0).repeat(binning, axis=1)


def crop_or_pad(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The middle of an image in another size, never resized: larger sides are cropped, smaller ones padded.

    The padding is the border level: the lower median of the outermost pixels of the whole image. An odd number of
    rows or columns loses or gains the greater part at its end. The SavedModel and tools/examples/predict.c do the same.

    Args:
        pixels: ``(H, W)``, one pixel or more.
        size: height and width of the result.
    """
    if pixels.shape == tuple(size):
        return pixels
    ring = np.ones(pixels.shape, bool)
    ring[1:-1, 1:-1] = False
    border = np.sort(pixels[ring])
    result = np.full(size, border[(len(border) - 1) // 2], pixels.dtype)
    source, target = [], []
    for have, want in zip(pixels.shape, size, strict=True):
        cut, gap = max(have - want, 0) // 2, max(want - have, 0) // 2
        source.append(slice(cut, cut + min(have, want)))
        target.append(slice(gap, gap + min(have, want)))
    result[tuple(target)] = pixels[tuple(source)]
    return result


def to_unit(pixels: np.ndarray, facts: DatasetFacts, channel: str = BRIGHTFIELD) -> np.ndarray:
    """Pixels as float32 in [0, 1], of the same shape: stored integers divided by the full scale of the channel."""
    return pixels.astype(np.float32) / np.float32(facts.channel(channel).full_scale)


def rescaled(pixels: np.ndarray, mpp: float, target: float) -> np.ndarray:
    """Pixels at another scale, by Pillow's bilinear filter, which averages when it reduces.

    Args:
        pixels: unsigned integers ``(H, W)``.
        mpp: micrometres per pixel now.
        target: micrometres per pixel of the result.

    Returns:
        The same type; each side is `mpp` / `target` times as long, rounded, 1 px at least.

    Raises:
        ConfigError: scales that differ by more than `MOST_FACTOR`.
    """
    if not 1 / MOST_FACTOR <= mpp / target <= MOST_FACTOR:
        problem = f"{mpp:g} and {target:g} um a pixel differ by more than a factor of {MOST_FACTOR}"
        raise ConfigError(problem, fix="give both in micrometres per pixel")
    height, width = (max(1, round(side * mpp / target)) for side in pixels.shape[:2])
    image = Image.fromarray(pixels.reshape(pixels.shape[:2]).astype(np.float32))
    scaled = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    return np.rint(scaled).astype(pixels.dtype)
