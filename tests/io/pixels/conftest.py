"""TIFF files that are written byte by byte, for what no library writes."""

import struct

import numpy as np
import pytest

TYPES = {"H": 3, "I": 4, "s": 2, "Q": 16}


def raw_tiff(pixels=b"", order="<", big=False, gap=0, **tags):
    """A TIFF of one strip, or several if t273 and t279 are given; its pixels begin at byte 16.

    Args:
        pixels: array ``(H, W)`` or ``(H, W, samples)``, or bytes.
        order: byte order.
        big: whether it is a BigTIFF.
        gap: bytes between the pixels and the directory.
        tags: t and the number of a tag -> its number, numbers, text, or pair of type and numbers; None leaves it out.
    """
    values = {258: 8, 259: 1, 262: 1, 277: 1, 273: 16}
    if isinstance(pixels, np.ndarray):
        height, width = pixels.shape[:2]
        samples = pixels.shape[2] if pixels.ndim > 2 else 1
        values |= {256: width, 257: height, 278: height, 277: samples, 258: (8 * pixels.itemsize,) * samples}
        pixels = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    values[279] = len(pixels)
    values |= {int(name[1:]): value for name, value in tags.items()}
    width, pointer = (8, "Q") if big else (4, "I")
    lead = 8 if big else 2
    body = bytearray(pixels + bytes(gap))
    entries = []
    for tag, value in sorted((tag, value) for tag, value in values.items() if value is not None):
        if isinstance(value, str):
            kind, content, count = 2, value.encode() + b"\0", len(value.encode()) + 1
        else:
            letter, numbers = (
                value if isinstance(value, tuple) and value and isinstance(value[0], str) else ("I", value)
            )
            numbers = (numbers,) if isinstance(numbers, int) else tuple(numbers)
            kind, content = (5, struct.pack(f"{order}{len(numbers)}I", *numbers)) if letter == "r" else (
                TYPES[letter], struct.pack(f"{order}{len(numbers)}{letter}", *numbers))  # fmt: skip
            count = len(numbers) // 2 if letter == "r" else len(numbers)
        if len(content) > width:
            place = 16 + len(body)
            body += content
            content = struct.pack(order + pointer, place)
        entries.append(struct.pack(order + "HH" + pointer, tag, kind, count) + content.ljust(width, b"\0"))
    mark = {"<": b"II", ">": b"MM"}[order]
    start = 16 + len(body)
    head = mark + (struct.pack(order + "HHHQ", 43, 8, 0, start) if big else struct.pack(order + "HI", 42, start))
    directory = struct.pack(order + ("Q" if lead == 8 else "H"), len(entries)) + b"".join(entries) + bytes(width)
    return head.ljust(16, b"\0") + bytes(body) + directory


@pytest.fixture
def counts():
    """Counts of 12 bits ``(13, 11)``, uint16."""
    return np.random.default_rng(0).integers(0, 4096, (13, 11), np.uint16)


@pytest.fixture
def write(tmp_path):
    """Writer of bytes to a file; returns its path."""

    def written(content, name="a.tif"):
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return written


@pytest.fixture
def raw():
    return raw_tiff
