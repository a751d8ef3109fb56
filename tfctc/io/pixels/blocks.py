"""Samples of a TIFF image, put together from its strips or tiles. A damaged one is an error, never zeros."""

from collections.abc import Sequence

import numpy as np

from tfctc.errors import ImageError
from tfctc.io.pixels.compression import NONE, decompressed
from tfctc.io.pixels.layout import Layout
from tfctc.io.pixels.lzw import Damaged
from tfctc.io.pixels.plane import AGAIN, check_size
from tfctc.io.pixels.source import Source

#: Number of samples that are unpacked at once.
CHUNK = 2**20


def read_samples(source: Source, layout: Layout, wanted: Sequence[int]) -> np.ndarray:
    """Some samples of each pixel, of the type they are stored in.

    Args:
        source: the file.
        layout: layout of the image.
        wanted: numbers of the samples, from 0.

    Returns:
        ``(samples, H, W)`` in native byte order. Packed samples of 9 to 15 bits are uint16.

    Raises:
        ImageError: a strip or tile that is missing or damaged.
    """
    shape = (len(wanted), layout.height, layout.width)
    check_size(layout.width, layout.height, len(wanted) * max(1, layout.bits / 8))
    result = np.empty(shape, f"{layout.kind}{2 if 8 < layout.bits < 16 else layout.bits // 8}")
    blocks = layout.across * layout.down
    for block in range(blocks):
        top, left = block // layout.across * layout.block_height, block % layout.across * layout.block_width
        place = np.s_[top : top + layout.block_height, left : left + layout.block_width]
        if layout.planar:
            for target, sample in zip(result, wanted, strict=True):
                part = target[place]
                part[:] = _block(source, layout, sample * blocks + block, top, left)[
                    : part.shape[0], : part.shape[1], 0
                ]
        else:
            part = result[:, place[0], place[1]]
            decoded = _block(source, layout, block, top, left)[: part.shape[1], : part.shape[2]]
            for target, sample in zip(part, wanted, strict=True):
                target[:] = decoded[:, :, sample]
    return result


def _block(source: Source, layout: Layout, number: int, top: int, left: int) -> np.ndarray:
    """Samples ``(rows, columns, samples)`` of one strip or tile, whose first pixel is at `top` and `left`."""
    row_bytes = layout.row_bytes(layout.block_width)
    rows = layout.block_height if layout.tiled else min(layout.block_height, layout.height - top)
    # Some programs fill the last strip up, as tiles are.
    full, size, stored = layout.block_height * row_bytes, rows * row_bytes, layout.counts[number]
    try:
        # No compression makes twice as much, so more is not read.
        if not stored or layout.offsets[number] < 8 or stored > 2 * full + 4096:
            raise Damaged
        data = decompressed(source.read(layout.offsets[number], stored), layout.compression, full)
        if len(data) not in (size, full):
            raise Damaged
    except (Damaged, EOFError) as error:
        missing = isinstance(error, EOFError) or not stored or (layout.compression == NONE and stored < size)
        where = f"rows {top + 1} to {min(top + layout.block_height, layout.height)}"
        if layout.across > 1:
            where += f", columns {left + 1} to {min(left + layout.block_width, layout.width)},"
        raise ImageError(f"is damaged: {where} are {'missing' if missing else 'unreadable'}", fix=AGAIN) from None
    return _numbers(np.frombuffer(data, np.uint8, size).reshape(rows, row_bytes), layout)


def _numbers(content: np.ndarray, layout: Layout) -> np.ndarray:
    """Samples ``(rows, columns, samples)`` from the bytes ``(rows, bytes)`` of a strip or tile."""
    rows, columns, samples, item = len(content), layout.block_width, layout.together, layout.bits // 8
    if 8 < layout.bits < 16:
        return _unpacked(content, layout.bits, columns * samples).reshape(rows, columns, samples)
    if layout.predictor == 3:
        differences = content.reshape(rows, columns * item, samples)
        added = np.cumsum(differences, axis=1, dtype=np.uint8).reshape(rows, item, columns * samples)
        # All highest bytes of a row come first, then the next ones, in either byte order.
        numbers = np.ascontiguousarray(added.transpose(0, 2, 1)).view(f">f{item}")
        return numbers.reshape(rows, columns, samples)
    stored = content.view(f"{layout.order}{'u' if layout.predictor == 2 else layout.kind}{item}")
    numbers = stored.reshape(rows, columns, samples)
    if layout.predictor == 2:
        added = np.cumsum(numbers, axis=1, dtype=f"u{item}")
        numbers = added.view(f"{layout.kind}{item}")
    return numbers


def _unpacked(content: np.ndarray, bits: int, count: int) -> np.ndarray:
    """`count` numbers a row, uint16, of 9 to 15 bits each, the highest bit first in either byte order of the file."""
    rows = len(content)
    if count > CHUNK:
        raise ImageError("is too large for the image of one cell", fix="crop each cell to a file")
    starts = np.arange(count, dtype=np.int64) * bits
    place, shift = starts >> 3, (24 - bits - (starts & 7)).astype(np.uint32)
    padded = np.pad(content, ((0, 0), (0, 2)))
    result = np.empty((rows, count), np.uint16)
    step = max(1, CHUNK // count)
    for top in range(0, rows, step):
        part = padded[top : top + step].astype(np.uint32)
        window = part[:, place] << 16 | part[:, place + 1] << 8 | part[:, place + 2]
        result[top : top + step] = window >> shift & ((1 << bits) - 1)
    return result
