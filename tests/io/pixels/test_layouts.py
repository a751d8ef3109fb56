"""Samples of TIFF files in every layout: the same numbers as tifffile, imagecodecs and Pillow write and read."""

import io
import itertools

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from tfctc.errors import ImageError
from tfctc.io.pixels import plane_count, read_plane
from tfctc.io.pixels.plane import INVERTED, TURNED, WHOLE_FLOATS, WHOLE_SIGNED, WHOLE_WIDE

COMPRESSIONS = ("none", "zlib", "adobe_deflate", "lzw", "packbits", "lzma", "zstd")
LAYOUTS = {
    "one strip": {},
    "strips of 5 rows": {"rowsperstrip": 5},
    "tiles": {"tile": (16, 32)},
}


def image(dtype, shape, seed=0):
    """Random counts, a part of them constant, so that compressions have something to do."""
    dtype = np.dtype(dtype)
    most = 100 if dtype.itemsize == 1 else 2000 if dtype == np.float16 else 30000
    pixels = np.random.default_rng(seed).integers(0, most, shape).astype(dtype)
    pixels[..., 3:9, 2:7] = 77
    return pixels


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize(("order", "big"), [*itertools.product("<>", (False, True))])
def test_any_layout_compression_and_byte_order(tmp_path, layout, compression, order, big):
    for dtype, predictor in itertools.product((np.uint8, np.uint16), (False, True)):
        if predictor and compression in ("none", "packbits"):
            continue
        pixels = image(dtype, (37, 41))
        options = {"compression": compression, "predictor": predictor, **LAYOUTS[layout]}
        tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=order, bigtiff=big, photometric="minisblack", **options)
        read = read_plane(tmp_path / "a.tif")
        assert read.pixels.dtype == dtype and read.pixels.dtype.isnative and read.notes == () and read.mpp is None
        assert read.bits == 8 * pixels.itemsize
        np.testing.assert_array_equal(read.pixels, pixels)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", ["none", "zlib", "lzw"])
@pytest.mark.parametrize("order", "<>")
def test_samples_of_a_pixel_are_planes(tmp_path, layout, planar, compression, order):
    for dtype, predictor in itertools.product((np.uint8, np.uint16), (False, True)):
        pixels = image(dtype, (5, 37, 41))
        stored = pixels if planar == "separate" else np.ascontiguousarray(pixels.transpose(1, 2, 0))
        options = {"compression": compression, "predictor": predictor and compression != "none", **LAYOUTS[layout]}
        tifffile.imwrite(
            tmp_path / "a.tif", stored, byteorder=order, planarconfig=planar, photometric="minisblack", **options
        )
        assert plane_count(tmp_path / "a.tif") == 5
        for number, plane in enumerate(pixels):
            np.testing.assert_array_equal(read_plane(tmp_path / "a.tif", number).pixels, plane)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "tiff_deflate"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiffs_of_libtiff_by_pillow(tmp_path, compression, dtype):
    """Larger than a table of LZW, so that it is started anew."""
    pixels = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (150, 160), dtype, endpoint=True)
    Image.fromarray(pixels).save(tmp_path / "a.tif", compression=compression)
    np.testing.assert_array_equal(read_plane(tmp_path / "a.tif").pixels, pixels)


@pytest.mark.parametrize("size", [1, 2, 253, 254, 255, 256, 511, 512, 1023, 2047, 4094, 4096, 9000])
@pytest.mark.parametrize("values", [1, 2, 256])
def test_lzw_strings_of_any_length(write, raw, size, values):
    content = np.random.default_rng(size).integers(0, values, size).astype(np.uint8)
    for encoded in (imagecodecs.lzw_encode(content.tobytes()),):
        path = write(raw(bytes(encoded), t256=size, t257=1, t278=1, t259=5))
        np.testing.assert_array_equal(read_plane(path).pixels, content[np.newaxis])


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("samples", [1, 2])
def test_packed_samples(tmp_path, write, raw, bits, order, samples):
    """Their highest bit comes first in both byte orders; each row begins with a byte."""
    pixels = np.random.default_rng(bits).integers(0, 2**bits, (7, 5, samples)).astype(np.uint16)
    content = b"".join(bytes(imagecodecs.packints_encode(row.ravel(), bits)) for row in pixels)
    path = write(raw(content, order, t256=5, t257=7, t278=7, t258=(bits,) * samples, t277=samples))
    np.testing.assert_array_equal(tifffile.imread(path).reshape(pixels.shape), pixels)
    for sample in range(samples):
        read = read_plane(path, sample)
        assert read.bits == bits and read.pixels.dtype == np.uint16
        np.testing.assert_array_equal(read.pixels, pixels[:, :, sample])


