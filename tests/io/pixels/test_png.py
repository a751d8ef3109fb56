"""PNG files: the same numbers as Pillow and imagecodecs write, or one clear refusal."""

import itertools
import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from tfctc.errors import ImageError
from tfctc.io.pixels import plane_count, plane_names, read_plane
from tfctc.io.pixels.plane import ALPHA_LEFT_OUT, GREY_AS_RGB, ONE_COLOUR, TURNED
from tfctc.io.pixels.png import PASSES


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width, height, bits, colour, rows, *extra, interlace=0):
    """A PNG of bytes that already have the filter of each row."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(extra) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def plain(pixels):
    """Rows without a filter."""
    big = pixels.astype(pixels.dtype.newbyteorder(">"))
    return b"".join(b"\0" + row.tobytes() for row in big)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("samples", [1, 2, 3, 4])
def test_every_colour_of_8_and_16_bits(write, dtype, samples):
    """A smooth image, so that the encoder uses all filters; its size is no multiple of anything."""
    rows, columns = np.mgrid[:37, :29]
    noise = np.random.default_rng(0).integers(0, 9, (37, 29))
    grey = ((rows * columns * 7 + rows**2 + noise) % (np.iinfo(dtype).max + 1)).astype(dtype)
    opaque = np.full_like(grey, np.iinfo(dtype).max)
    image = np.stack(([grey, opaque], [grey] * 3, [grey] * 3 + [opaque])[samples - 2], -1) if samples > 1 else grey
    for level in (0, 6, 9):
        path = write(bytes(imagecodecs.png_encode(image, level=level)), "a.png")
        read = read_plane(path)
        assert read.pixels.dtype == dtype and read.pixels.dtype.isnative and read.pixels.flags.c_contiguous
        assert (
            read.bits == 8 * grey.itemsize
            and read.mpp is None
            and plane_count(path) == 1
            and plane_names(path) == ("",)
        )
        assert read.notes == (ALPHA_LEFT_OUT,) * (samples in (2, 4)) + (GREY_AS_RGB,) * (samples > 2)
        np.testing.assert_array_equal(read.pixels, grey)


@pytest.mark.parametrize("kinds", [*itertools.product([1, 2, 3, 4], repeat=2)])
def test_filters_of_16_bit_colours(write, kinds):
    """Any bytes are a filtered image; that of Pillow is the oracle, which reads the same bytes as RGBA of 8 bits."""
    content = np.random.default_rng(0).integers(0, 256, (2, 5 * 4), np.uint8)
    rows = b"".join(bytes([kind]) + row.tobytes() for kind, row in zip(kinds, content, strict=True))
    with Image.open(write(png(5, 2, 8, 6, rows), "b.png")) as image:
        expected = np.asarray(image).reshape(2, 5, 4).copy().view(">u2")
    from tfctc.io.pixels.png import Header, _unfiltered

    np.testing.assert_array_equal(_unfiltered(rows, Header(5, 2, 16, 4, False)), expected.transpose(2, 0, 1))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_interlaced(write, dtype):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (13, 10), dtype)
    passes = [plain(pixels[y::down, x::across]) for x, y, across, down in PASSES if pixels[y::down, x::across].size]
    path = write(png(10, 13, 8 * pixels.itemsize, 0, b"".join(passes), interlace=1), "a.png")
    np.testing.assert_array_equal(read_plane(path).pixels, pixels)


def test_colours_that_differ_by_less_than_8_bits_show(write, counts):
    """Pillow reads 16 bit colours with 8 bits, where these are equal."""
    image = np.stack([counts, counts, counts ^ 1], -1)
    with pytest.raises(ImageError, match="a colour image whose red, green and blue differ"):
        read_plane(write(bytes(imagecodecs.png_encode(image)), "a.png"))
    blue = np.stack([0 * counts, 0 * counts, counts], -1)
    read = read_plane(write(bytes(imagecodecs.png_encode(blue)), "a.png"))
    np.testing.assert_array_equal(read.pixels, counts)
    assert read.notes == (ONE_COLOUR,)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_in_exif(tmp_path, counts, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(counts).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)
        expected = np.asarray(image if turn is None else Image.fromarray(counts).transpose(Image.Transpose(turn)))
    read = read_plane(tmp_path / "a.png")
    np.testing.assert_array_equal(read.pixels, expected)
    assert read.notes == (TURNED,) * (orientation > 1)


GREY = np.arange(12, dtype=np.uint8).reshape(3, 4)
ROWS = plain(GREY)


@pytest.mark.parametrize("extra", [
    chunk(b"gAMA", struct.pack(">I", 45455)), chunk(b"tRNS", b"\0\x63"), chunk(b"tEXt", b"a\0b") * 100,
    chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**7))), chunk(b"acTL", bytes(3) + b"\1" + bytes(4)),
    chunk(b"eXIf", b"II*\0\xff\xff\xff\0"),
])  # fmt: skip
def test_chunks_that_change_no_pixel(write, extra):
    np.testing.assert_array_equal(read_plane(write(png(4, 3, 8, 0, ROWS, extra) + b"behind", "a.png")).pixels, GREY)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (png(4, 3, 8, 0, ROWS[:-1]), "its pixels are not whole"),
        (png(4, 3, 8, 0, ROWS + b"\0"), "its pixels are not whole"),
        (png(4, 3, 8, 0, b"\5" + ROWS[1:]), "cannot be read|unknown filter|damaged"),
        (png(4, 3, 8, 0, ROWS, chunk(b"CgBI", b"")), "a chunk that is not of the standard"),
        (png(4, 3, 8, 0, ROWS, chunk(b"acTL", struct.pack(">II", 3, 0))), r"holds 3 frames \(an animated PNG\)"),
        (png(4, 3, 8, 0, ROWS, chunk(b"tRNS", b"\0\5")), "has transparent pixels"),
        (png(4, 3, 8, 0, ROWS, chunk(b"tEXt", b"") * 40000), "has more than 32768 chunks"),
        (png(4, 3, 8, 0, ROWS)[:-12], "ends too early: a part is missing"),
        (png(4, 3, 8, 0, ROWS, chunk(b"IDAT", b""), chunk(b"tEXt", b"")), "its pixels are not in one piece"),
        (png(16, 3, 4, 0, bytes(27)), r"has 4 bits a pixel \(a mask or labels\)"),
        (png(16, 3, 1, 3, bytes(9)), "has 1 bit a pixel"),
        (png(4, 3, 8, 3, ROWS), "it has no colour table"),
        (png(4, 3, 8, 3, ROWS, chunk(b"PLTE", bytes(range(9)))), "its pixels are not all in its colour table"),
        (png(4, 3, 8, 3, ROWS, chunk(b"PLTE", bytes(768)), chunk(b"tRNS", b"\0")), "has transparent pixels"),
        (png(4, 3, 8, 1, ROWS), "not the header of a PNG"),
        (png(8192, 8193, 8, 0, ROWS), "is too large for the image of one cell"),
        (png(1, 1, 16, 2, bytes(7), interlace=1), "is an interlaced colour PNG of 16 bits"),
        (png(1, 1, 16, 2, b"\5" + bytes(6)), "a row of pixels has an unknown filter"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_for_sure_is_refused(write, content, problem):
    with pytest.raises(ImageError, match=problem):
        read_plane(write(content, "a.png"))


def test_a_png_has_one_plane(write):
    path = write(png(4, 3, 8, 0, ROWS), "a.png")
    np.testing.assert_array_equal(read_plane(path, 0).pixels, GREY)
    with pytest.raises(ImageError, match="has no plane 1: it holds 1"):
        read_plane(path, 1)
