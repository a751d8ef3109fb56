"""Whole files: exactly the stored counts, or one clear refusal, whatever bit is damaged."""

import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from tfctc.errors import ImageError
from tfctc.io.pixels import read_plane


def read_pixels(path):
    return read_plane(path).pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
def test_pixels_come_back_as_they_were(tmp_path, dtype, suffix, compression):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (7, 5), dtype=dtype, endpoint=True)
    options = {"compression": compression} if suffix == "tif" and compression else {}
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}", **options)
    read = read_pixels(tmp_path / f"a.{suffix}")
    assert read.dtype == dtype and read.dtype.isnative
    np.testing.assert_array_equal(read, pixels)


def big_endian_tiff(pixels, **tags):
    """Written byte by byte: one strip of ``(2, 2)``, Motorola order. A further tag's name is t and its number."""
    pixels, height, width = pixels.astype(pixels.dtype.newbyteorder(">")), *pixels.shape
    shorts = {256: width, 257: height, 258: 8 * pixels.itemsize, 259: 1, 262: 1, 277: 1, 278: height}
    shorts |= {int(name[1:]): value for name, value in tags.items()}
    longs = {273: 8, 279: pixels.nbytes}
    directory = b""
    for tag, value in sorted((shorts | longs).items()):
        if value is not None:
            kind, stored = (4, value.to_bytes(4, "big")) if tag in longs else (3, value.to_bytes(2, "big") + b"\0\0")
            directory += tag.to_bytes(2, "big") + kind.to_bytes(2, "big") + (1).to_bytes(4, "big") + stored
    head = b"MM\0*" + (8 + pixels.nbytes).to_bytes(4, "big")
    return head + pixels.tobytes() + (len(directory) // 12).to_bytes(2, "big") + directory + b"\0\0\0\0"


def test_big_endian_tiff(tmp_path):
    pixels = np.array([[1, 258], [65535, 4096]], np.uint16)
    (tmp_path / "a.tif").write_bytes(big_endian_tiff(pixels))
    np.testing.assert_array_equal(read_pixels(tmp_path / "a.tif"), pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_tiff_whose_zero_is_white_is_inverted_and_one_that_does_not_say_refused(tmp_path, dtype):
    """Pillow takes an image that does not say for white, and inverts 8 bits, but not 16."""
    pixels = np.array([[0, 1], [2, 250]], dtype)
    Image.fromarray(pixels).save(tmp_path / "white.tif", tiffinfo={262: 0})
    np.testing.assert_array_equal(read_pixels(tmp_path / "white.tif"), stored_by_pillow(pixels))
    (tmp_path / "untold.tif").write_bytes(big_endian_tiff(pixels.astype(np.uint8), t262=None))
    with pytest.raises(ImageError, match="untold.tif: does not say that zero is black"):
        read_pixels(tmp_path / "untold.tif")


def stored_by_pillow(pixels):
    """Pillow has inverted 8 bits on writing, so that they come back as they were."""
    return pixels if pixels.dtype == np.uint8 else 65535 - pixels


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.arange(48, dtype=np.uint8).reshape(4, 4, 3), "is a colour image"),
        (np.full((4, 4), 2**20, np.int32), "1048576"),
        (np.full((4, 4), -3, np.int32), "-3"),
        (np.full((4, 4), 0.5, np.float32), "fractions"),
        (np.full((4, 4), np.inf, np.float32), "NaN or infinite"),
        (np.zeros((4, 4), bool), "1 bit"),
    ],
)
def test_what_is_not_raw_counts_is_refused(tmp_path, image, message):
    Image.fromarray(image).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match=message) as error:
        read_pixels(tmp_path / "a.tif")
    assert str(tmp_path / "a.tif") in str(error.value)


@pytest.mark.parametrize("kind", ["jpeg", "bmp", "ppm", "gif"])
def test_another_kind_of_file_is_refused_whatever_its_name(tmp_path, kind):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png", kind)
    with pytest.raises(ImageError, match="a.png: is a"):
        read_pixels(tmp_path / "a.png")


def test_files_that_are_no_images(tmp_path):
    (tmp_path / "a.png").write_text("not an image")
    with pytest.raises(ImageError, match="a.png: is "):
        read_pixels(tmp_path / "a.png")
    with pytest.raises(ImageError, match="no such file"):
        read_pixels(tmp_path / "b.png")
    frames = [Image.fromarray(np.zeros((4, 4), np.uint8))] * 2
    frames[0].save(tmp_path / "c.tif", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="holds 2 planes"):
        read_pixels(tmp_path / "c.tif")


@pytest.mark.parametrize("cut", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_truncated_file_is_refused_wherever_it_was_cut(tmp_path, cut, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 65535, (32, 32), np.uint16)).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))])
    with pytest.raises(ImageError):
        read_pixels(path)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_whatever_bit_of_a_png_is_flipped_the_pixels_are_those_stored_or_it_is_refused(tmp_path, dtype):
    pixels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, (6, 5), dtype=dtype)
    Image.fromarray(pixels).save(tmp_path / "whole.png")
    whole, refused = bytearray((tmp_path / "whole.png").read_bytes()), 0
    for bit in range(8 * len(whole)):
        whole[bit // 8] ^= 1 << bit % 8
        (tmp_path / "a.png").write_bytes(whole)
        whole[bit // 8] ^= 1 << bit % 8
        try:
            np.testing.assert_array_equal(read_pixels(tmp_path / "a.png"), pixels)
        except ImageError as error:
            refused += 1
            assert str(error).startswith(str(tmp_path / "a.png"))
    assert refused == 8 * len(whole)


def test_what_pillow_warns_of_is_not_printed_beside_the_answer(tmp_path):
    pixels = np.array([[1, 2], [3, 4]], np.uint8)
    one, many = ((282).to_bytes(2, "big") + b"\0\3\0\0" + count for count in (b"\0\1", b"\xff\xff"))
    (tmp_path / "a.tif").write_bytes(big_endian_tiff(pixels, t282=7).replace(one, many))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with Image.open(tmp_path / "a.tif") as image:
            image.load()
        assert caught
        caught.clear()
        np.testing.assert_array_equal(read_pixels(tmp_path / "a.tif"), pixels)
        assert not caught


def test_whatever_byte_of_a_tiff_is_damaged_it_is_read_or_refused(tmp_path):
    Image.fromarray(np.arange(16, dtype=np.uint16).reshape(4, 4)).save(tmp_path / "whole.tif")
    whole, refused = (tmp_path / "whole.tif").read_bytes(), 0
    for place in range(len(whole)):
        for value in (0, 255):
            (tmp_path / "a.tif").write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                assert read_pixels(tmp_path / "a.tif").dtype in (np.uint8, np.uint16)
            except ImageError as error:
                refused += 1
                assert str(error).startswith(str(tmp_path / "a.tif")) and "()" not in str(error)
    assert refused


@pytest.mark.parametrize("size", [(8192, 8193), (10**5, 10**5)])
def test_an_image_far_too_large_is_refused_by_its_header(tmp_path, size):
    """The second is beyond what Pillow opens at all. No pixel follows."""
    header = b"IHDR" + size[0].to_bytes(4, "big") + size[1].to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    chunk = (13).to_bytes(4, "big") + header + zlib.crc32(header).to_bytes(4, "big")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + (10).to_bytes(4, "big") + b"IDAT")
    with pytest.raises(ImageError, match="a.png: is too large for the image of one cell; crop"):
        read_pixels(tmp_path / "a.png")
