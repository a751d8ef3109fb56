"""Planes of a file: their number, names and scale, from the directories, OME-XML, ImageJ and other tags."""

import json

import numpy as np
import pytest
import tifffile

from tfctc.errors import ImageError
from tfctc.io.pixels import plane_count, plane_names, read_plane
from tfctc.io.pixels.plane import WHOLE_SIGNED


@pytest.fixture
def pair():
    return np.random.default_rng(0).integers(0, 4096, (2, 9, 7), np.uint16)


def check(path, planes, names=None):
    assert plane_count(path) == len(planes)
    assert plane_names(path) == (names or ("",) * len(planes))
    for number, plane in enumerate(planes):
        np.testing.assert_array_equal(read_plane(path, number).pixels, plane)
    with pytest.raises(ImageError, match=f"has no plane {len(planes)}: it holds {len(planes)}, counted from 0"):
        read_plane(path, len(planes))
    with pytest.raises(ImageError, match="has no plane -1"):
        read_plane(path, -1)
    if len(planes) > 1:
        with pytest.raises(ImageError, match=f"holds {len(planes)} planes.*, one expected"):
            read_plane(path)


def test_directories_are_planes_and_their_page_names_their_names(tmp_path, pair):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for plane, name in zip(pair, ("DAPI", "BF"), strict=True):
            writer.write(plane, photometric="minisblack", metadata=None, extratags=[(285, 2, 0, name, True)])
    check(tmp_path / "a.tif", pair, ("DAPI", "BF"))


def test_thumbnails_masks_and_directories_below_are_no_planes(tmp_path, pair):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(pair[0], photometric="minisblack", subifds=1, metadata=None)
        writer.write(pair[0, ::2, ::2], subfiletype=1, photometric="minisblack", metadata=None)
        writer.write(pair[1, ::2, ::2], subfiletype=1, photometric="minisblack", metadata=None)
        writer.write(pair[1], subfiletype=2, photometric="minisblack", metadata=None)
    check(tmp_path / "a.tif", pair)


