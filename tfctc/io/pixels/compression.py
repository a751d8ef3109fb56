"""Decompression of one strip or tile of a TIFF file. Damage is an error wherever the bytes can show it."""

import zlib
from collections.abc import Callable

from tfctc.errors import ImageError
from tfctc.io.pixels.lzw import Damaged, lzw_decoded
from tfctc.io.pixels.plane import EXPORT_RAW, FIJI_TIFF, FROM_IDEAS

NONE, PACKBITS = 1, 32773
#: Compressions that may go with a predictor.
PREDICTED = (5, 8, 32946, 50013, 34925, 50000, 34926)
ZSTD = (50000, 34926)

#: Compressions that are not read -> what the file is. Lossy ones have changed the counts.
BLACK_AND_WHITE = dict.fromkeys((2, 3, 4, 32771), "a black and white (fax) TIFF")
LOSSY = dict.fromkeys((6, 7, 34892, 33007), "a JPEG-compressed TIFF, whose counts are changed")
UNSURE = dict.fromkeys((33003, 33004, 33005, 34712), "a JPEG 2000 TIFF")
UNSURE |= dict.fromkeys((34927, 50001), "a WebP-compressed TIFF")
UNSURE |= dict.fromkeys((22610, 34934), "a JPEG XR TIFF")
UNSURE |= dict.fromkeys((50002, 52546), "a JPEG XL TIFF")
UNSURE |= {34887: "a LERC-compressed TIFF"}
IDEAS = dict.fromkeys((30817, 30818), "an IDEAS file (.cif, .rif)")


def check_compression(compression: int) -> None:
    """Checks that a compression is one that `decompressed` reads.

    Raises:
        ImageError: it is not; the message names it.
    """
    if compression in DECODERS:
        return
    if compression in ZSTD:
        _zstd_decoder()
    elif compression in LOSSY:
        raise ImageError(f"is {LOSSY[compression]}", fix=EXPORT_RAW)
    elif compression in UNSURE:
        problem = f"is {UNSURE[compression]} (lossy or not cannot be told), which is not read"
        raise ImageError(problem, fix=EXPORT_RAW)
    elif compression in BLACK_AND_WHITE:
        raise ImageError(f"is {BLACK_AND_WHITE[compression]}, grey of 8 or 16 bits expected", fix=EXPORT_RAW)
    elif compression in IDEAS:
        raise ImageError(f"is {IDEAS[compression]}, which is not read", fix=FROM_IDEAS)
    else:
        raise ImageError(f"is a TIFF of compression {compression}, which is not read", fix=FIJI_TIFF)


def decompressed(data: memoryview, compression: int, size: int) -> bytes | memoryview:
    """The bytes of one strip or tile.

    Args:
        data: bytes in the file.
        compression: value of the TIFF tag Compression, one that `check_compression` has passed.
        size: number of bytes expected. Where there are more, some more may be returned, but not all.

    Raises:
        Damaged: bytes that are not what the compression makes, or a wrong check sum.
    """
    if compression in ZSTD:
        return _zstd(data, size)
    return DECODERS[compression](data, size)


def _plain(data: memoryview, size: int) -> memoryview:
    return data


def _inflated(data: memoryview, size: int) -> bytes:
    decoder = zlib.decompressobj()
    try:
        content = decoder.decompress(data, size + 1)
    except zlib.error:
        raise Damaged from None
    if not decoder.eof:  # Only at its end zlib has compared the check sum.
        raise Damaged
    return content


def _xz(data: memoryview, size: int) -> bytes:
    import lzma  # Not in every build of Python.

    try:
        decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=2**27)
        content = decoder.decompress(data, size + 1)
        while not decoder.eof and not decoder.needs_input and len(content) <= size:
            content += decoder.decompress(b"", size + 1 - len(content))
    except (lzma.LZMAError, EOFError):
        raise Damaged from None
    if not decoder.eof:
        raise Damaged
    return content


def _zstd_decoder() -> Callable[..., bytes | bytearray]:
    try:
        import imagecodecs
    except ImportError:
        fix = f"pip install 'tfctc[formats]', or {FIJI_TIFF}"
        raise ImageError("is a Zstandard-compressed TIFF, which needs another library", fix=fix) from None
    return imagecodecs.zstd_decode


def _zstd(data: memoryview, size: int) -> bytes:
    try:
        return bytes(_zstd_decoder()(bytes(data), out=size + 1))
    except (RuntimeError, ValueError):
        raise Damaged from None


def _unpacked(data: memoryview, size: int) -> bytes:
    """PackBits: a count below 128 and as many bytes and one, or above it and one byte that is repeated."""
    content, result, place, end = bytes(data), bytearray(), 0, len(data)
    while place < end and len(result) <= size:
        count = content[place]
        if count < 128:
            part = content[place + 1 : place + 2 + count]
            if len(part) <= count:
                raise Damaged
            result += part
            place += 2 + count
        elif count > 128:
            if place + 1 >= end:
                raise Damaged
            result += content[place + 1 : place + 2] * (257 - count)
            place += 2
        else:
            place += 1
    return bytes(result)


DECODERS: dict[int, Callable[[memoryview, int], bytes | memoryview]] = {
    NONE: _plain,
    5: lzw_decoded,
    8: _inflated,
    32946: _inflated,
    50013: _inflated,
    PACKBITS: _unpacked,
    34925: _xz,
}