@pytest.mark.parametrize("predictor", [False, True])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("dtype", "note"),
    [(np.int8, WHOLE_SIGNED), (np.int16, WHOLE_SIGNED), (np.uint32, WHOLE_WIDE), (np.int32, WHOLE_WIDE)]
    + [(np.uint64, WHOLE_WIDE), (np.float16, WHOLE_FLOATS), (np.float32, WHOLE_FLOATS), (np.float64, WHOLE_FLOATS)],
)
def test_whole_numbers_of_other_types(tmp_path, predictor, order, dtype, note):
    pixels = image(dtype, (37, 41))
    options = {"compression": "zlib", "predictor": 3 if pixels.dtype.kind == "f" else 2} if predictor else {}
    tifffile.imwrite(tmp_path / "a.tif", pixels, byteorder=order, photometric="minisblack", tile=(16, 16), **options)
    read = read_plane(tmp_path / "a.tif")
    eight = dtype is np.int8
    assert (read.pixels.dtype, read.bits, read.notes) == (np.uint8 if eight else np.uint16, 8 if eight else 16, (note,))
    np.testing.assert_array_equal(read.pixels, pixels)


def test_floats_of_several_samples_with_their_predictor(tmp_path):
    pixels = image(np.float32, (2, 20, 30))
    stored = np.ascontiguousarray(pixels.transpose(1, 2, 0))
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="minisblack", planarconfig="contig",
                     compression="zlib", predictor=3)  # fmt: skip
    for number, plane in enumerate(pixels):
        np.testing.assert_array_equal(read_plane(tmp_path / "a.tif", number).pixels, plane)


@pytest.mark.parametrize(
    ("value", "dtype", "problem"),
    [
        (-3, np.int16, r"has negative counts, e\.g\. -3 \(16 bit signed\), 0 to 65535 expected; save the counts as"),
        (-3, np.float32, r"has negative counts, e\.g\. -3 \(float32\)"),
        (70000, np.uint32, r"has counts above 65535, e\.g\. 70000 \(32 bit unsigned\); save the counts of single"),
        (1e30, np.float64, r"has counts above 65535, e\.g\. 1\d+ \(float64\)"),
        (12.375, np.float64, r"float64 with fractions, e\.g\. 12\.38, .*; in ImageJ untick \"Scale when converting\""),
        (np.nan, np.float32, "holds NaN or infinite pixels"),
        (-np.inf, np.float16, "holds NaN or infinite pixels"),
    ],
)
def test_numbers_that_are_no_counts_of_16_bits_are_refused(tmp_path, value, dtype, problem):
    pixels = np.full((4, 4), 9, dtype)
    pixels[2, 1] = value
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack")
    with pytest.raises(ImageError, match=problem):
        read_plane(tmp_path / "a.tif")