@pytest.mark.parametrize(("unit", "scale"), [("µm", 1), ("nm", 1e3), ("mm", 1e-3)])
def test_ome(tmp_path, pair, unit, scale):
    metadata = {"axes": "CYX", "Channel": {"Name": ["BF", "DAPI"]}}
    metadata |= {f"PhysicalSize{axis}": 0.325 * scale for axis in "XY"}
    metadata |= {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    tifffile.imwrite(tmp_path / "a.ome.tif", pair, photometric="minisblack", metadata=metadata)
    check(tmp_path / "a.ome.tif", pair, ("BF", "DAPI"))
    assert read_plane(tmp_path / "a.ome.tif", 1).mpp == pytest.approx(0.325)
    with pytest.raises(ImageError, match=r"holds 2 planes \(BF, DAPI\), one expected"):
        read_plane(tmp_path / "a.ome.tif")


@pytest.mark.parametrize("sizes", [(0.3, 0.4), (0, 0), (-1, -1), ("x", "x"), ("nan", "nan"), ("inf", "inf")])
def test_a_scale_that_is_none(write, raw, counts, sizes):
    pixels = f'<Pixels PhysicalSizeX="{sizes[0]}" PhysicalSizeY="{sizes[1]}"/>'
    assert read_plane(write(raw(counts, t270=f"<OME><Image>{pixels}</Image></OME>"))).mpp is None


@pytest.mark.parametrize("axes", ["CZYX", "TCYX"])
def test_z_positions_and_time_points_are_no_channels(tmp_path, pair, axes):
    stack = np.stack([pair, pair, pair], axis=1 if axes == "CZYX" else 0)
    what = {"CZYX": "3 z positions", "TCYX": "3 time points"}[axes]
    tifffile.imwrite(tmp_path / "a.ome.tif", stack, photometric="minisblack", metadata={"axes": axes})
    hyper = stack[np.newaxis].transpose(0, 2, 1, 3, 4) if axes == "CZYX" else stack[:, np.newaxis]
    tifffile.imwrite(tmp_path / "b.tif", hyper, imagej=True, photometric="minisblack")
    for name in ("a.ome.tif", "b.tif"):
        for plane in (None, 0):
            with pytest.raises(ImageError, match=f"holds {what}, one expected; save the right one"):
                read_plane(tmp_path / name, plane)
        assert plane_count(tmp_path / name) == 6


def test_channels_in_another_order_and_in_another_file(write, raw, counts):
    def described(blocks):
        channels = '<Channel Name="BF"/><Channel Name="DAPI"/>'
        return write(raw(counts, t270=f'<OME UUID="u1"><Image><Pixels>{channels}{blocks}</Pixels></Image></OME>'))

    assert plane_names(described('<TiffData IFD="0" FirstC="1"/>')) == ("DAPI",)
    other = '<TiffData FirstC="0"><UUID FileName="b.tif">u2</UUID></TiffData>'
    assert plane_names(described(other + '<TiffData FirstC="1"><UUID FileName="a.tif">u1</UUID></TiffData>')) == (
        "DAPI",
    )
    assert plane_names(described("<TiffData/>")) == ("BF",)


@pytest.mark.parametrize(
    "text", ["<OME", "<OME><Image/></OME>", "<!DOCTYPE x [<!ENTITY a 'b'>]><OME>&a;</OME>", "<OME/>"]
)
def test_ome_that_says_nothing(write, raw, counts, text):
    path = write(raw(counts, t270=text))
    np.testing.assert_array_equal(read_plane(path).pixels, counts)
    assert plane_names(path) == ("",)


@pytest.mark.parametrize("order", "<>")
def test_imagej(tmp_path, pair, order):
    tifffile.imwrite(
        tmp_path / "a.tif", pair, imagej=True, byteorder=order, photometric="minisblack", resolution=(1 / 0.5, 1 / 0.5),
        metadata={"axes": "CYX", "unit": "um", "Labels": ["BF", "DAPI\nexposure 3"]},
    )  # fmt: skip
    check(tmp_path / "a.tif", pair, ("BF", "DAPI"))
    assert read_plane(tmp_path / "a.tif", 0).mpp == pytest.approx(0.5)


@pytest.mark.parametrize("unit", ["micron", "um", "µm", "\\u00B5m", "μm"])
@pytest.mark.parametrize("order", "<>")
def test_micrometres_of_imagej(write, raw, counts, unit, order):
    def scale(text, x=(2000, 1000), y=(2000, 1000)):
        return read_plane(write(raw(counts, order, t270=text, t282=("r", x), t283=("r", y)))).mpp

    assert scale(f"ImageJ=1.54f\nunit={unit}\n") == 0.5
    assert scale(f"ImageJ=1.54f\nunit={unit}\n", y=(4000, 1000)) is None
    assert scale(f"ImageJ=1.54f\nunit={unit}\n", x=(2000, 0)) is None
    assert scale(f"ImageJ=1.54f\nunit={unit}\nyunit=inch\n") is None
    assert scale("ImageJ=1.54f\nunit=inch\n") is None
    assert scale(f"unit={unit}\n") is None


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("size", [(9, 7), (200, 150)])
def test_imagej_stack_with_one_directory(write, raw, order, size):
    """As ImageJ writes stacks above 4 GB: the images lie one behind the other."""
    stack = np.random.default_rng(0).integers(0, 65536, (5, *size), np.uint16)
    one = raw(stack.reshape(-1, size[1]), order, t257=size[0], t278=size[0], t279=2 * size[0] * size[1],
              t270="ImageJ=1.54f\nimages=5\nslices=5\n")  # fmt: skip
    path = write(one)
    np.testing.assert_array_equal(tifffile.imread(path), stack)
    check(path, stack)
    write(one.replace(b"images=5", b"images=9"))
    with pytest.raises(ImageError, match=r"says that it holds 9 images \(ImageJ\), but ends before the last one"):
        read_plane(path, 0)


def test_imagej_stack_with_one_directory_that_is_compressed(write, raw, counts):
    with pytest.raises(ImageError, match="holds a stack whose images cannot be found one by one"):
        read_plane(write(raw(counts, t259=8, t270="ImageJ=1.54f\nimages=2\n")), 0)


def test_signed_numbers_of_imagej(write, raw):
    pixels = np.array([[32768, 32769], [40000, 65535]], np.uint16)
    text = "ImageJ=1.54f\ncf=0\nc0=-32768.0\nc1=1.0\nvunit=Gray Value\n"
    read = read_plane(write(raw(pixels, t270=text)))
    np.testing.assert_array_equal(read.pixels, pixels - 32768)
    assert read.notes == (WHOLE_SIGNED,)
    with pytest.raises(ImageError, match=r"negative counts, e.g. -1 \(16 bit signed\)"):
        read_plane(write(raw(pixels - np.uint16(1), t270=text)))


def test_names_of_micro_manager(write, raw, counts):
    path = write(raw(counts, t51123=json.dumps({"Channel": "DAPI", "ChannelIndex": 1}), t285="page"))
    assert plane_names(path) == ("DAPI",)
    for damaged in ("{", "[1]", '{"Channel": 3}'):
        assert plane_names(write(raw(counts, t51123=damaged, t285="page"))) == ("page",)


def test_names_hold_nothing_that_a_terminal_acts_on(write, raw, counts):
    assert plane_names(write(raw(counts, t285="\x1b[31mBF\r\n" + 200 * "x"))) == ("[31mBF" + 94 * "x",)


def test_tifffile_stack_with_one_directory(tmp_path, pair):
    tifffile.imwrite(tmp_path / "a.tif", pair, photometric="minisblack", truncate=True)
    with pytest.raises(ImageError, match="is a stack with one directory"):
        read_plane(tmp_path / "a.tif")


def test_more_directories_than_are_counted(write, raw, counts):
    """Each refers to the next one; none is read twice."""
    whole = bytearray(raw(counts))
    start = int.from_bytes(whole[4:8], "little")
    directory = bytes(whole[start:-4])
    for _ in range(5000):
        whole[-4:] = len(whole).to_bytes(4, "little")
        whole += directory + bytes(4)
    with pytest.raises(ImageError, match="holds more than 4096 images; save each cell"):
        plane_count(write(bytes(whole)))
