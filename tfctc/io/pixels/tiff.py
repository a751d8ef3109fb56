"""One grey plane of a TIFF file: its samples, turned into counts by what its tags say about colour, sign and sides."""

import numpy as np

from tfctc.errors import ImageError
from tfctc.io.pixels.blocks import read_samples
from tfctc.io.pixels.colour import IN_FIJI, check_opaque, grey_of_colours, grey_of_table
from tfctc.io.pixels.counts import counts_of
from tfctc.io.pixels.layout import Layout, layout_of
from tfctc.io.pixels.plane import AGAIN, ALPHA_LEFT_OUT, EXPORT_RAW, INVERTED, Plane, oriented
from tfctc.io.pixels.source import Source
from tfctc.io.pixels.stack import (
    BLACK_IS_ZERO,
    PHOTOMETRIC,
    SPLIT,
    WHITE_IS_ZERO,
    Stack,
    TiffPlane,
    alpha_of,
    read_stack,
)
from tfctc.io.pixels.tags import Directory

RGB, PALETTE = 2, 3
ORIENTATION, COLOUR_TABLE = 274, 320
#: Values of PhotometricInterpretation that are not read -> what the image is.
OTHERS = {4: "a transparency mask", 5: "a CMYK image", 6: "a YCbCr colour image", 8: "a CIELab colour image"}
OTHERS |= {9: "an ICCLab colour image", 10: "an ITULab colour image", 32803: "a raw image of a colour camera (CFA)"}
OTHERS |= {34892: "a raw image (LinearRaw)", 32844: "a LogL image", 32845: "a LogLuv image", 51177: "a depth map"}


def read_tiff(source: Source, plane: int | None) -> Plane:
    """Reads one plane of a TIFF file.

    Args:
        source: the file.
        plane: number of the plane, from 0; None for the only one.

    Raises:
        ImageError: no such plane, several without a number, and all that makes the counts wrong or unsure.
        EOFError: tags that are not in the file.
    """
    stack = read_stack(source)
    stack.check_channels()
    if plane is None and len(stack.planes) > 1:
        names = ", ".join(filter(None, stack.names()))
        problem = f"holds {len(stack.planes)} planes{f' ({names})' if names and len(names) < 200 else ''}, one expected"
        raise ImageError(problem, fix=f"name them, for example --channel 0=brightfield --channel 1=dapi, or {SPLIT}")
    if plane is not None and not 0 <= plane < len(stack.planes):
        problem = f"has no plane {plane}: it holds {len(stack.planes)}, counted from 0"
        raise ImageError(problem, fix="give the number of a plane that it holds")
    return _read(source, stack.planes[plane or 0], stack)


def _read(source: Source, place: TiffPlane, stack: Stack) -> Plane:
    directory = place.directory
    photometric = directory.number(PHOTOMETRIC, -1)
    if photometric == -1:
        problem = "does not say that zero is black (TIFF tag PhotometricInterpretation)"
        raise ImageError(problem, fix="save it as BlackIsZero")
    if photometric not in (WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE):
        kind = OTHERS.get(photometric, f"an image of the unknown photometric interpretation {photometric}")
        raise ImageError(f"is {kind}, one grey channel expected", fix=EXPORT_RAW)
    layout = layout_of(directory)
    if stack.images > 1:
        _check_all_there(source, layout, stack.images)
        layout = layout.moved(place.image)
    alpha = alpha_of(directory)
    if photometric == RGB:
        if layout.samples != (3 if alpha is None else 4) or layout.kind != "u" or layout.bits > 16:
            problem = f"is declared a colour image, but has {layout.samples} samples of {layout.bits} bits a pixel"
            raise ImageError(problem, fix=IN_FIJI)
        samples = read_samples(source, layout, (0, 1, 2) if alpha is None else (0, 1, 2, alpha))
    else:
        samples = read_samples(source, layout, (place.sample,) if alpha is None else (place.sample, alpha))
    notes: tuple[str, ...] = ()
    if alpha is not None:
        check_opaque(samples[-1], layout.bits)
        notes, samples = (ALPHA_LEFT_OUT,), samples[:-1]
    signed = bool(stack.imagej and stack.imagej.signed)
    pixels, more = _grey(samples, directory, photometric, layout, stack)
    pixels, converted = counts_of(pixels, signed)
    pixels, turned = oriented(pixels, directory.number(ORIENTATION, 1))
    bits = layout.bits if layout.kind == "u" and layout.bits <= 16 else 8 if layout.bits == 8 else 16
    return Plane(pixels, bits, stack.mpp, (*notes, *more, *converted, *turned))


def _grey(
    samples: np.ndarray, directory: Directory, photometric: int, layout: Layout, stack: Stack
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The plane ``(H, W)`` that the samples ``(samples, H, W)`` show, and the notes about it."""
    if photometric == RGB:
        return grey_of_colours(samples)
    if photometric == PALETTE:
        table = np.array(directory.numbers(COLOUR_TABLE, ()), np.uint16)
        if layout.kind != "u" or layout.bits not in (8, 16) or len(table) != 3 * 2**layout.bits:
            raise ImageError("is damaged: its colour table does not fit its pixels", fix=AGAIN)
        return grey_of_table(samples[0], table.reshape(3, -1).T, stack.imagej is not None)
    if photometric == WHITE_IS_ZERO:
        if layout.kind != "u" or layout.bits > 16:
            raise ImageError("has 0 for white, and not unsigned pixels of 8 to 16 bits", fix=EXPORT_RAW)
        return (2**layout.bits - 1) - samples[0], (INVERTED,)
    return samples[0], ()


def _check_all_there(source: Source, layout: Layout, images: int) -> None:
    """Checks that as many images as the description says lie one behind the other in the file."""
    last = layout.moved(images - 1)
    if any(start + count > source.size for start, count in zip(last.offsets, last.counts, strict=True)):
        problem = f"says that it holds {images} images (ImageJ), but ends before the last one"
        raise ImageError(problem, fix=f"{AGAIN}, or {SPLIT}")
