"""Grey images that were saved as colour: read if one plane says all, refused otherwise."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from tfctc.errors import ImageError
from tfctc.io.pixels import plane_count, read_plane
from tfctc.io.pixels.plane import ALPHA_LEFT_OUT, GREY_AS_RGB, ONE_COLOUR, TABLE_LEFT_OUT, TABLE_OF_GREYS

RAMP = np.arange(256, dtype=np.uint8)


@pytest.fixture(params=[np.uint8, np.uint16])
def grey(request):
    return np.random.default_rng(0).integers(0, np.iinfo(request.param).max, (9, 7), request.param)


def colours(grey, lit, alpha=None):
    """``(H, W, 3 or 4)``: the grey in the planes of `lit`, an alpha everywhere."""
    planes = [grey if letter in lit else np.zeros_like(grey) for letter in "rgb"]
    if alpha is not None:
        planes.append(np.full_like(grey, alpha))
    return np.stack(planes, -1)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize(("lit", "note"), [("rgb", GREY_AS_RGB), ("b", ONE_COLOUR), ("rb", ONE_COLOUR)])
@pytest.mark.parametrize("alpha", [False, True])
def test_rgb_with_one_plane(tmp_path, grey, planar, lit, note, alpha):
    image = colours(grey, lit, np.iinfo(grey.dtype).max if alpha else None)
    stored = image if planar == "contig" else np.ascontiguousarray(image.transpose(2, 0, 1))
    options = {"extrasamples": ["unassalpha"]} if alpha else {}
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar, **options)
    read = read_plane(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.pixels, grey)
    assert read.notes == (ALPHA_LEFT_OUT,) * alpha + (note,) and plane_count(tmp_path / "a.tif") == 1
    assert read.pixels.flags.c_contiguous and read.pixels.dtype == grey.dtype


def test_rgb_whose_planes_differ(tmp_path, grey):
    image = colours(grey, "rgb")
    image[4, 5, 1] ^= 1
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb")
    with pytest.raises(ImageError, match="a colour image whose red, green and blue differ.*Split Channels"):
        read_plane(tmp_path / "a.tif")


def test_transparent_pixels(tmp_path, grey):
    tifffile.imwrite(tmp_path / "a.tif", colours(grey, "rgb", 254), photometric="rgb", extrasamples=["unassalpha"])
    with pytest.raises(ImageError, match="has transparent pixels"):
        read_plane(tmp_path / "a.tif")


def test_grey_with_a_declared_alpha_is_one_plane(tmp_path, grey):
    opaque = np.full_like(grey, np.iinfo(grey.dtype).max)
    tifffile.imwrite(tmp_path / "a.tif", np.stack([grey, opaque], -1), photometric="minisblack",
                     planarconfig="contig", extrasamples=["unassalpha"])  # fmt: skip
    read = read_plane(tmp_path / "a.tif")
    np.testing.assert_array_equal(read.pixels, grey)
    assert read.notes == (ALPHA_LEFT_OUT,)


def test_colour_of_two_or_five_samples(write, raw, grey):
    for samples in (2, 5):
        with pytest.raises(ImageError, match=f"is declared a colour image, but has {samples} samples"):
            read_plane(write(raw(np.stack([grey] * samples, -1), t262=2)))


TABLES = {
    "grey": (RAMP, RAMP, RAMP),
    "blue": (0 * RAMP, 0 * RAMP, RAMP),
    "stretched": tuple(3 * [np.clip(RAMP.astype(int) * 3 - 90, 0, 255)]),
    "falling": (RAMP[::-1],) * 3,
    "fire": (np.clip(RAMP * 2.0, 0, 255), np.clip(RAMP * 2.0 - 255, 0, 255), 128 - np.abs(RAMP - 128.0) / 2),
    "list": tuple(np.random.default_rng(0).permuted(np.stack([RAMP] * 3), axis=1)),
    "black": (0 * RAMP,) * 3,
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("imagej", [False, True])
def test_colour_tables_of_tiff(write, raw, table, imagej):
    """A table that rises is a gradient, and so may be a smooth one of ImageJ; all others ask."""
    pixels = np.random.default_rng(0).integers(0, 256, (9, 7), np.uint8)
    entries = tuple((np.concatenate(TABLES[table]).astype(int) * 257).tolist())
    path = write(raw(pixels, t262=3, t320=("H", entries), t270="ImageJ=1.54f\n" if imagej else None))
    np.testing.assert_array_equal(tifffile.imread(path), pixels)
    if table in ("grey", "blue", "stretched") or (table == "fire" and imagej):
        read = read_plane(path)
        np.testing.assert_array_equal(read.pixels, pixels)
        assert read.notes == (TABLE_LEFT_OUT,)
    else:
        with pytest.raises(ImageError, match="has a colour table from which its counts cannot be told"):
            read_plane(path)


def test_colour_table_that_is_not_whole(write, raw):
    with pytest.raises(ImageError, match="its colour table does not fit its pixels"):
        read_plane(write(raw(np.zeros((4, 4), np.uint8), t262=3, t320=("H", (0,) * 700))))


def palette_png(path, indices, table):
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette(np.asarray(table, np.uint8).ravel().tolist())
    image.save(path)
    with Image.open(path) as saved:
        assert saved.mode == "P"


def test_full_colour_table_of_png(tmp_path):
    pixels = RAMP.reshape(16, 16)
    for name in ("blue", "stretched"):
        palette_png(tmp_path / "a.png", pixels, np.stack(TABLES[name], -1))
        read = read_plane(tmp_path / "a.png")
        np.testing.assert_array_equal(read.pixels, pixels)
        assert read.notes == (TABLE_LEFT_OUT,)


def test_short_table_of_greys_holds_the_counts_and_not_their_ranks(tmp_path):
    """A program that makes files smaller lists the greys that occur."""
    greys = np.sort(np.random.default_rng(0).choice(256, 100, replace=False)).astype(np.uint8)
    pixels = greys[np.arange(100).reshape(10, 10)]
    palette_png(tmp_path / "a.png", np.arange(100, dtype=np.uint8).reshape(10, 10), np.stack([greys] * 3, -1))
    with Image.open(tmp_path / "a.png") as opened:
        np.testing.assert_array_equal(np.asarray(opened.convert("L")), pixels)
    read = read_plane(tmp_path / "a.png")
    np.testing.assert_array_equal(read.pixels, pixels)
    assert read.notes == (TABLE_OF_GREYS,)


def test_short_table_of_colours_is_refused(tmp_path):
    greys = np.sort(np.random.default_rng(0).choice(256, 100, replace=False)).astype(np.uint8)
    table = np.stack([0 * greys, 0 * greys, greys], -1)
    palette_png(tmp_path / "a.png", np.arange(100, dtype=np.uint8).reshape(10, 10), table)
    with pytest.raises(ImageError, match="has a colour table"):
        read_plane(tmp_path / "a.png")
