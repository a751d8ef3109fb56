"""Names that may be channels of one cell, and names of cells of their own."""

from pathlib import Path

import pytest

from tfctc.errors import ImageError
from tfctc.io.stains import check_suffixes, check_twins


def named(*templates, cells=range(1, 6)):
    return [Path("scans") / template.format(n=n) for n in cells for template in templates]


@pytest.mark.parametrize(
    "templates",
    [
        ("{n}_Ch1.ome.tif", "{n}_Ch7.ome.tif"),
        ("C1-cell{n}.tif", "C2-cell{n}.tif"),
        ("P_A01_s{n}_w1.TIF", "P_A01_s{n}_w2.TIF"),
        ("img_channel000_position{n:03}_time0_z0.tif", "img_channel001_position{n:03}_time0_z0.tif"),
        ("{n:04}_c0.tif", "{n:04}_c1.tif", "{n:04}_c2.tif"),
        ("{n:04}a.tif", "{n:04}b.tif"),
        ("{n}_red.png", "{n}_trans.png"),
        ("trans {n}.png", "red {n}.png"),
        ("cell{n}-0.png", "cell{n}-1.png"),
        ("r01c{n:02}f01p01-ch1sk1fk1fl1.tiff", "r01c{n:02}f01p01-ch2sk1fk1fl1.tiff"),
        ("MFGTMP_A{n:02}f00d0.TIF", "MFGTMP_A{n:02}f00d1.TIF"),
        ("T0001F{n:03}L01A01Z01C01.tif", "T0001F{n:03}L01A01Z01C02.tif"),
    ],
)
@pytest.mark.parametrize("cells", [1, 2, 5])
def test_channels_of_cells_are_found_wherever_they_stand(templates, cells):
    if cells == 1 and templates[0] == "cell{n}-0.png":
        return  # cell1-0 and cell1-1 alone may be two cells.
    with pytest.raises(ImageError, match="scans: .* and .* may be two channels of one cell; .*--files") as caught:
        check_twins(named(*templates, cells=range(1, cells + 1)), Path("scans"))
    one, other = (Path(template.format(n=1)).name for template in templates[:2])
    assert f"{one} and {other}" in str(caught.value)


@pytest.mark.parametrize(
    "names",
    [
        ["p_1.png", "p_2.png"],
        ["s1_A12.png", "s1_B01.png"],
        ["A1.tif", "A2.tif", "B1.tif", "B2.tif", "C1.tif"],
        ["c1.png", "c2.png", "c3.png"],
        ["a.png", "b.png"],
        ["a/s1_bf.png", "b/s1_tr.png"],
        ["PE012_0001.tif", "PE012_0002.tif", "PE013_0003.tif"],
        [f"p{p}_cell_{n:03}.tif" for p, count in ((1, 40), (2, 12), (3, 25)) for n in range(100 * p, 100 * p + count)],
    ],
)
def test_cells_of_their_own_are_left_in_peace(names):
    check_twins([Path("scans") / name for name in names], Path("scans"))


def test_files_of_one_name_in_two_folders_are_told_elsewhere():
    check_twins([Path("scans/a/7.png"), Path("scans/b/7.png")], Path("scans"))


@pytest.mark.parametrize("word", ["X", "Vimentin", "mCherry", "405", "nuclei", "Hoe", "copy"])
@pytest.mark.parametrize("separator", ["_", "-", " "])
def test_a_name_with_a_word_behind_it_may_be_the_same_cell(word, separator):
    names = [Path("scans/1.tif"), Path("scans/2.tif"), Path(f"scans/1{separator}{word}.tif")]
    with pytest.raises(
        ImageError, match=f"scans: 1.tif and 1{separator}{word}.tif may be two images of one cell; .*BF"
    ):
        check_suffixes(names)


def test_names_without_such_a_word_are_left_in_peace():
    check_suffixes([Path("a/1.tif"), Path("b/1_X.tif"), Path("a/1_2.tif"), Path("a/12.tif"), Path("a/x_BF.tif")])
