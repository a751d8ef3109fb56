"""LZW decoder for one strip or tile of a TIFF file (TIFF 6.0, section 13), the codes' highest bit first."""

import numpy as np

from tfctc.errors import ImageError
from tfctc.io.pixels.plane import FIJI_TIFF

#: Codes that start a new table, and end the strip. The other codes from 258 stand for strings of the table.
CLEAR, END = 256, 257
#: Width in bits of each code after a table was started, and the bits before it. Codes become wider when the table of
#: the writer has 511, 1023 or 2047 entries; it is full at 4096, but some writers start a new one a little later. As in
#: libtiff, 1024 more codes may follow.
WIDTHS = np.repeat(np.array([9, 10, 11, 12], np.uint32), [254, 512, 1024, 2048 + 1024])
STARTS = np.cumsum(WIDTHS, dtype=np.int64) - WIDTHS
#: The table at its start: each byte, and no strings for the two codes above.
BYTES = [bytes([value]) for value in range(256)] + [b"", b""]


class Damaged(ValueError):
    """Bytes that are not what the compression makes."""


def lzw_decoded(data: memoryview, size: int) -> bytes:
    """The bytes that a strip or tile stands for.

    Args:
        data: bytes in the file. The code for the end may be missing, as some programs leave it out.
        size: number of bytes expected. Where there are more, some more may be returned, but not all.

    Raises:
        Damaged: a code that no table can hold at its place, or a new table at almost every byte.
        ImageError: codes in the order of programs of before 1990.
    """
    content = np.frombuffer(data, np.uint8)
    if len(content) > 1 and not content[0] and content[1] & 1:
        raise ImageError("is LZW-compressed in the way of before 1990, which is not read", fix=FIJI_TIFF)
    padded = np.append(content, np.zeros(3, np.uint8)).astype(np.uint32)
    start, end, length = 0, 8 * len(content), 0
    parts: list[bytes] = []
    # A writer starts a table when the last one is full. With one at every second code, a small file would take minutes.
    for _ in range(64 + size // 64):
        codes = _codes(padded, start, end)
        strings, stop = _strings(codes)
        parts += strings
        length += sum(map(len, strings))
        if length > size or stop == len(codes) or codes[stop] == END:
            return b"".join(parts)
        start += int(STARTS[stop] + WIDTHS[stop])
    raise Damaged


def _codes(padded: np.ndarray, start: int, end: int) -> list[int]:
    """Codes of one table from bit `start`: as many as fill the table, or as there are before bit `end`."""
    count = int(np.searchsorted(STARTS + WIDTHS, end - start, "right"))
    bits, widths = STARTS[:count] + start, WIDTHS[:count]
    place = bits >> 3
    window = padded[place] << 16 | padded[place + 1] << 8 | padded[place + 2]
    codes: list[int] = (window >> (24 - widths - (bits & 7).astype(np.uint32)) & ((1 << widths) - 1)).tolist()
    return codes


def _strings(codes: list[int]) -> tuple[list[bytes], int]:
    """Strings that the codes of one table stand for, and the place of the code that ends it, or after the last."""
    table, previous = BYTES.copy(), b""
    strings: list[bytes] = []
    for place, code in enumerate(codes):
        if code < len(table):
            string = table[code]
            if not string:
                return strings, place
            if previous:
                table.append(previous + string[:1])
        elif code == len(table) and previous:
            string = previous + previous[:1]
            table.append(string)
        else:
            raise Damaged
        strings.append(string)
        previous = string
    return strings, len(codes)
