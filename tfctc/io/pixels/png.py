"""One grey plane of a PNG file. Its chunks are checked here; Pillow decodes the pixels, but not colours of 16 bits."""

import io
import struct
import warnings
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tfctc.errors import ImageError
from tfctc.io.pixels.colour import check_opaque, grey_of_colours, grey_of_table
from tfctc.io.pixels.plane import AGAIN, ALPHA_LEFT_OUT, EXPORT_RAW, FIJI_TIFF, Plane, check_size, oriented
from tfctc.io.pixels.source import Source
from tfctc.io.pixels.tags import HEADERS, directories

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
#: Colour type -> samples of a pixel.
SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
#: First column, first row, and steps between columns and between rows of each pass of an interlaced image.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
ORIENTATION = 274
#: Bounds of a file: its chunks, and the bytes of one that holds no pixels. A colour profile has less than 10 MB.
MOST_CHUNKS, MOST_EXTRA = 2**15, 2**24


@dataclass(frozen=True)
class Header:
    """The header chunk of a PNG file, as it is there.

    Args:
        width: pixels of a row.
        height: number of rows.
        bits: bits of a sample.
        colour: type of colour, a key of `SAMPLES`.
        interlaced: whether the pixels come in the passes of Adam7.
    """

    width: int
    height: int
    bits: int
    colour: int
    interlaced: bool

    @property
    def pixel_bytes(self) -> int:
        """Bytes of a pixel."""
        return SAMPLES[self.colour] * self.bits // 8

    @property
    def size(self) -> int:
        """Number of bytes of the pixels before compression; each row has one more."""
        passes = PASSES if self.interlaced else ((0, 0, 1, 1),)
        sides = ((-(-(self.width - x) // across), -(-(self.height - y) // down)) for x, y, across, down in passes)
        return sum(rows * (1 + columns * self.pixel_bytes) for columns, rows in sides if columns > 0 and rows > 0)


def read_png(source: Source) -> Plane:
    """Reads the plane of a PNG file.

    Raises:
        ImageError: a damaged file, colours that differ, transparent pixels, fewer than 8 bits, several frames.
        EOFError: a chunk that is not in the file.
    """
    header, chunks = _chunks(source)
    if header.bits == 16 and header.colour != GREY:
        samples = _unfiltered(_inflated(chunks[b"IDAT"], header.size), header)
    else:
        _inflated(chunks[b"IDAT"], header.size)  # Pillow would not say that bytes are missing or too many.
        samples = _pillow(header, chunks)
    if samples.shape != (SAMPLES[header.colour], header.height, header.width):
        raise ImageError("is damaged: its pixels do not fit its header", fix=AGAIN)
    notes: tuple[str, ...] = ()
    if header.colour in (GREY_ALPHA, RGB_ALPHA):
        check_opaque(samples[-1], header.bits)
        samples, notes = samples[:-1], (ALPHA_LEFT_OUT,)
    if b"tRNS" in chunks:
        _check_key(samples, chunks[b"tRNS"], header.colour)
    pixels: np.ndarray = samples[0]
    more: tuple[str, ...] = ()
    if header.colour in (RGB, RGB_ALPHA):
        pixels, more = grey_of_colours(samples)
    elif header.colour == PALETTE:
        table = np.frombuffer(chunks.get(b"PLTE", b""), np.uint8)
        if not table.size or table.size % 3 or table.size > 768:
            raise ImageError("is damaged: it has no colour table", fix=AGAIN)
        pixels, more = grey_of_table(pixels, table.reshape(-1, 3), imagej=False)
    pixels, turned = oriented(np.ascontiguousarray(pixels), _orientation(chunks.get(b"eXIf", b"")))
    return Plane(pixels, header.bits, None, (*notes, *more, *turned))


def check_png(source: Source) -> None:
    """Checks the chunks of a PNG file, without decoding pixels. Raises as `read_png`."""
    _chunks(source)


def _chunks(source: Source) -> tuple[Header, dict[bytes, bytes]]:
    """The header, and the chunks that matter by their type: those of the pixels as one. Every check sum is checked."""
    header: Header | None = None
    chunks: dict[bytes, bytes] = {}
    pixels: list[memoryview] = []
    place, kind, count, stored = len(SIGNATURE), b"", 0, 0
    while kind != b"IEND":
        count, previous = count + 1, kind
        if count > MOST_CHUNKS:
            raise ImageError(f"has more than {MOST_CHUNKS} chunks", fix=FIJI_TIFF)
        size, kind = struct.unpack(">I4s", source.read(place, 8))
        if header is None and (kind != b"IHDR" or size != 13):
            raise ImageError("is damaged: a PNG without its header", fix=AGAIN)
        if size > MOST_EXTRA and kind != b"IDAT":
            raise ImageError(f"has a chunk of {size} bytes that is not of pixels", fix=FIJI_TIFF)
        stored += size if kind == b"IDAT" else 0
        if header and stored > 2 * header.size + 4096:
            raise ImageError("is damaged: it has far more bytes than its pixels", fix=AGAIN)
        content = source.read(place + 8, size)
        if zlib.crc32(content, zlib.crc32(kind)) != int.from_bytes(source.read(place + 8 + size, 4), "big"):
            raise ImageError("is damaged: a check sum is wrong", fix=AGAIN)
        place += 12 + size
        if header is None:
            header = _header(content)
        elif kind == b"IDAT":
            if pixels and previous != kind:
                raise ImageError("is damaged: its pixels are not in one piece", fix=AGAIN)
            pixels.append(content)
        elif kind in (b"PLTE", b"tRNS", b"eXIf") and kind not in chunks:
            chunks[kind] = bytes(content)
        elif kind == b"acTL" and int.from_bytes(content[:4], "big") > 1:
            frames = int.from_bytes(content[:4], "big")
            raise ImageError(f"holds {frames} frames (an animated PNG), one expected", fix="save each frame by itself")
        elif not kind[0] & 32 and kind != b"IEND":  # A lower case letter marks what a reader may leave out.
            raise ImageError("is a PNG with a chunk that is not of the standard", fix=FIJI_TIFF)
    if header is None or not pixels:
        raise ImageError("is damaged: a PNG without pixels", fix=AGAIN)
    chunks[b"IDAT"] = b"".join(pixels)
    return header, chunks


def _header(content: memoryview) -> Header:
    width, height, bits, colour, compression, filters, interlace = struct.unpack(">IIBBBBB", content)
    possible = {GREY: (1, 2, 4, 8, 16), PALETTE: (1, 2, 4, 8)}.get(colour, (8, 16))
    if colour not in SAMPLES or bits not in possible or compression or filters or interlace > 1:
        raise ImageError("is damaged: not the header of a PNG", fix=AGAIN)
    if bits < 8:
        problem = f"has {bits} bit{'s' * (bits > 1)} a pixel (a mask or labels), 8 or 16 expected"
        raise ImageError(problem, fix="export the raw counts, with 8 or 16 bits")
    check_size(width, height, SAMPLES[colour] * bits / 8)
    return Header(width, height, bits, colour, bool(interlace))


def _inflated(content: bytes, size: int) -> bytes:
    """The bytes of the pixels, exactly as many as the header wants; their check sum is right."""
    decoder = zlib.decompressobj()
    try:
        pixels = decoder.decompress(content, size + 1)
    except zlib.error:
        pixels = b""
    if len(pixels) != size or not decoder.eof:
        raise ImageError("is damaged: its pixels are not whole", fix=AGAIN)
    return pixels


def _pillow(header: Header, chunks: dict[bytes, bytes]) -> np.ndarray:
    """Samples ``(samples, H, W)`` that Pillow decodes from the chunks that matter: no other one can mislead it."""
    values = (header.width, header.height, header.bits, header.colour, 0, 0, header.interlaced)
    chunks = {b"IHDR": struct.pack(">IIBBBB?", *values), b"PLTE": chunks.get(b"PLTE", b""), b"IDAT": chunks[b"IDAT"]}
    chunks = {kind: content for kind, content in chunks.items() if content} | {b"IEND": b""}
    parts = [SIGNATURE]
    for kind, content in chunks.items():
        parts += [
            struct.pack(">I4s", len(content), kind),
            content,
            struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))),
        ]
    # A warning of Pillow, such as that an image is large, would be printed beside the one line of an error.
    with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(b"".join(parts)), formats=("PNG",)) as image:
        pixels = np.asarray(image)
    # Pillow before 11 has 32 bit pixels for PNGs of 16 bits.
    pixels = pixels.astype(np.uint8 if header.bits == 8 else np.uint16, copy=False)
    return pixels[np.newaxis] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _unfiltered(content: bytes, header: Header) -> np.ndarray:
    """Samples ``(samples, H, W)``, uint16, from the bytes of each row as the PNG standard filters them (section 9)."""
    if header.interlaced:
        raise ImageError("is an interlaced colour PNG of 16 bits, which is not read", fix=EXPORT_RAW)
    step, length = header.pixel_bytes, header.width * header.pixel_bytes
    above = bytearray(length)
    rows = bytearray()
    for start in range(0, len(content), 1 + length):
        kind, row = content[start], bytearray(content[start + 1 : start + 1 + length])
        if kind > 4:
            raise ImageError("is damaged: a row of pixels has an unknown filter", fix=AGAIN)
        if kind == 2:
            row = bytearray((np.frombuffer(row, np.uint8) + np.frombuffer(above, np.uint8)).tobytes())
        elif kind:
            for place in range(length):
                left, corner = (row[place - step], above[place - step]) if place >= step else (0, 0)
                guess = (
                    left
                    if kind == 1
                    else (left + above[place]) // 2
                    if kind == 3
                    else _paeth(left, above[place], corner)
                )
                row[place] = (row[place] + guess) & 255
        rows += row
        above = row
    shape = (header.height, header.width, SAMPLES[header.colour])
    return np.frombuffer(bytes(rows), ">u2").reshape(shape).transpose(2, 0, 1).astype(np.uint16)


