"""Damaged files: an ImageError, or pixels; and the same pixels wherever the file has a check sum of them."""

import io

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from tfctc.errors import ImageError
from tfctc.io.pixels import plane_count, plane_names, read_plane

PIXELS = np.random.default_rng(0).poisson(900, (12, 10)).astype(np.uint16)
RAMP = np.stack([np.arange(256) * 257] * 3).astype(np.uint16)


def tiff(pixels=PIXELS, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **({"photometric": "minisblack"} | options))
    return file.getvalue()


def png(pixels):
    return bytes(imagecodecs.png_encode(pixels))


BASES = {
    "plain": tiff(),
    "8 bit": tiff(PIXELS.astype(np.uint8)),
    "big-endian": tiff(byteorder=">", rowsperstrip=3),
    "BigTIFF": tiff(bigtiff=True, tile=(16, 16)),
    "LZW": tiff(compression="lzw", predictor=True),
    "PackBits": tiff(compression="packbits"),
    "deflate": tiff(compression="zlib", rowsperstrip=5),
    "predictor": tiff(compression="zlib", predictor=True),
    "xz": tiff(compression="lzma"),
    "Zstandard": tiff(compression="zstd"),
    "float": tiff(PIXELS.astype(np.float32), compression="zlib", predictor=3),
    "signed": tiff(PIXELS.astype(np.int32)),
    "RGB": tiff(np.stack([PIXELS] * 3, -1), photometric="rgb"),
    "palette": tiff(PIXELS.astype(np.uint8), photometric="palette", colormap=RAMP),
    "planes": tiff(np.stack([PIXELS] * 3), planarconfig="separate"),
    "OME": tiff(np.stack([PIXELS] * 2), ome=True, metadata={"axes": "CYX", "Channel": {"Name": ["BF", "DAPI"]}}),
    "ImageJ": tiff(np.stack([PIXELS] * 2), imagej=True, metadata={"axes": "CYX", "Labels": ["BF", "DAPI"]}),
    "PNG": png(PIXELS),
    "PNG RGB": png(np.stack([PIXELS] * 3, -1)),
    "PNG LA": png(np.stack([PIXELS.astype(np.uint8), np.full_like(PIXELS, 255, np.uint8)], -1)),
}  # fmt: skip
#: Files whose every byte of pixels is under a check sum.
CHECKED = ("PNG", "PNG RGB", "PNG LA")


def read(path):
    """The pixels, or None where they are refused. Any other error fails the test."""
    try:
        return read_plane(path, 0).pixels
    except ImageError as error:
        assert str(error).startswith(str(path)) and "()" not in str(error) and "Traceback" not in str(error)
        return None


@pytest.mark.parametrize("name", BASES)
def test_whatever_is_damaged_is_refused_or_read(tmp_path, name):
    """150 files each: 1 to 3 bits or bytes are changed, or the end is cut off."""
    whole, random, path = BASES[name], np.random.default_rng(sum(name.encode())), tmp_path / "a"
    path.write_bytes(whole)
    expected, refused = read(path), 0
    assert expected is not None
    for number in range(150):
        content = bytearray(whole)
        for place in random.integers(0, len(whole), random.integers(1, 4)):
            content[place] = content[place] ^ 1 << random.integers(8) if number % 2 else random.integers(256)
        if number % 5 == 0:
            del content[random.integers(len(whole)) :]
        path.write_bytes(content)
        pixels = read(path)
        refused += pixels is None
        for function in (plane_count, plane_names):
            try:
                function(path)
            except ImageError as error:
                assert str(error).startswith(str(path))
        if pixels is not None:
            assert pixels.dtype in (np.uint8, np.uint16) and pixels.ndim == 2
            if name in CHECKED:
                np.testing.assert_array_equal(pixels, expected)
    assert refused


@pytest.mark.parametrize("name", ["deflate", "predictor", "xz", "float"])
def test_compressed_pixels_under_a_check_sum_are_those_stored_or_refused(tmp_path, name):
    """Every third bit of the compressed bytes, one at a time.

    Three neighbouring bytes of a float can change so that the sums of Adler-32 stay: once in some thousand bits.
    """
    others = 0
    whole, path = bytearray(BASES[name]), tmp_path / "a.tif"
    with tifffile.TiffFile(io.BytesIO(whole)) as file:
        start, size = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    for bit in range(8 * start, 8 * (start + size), 3):
        whole[bit // 8] ^= 1 << bit % 8
        path.write_bytes(whole)
        whole[bit // 8] ^= 1 << bit % 8
        others += (pixels := read(path)) is not None and not np.array_equal(pixels, PIXELS)
    assert others <= (name == "float")


@pytest.mark.parametrize("name", BASES)
def test_a_file_cut_off_within_its_pixels_is_refused(tmp_path, name):
    """tifffile writes the pixels behind the tags, so that a cut leaves the tags whole."""
    whole, path = BASES[name], tmp_path / "a"
    for left in (0, 1, 4, 7, 8, 12, len(whole) // 2, len(whole) - 20):
        path.write_bytes(whole[:left])
        with pytest.raises(ImageError):
            read_plane(path, {"planes": 2, "OME": 1, "ImageJ": 1}.get(name, 0))


@pytest.mark.parametrize("encode", ["lzw", "packbits"])
def test_pixels_are_never_filled_up(write, raw, encode):
    """Shorter and longer streams than the strip, each of them whole."""
    for count in (0, 1, 239, 241, 500):
        content = bytes(getattr(imagecodecs, f"{encode}_encode")((bytes(range(1, 251)) * 2)[:count]))
        path = write(raw(content, t256=10, t257=12, t278=12, t258=16, t259=5 if encode == "lzw" else 32773))
        with pytest.raises(ImageError, match="rows 1 to 12 are (missing|unreadable)"):
            read_plane(path)


def test_files_of_pillow_agree(tmp_path):
    """A second writer, so that the bases above are not read by luck."""
    Image.fromarray(PIXELS).save(tmp_path / "a.tif")
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    for name in ("a.tif", "a.png"):
        np.testing.assert_array_equal(read(tmp_path / name), PIXELS)