def test_an_image_scaled_to_one_is_not_to_be_rounded(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.linspace(0, 1, 16).reshape(4, 4), photometric="minisblack")
    with pytest.raises(ImageError, match="e.g. 0.07, .* it was scaled to 0 to 1"):
        read_plane(tmp_path / "a.tif")


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_zero_for_white_is_inverted_once(write, raw, bits):
    """Pillow inverts 8 bit and not 16, so the oracle is the sum."""
    pixels = np.random.default_rng(0).integers(0, 2**bits, (6, 8)).astype(np.uint8 if bits == 8 else np.uint16)
    content = b"".join(bytes(imagecodecs.packints_encode(row, bits)) for row in pixels) if bits == 12 else pixels
    sizes = {"t256": 8, "t257": 6, "t278": 6, "t258": bits}
    read = read_plane(write(raw(content, t262=0, **sizes)))
    assert read.notes == (INVERTED,) and read.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(read.pixels.astype(int) + pixels, 2**bits - 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_orientation_is_applied_as_by_pillow(tmp_path, orientation, dtype):
    pixels = np.arange(12, dtype=dtype).reshape(3, 4)
    Image.fromarray(pixels).save(tmp_path / "a.tif", tiffinfo={274: orientation})
    read = read_plane(tmp_path / "a.tif")
    # Opened by its path, Pillow 13 would map the file with its sides exchanged, and mix the pixels up.
    with Image.open(io.BytesIO((tmp_path / "a.tif").read_bytes())) as opened:
        opened.load()
        expected = np.asarray(opened)
    np.testing.assert_array_equal(read.pixels, expected)
    assert read.notes == (TURNED,) * (orientation > 1) and read.pixels.flags.c_contiguous
    if orientation in (1, 5):
        np.testing.assert_array_equal(read.pixels, pixels if orientation == 1 else pixels.T)


def test_strips_may_be_filled_up_or_without_sizes(write, raw, counts):
    filled = np.vstack([counts, np.zeros((3, 11), np.uint16)])
    strip = 8 * 22
    path = write(raw(filled, t257=13, t278=8, t273=(16, 16 + strip), t279=(strip, strip)))
    np.testing.assert_array_equal(read_plane(path).pixels, counts)
    for tags in ({"t278": 2**32 - 1}, {"t278": None}, {"t279": None}):
        np.testing.assert_array_equal(read_plane(write(raw(counts, **tags))).pixels, counts)
    halves = {"t278": 8, "t273": (16, 16 + strip), "t279": None}
    np.testing.assert_array_equal(read_plane(write(raw(counts, **halves))).pixels, counts)
    both = {"t256": 11, "t257": 13, "t258": (16, 16), "t277": 2, "t284": 2, "t278": 8, "t279": None}
    size = counts.nbytes
    starts = (16, 16 + strip, 16 + size, 16 + size + strip)
    path = write(raw(counts.tobytes() + (counts + np.uint16(1)).tobytes(), t273=starts, **both))
    np.testing.assert_array_equal(read_plane(path, 1).pixels, counts + 1)


@pytest.mark.parametrize(
    ("tags", "problem"),
    [
        ({"t279": 200}, "rows 1 to 13 are missing"),
        ({"t279": 0}, "rows 1 to 13 are missing"),
        ({"t279": 300}, "rows 1 to 13 are unreadable"),
        ({"t273": 10**6}, "rows 1 to 13 are missing"),
        ({"t278": 8, "t273": (16, 10**6), "t279": (176, 110)}, "rows 9 to 13 are missing"),
        ({"t278": 8, "t273": (16, 192), "t279": (176, 0)}, "rows 9 to 13 are missing"),
        ({"t278": 8}, "it has 1 strips or tiles, 2 expected"),
        ({"t273": None}, "does not say where its pixels are"),
        ({"t256": 0}, "holds no pixel"),
        ({"t256": 2**16, "t257": 2**16}, "is too large for the image of one cell; crop"),
        ({"t322": 2**16 - 16, "t323": 2**16 - 16, "t324": 16, "t325": 100}, "is too large"),
        ({"t278": 1, "t273": (16,) * 70000}, "is cut into 70000 strips"),
        ({"t258": 1}, r"has 1 bit a pixel \(a mask or labels\)"),
        ({"t258": 24}, "has samples of 24 bits, which are not read"),
        ({"t258": (16, 8), "t277": 2, "t339": (1, 1)}, "has samples of different types"),
        ({"t339": 5}, "has complex numbers"),
        ({"t339": 6}, "has complex numbers"),
        ({"t262": None}, r"does not say that zero is black .*; save it as BlackIsZero"),
        ({"t262": 6}, "is a YCbCr colour image, one grey channel expected"),
        ({"t262": 5}, "is a CMYK image"),
        ({"t262": 32803}, "is a raw image of a colour camera"),
        ({"t262": 4}, "is a transparency mask"),
        ({"t259": 7}, "is a JPEG-compressed TIFF, whose counts are changed; export the raw counts"),
        ({"t259": 34712}, r"is a JPEG 2000 TIFF \(lossy or not cannot be told\)"),
        ({"t259": 50001}, "is a WebP-compressed TIFF"),
        ({"t259": 34887}, "is a LERC-compressed TIFF"),
        ({"t259": 4}, "is a black and white"),
        ({"t259": 30818}, "is an IDEAS file"),
        ({"t259": 12345}, "is a TIFF of compression 12345"),
        ({"t266": 2}, "has the bits of each byte in reverse order"),
        ({"t317": 2}, "has the TIFF predictor 2, which does not go"),
        ({"t284": 3}, "PlanarConfiguration is 3"),
        ({"t277": 65}, "has 65 samples a pixel, 1 to 64"),
        ({"t274": 9}, "has the orientation 9"),
        ({"t254": 1}, "holds only a thumbnail"),
        ({"t33629": ("r", (1, 1, 1, 1))}, "is a MetaMorph stack of 2 planes"),
        ({"t256": "wide"}, "tag 256 holds no whole numbers"),
    ],
)
def test_what_cannot_be_read_for_sure_is_refused(write, raw, counts, tags, problem):
    with pytest.raises(ImageError, match=problem) as error:
        read_plane(write(raw(counts, **tags)), 0 if "t277" in tags else None)
    assert str(error.value).startswith(str(error.value.path)) and error.value.fix


def test_zstandard_without_its_library_is_named(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((8, 8), np.uint16), compression="zstd", photometric="minisblack")
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    with pytest.raises(ImageError, match=r"is a Zstandard-compressed TIFF.*pip install 'tfctc\[formats\]'"):
        read_plane(tmp_path / "a.tif")


def test_old_lzw_is_named(write, raw):
    with pytest.raises(ImageError, match="in the way of before 1990"):
        read_plane(write(raw(b"\0\1\2\3", t256=4, t257=1, t278=1, t259=5)))


def test_small_changes_of_directories(write, raw, counts):
    """A ring of directories, one that is not there, and one that was never written."""
    whole = bytearray(raw(counts))
    start = whole[4:8]
    ring = whole[:-4] + start
    with pytest.raises(ImageError, match="its directories form a ring"):
        read_plane(write(bytes(ring)))
    for value, problem in ((bytes(4), "it was not written to its end"), (b"\xff\xff\0\0", "ends before the directory")):
        with pytest.raises(ImageError, match=problem):
            read_plane(write(bytes(whole[:4] + value + whole[8:])))
    with pytest.raises(ImageError, match="ends within the header"):
        read_plane(write(bytes(whole[:6])))