def _paeth(left: int, above: int, corner: int) -> int:
    """The neighbour that is nearest to left + above - corner."""
    to_left, to_above, to_corner = abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)
    if to_left <= to_above and to_left <= to_corner:
        return left
    return above if to_above <= to_corner else corner


def _check_key(samples: np.ndarray, content: bytes, colour: int) -> None:
    """Checks that no pixel is transparent by the chunk tRNS: an alpha of each colour of a table, or one colour."""
    if colour == PALETTE:
        clear = any(value < 255 for value in content)
    else:
        key = np.frombuffer(content[: 2 * len(samples)], ">u2")
        if len(key) != len(samples):
            raise ImageError("is damaged: it has the transparency of another type of colour", fix=AGAIN)
        clear = bool((samples == key[:, np.newaxis, np.newaxis]).all(axis=0).any())
    if clear:
        raise ImageError("has transparent pixels", fix="save it without transparency")


def _orientation(content: bytes) -> int:
    """Orientation in the EXIF chunk, which is a small TIFF file without pixels; 1 without one, or if it is damaged."""
    if content[:4] not in HEADERS:
        return 1
    try:
        return next(directories(Source(io.BytesIO(content), len(content)))).number(ORIENTATION, 1)
    except (ImageError, EOFError):
        return 1
