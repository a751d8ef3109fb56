"""Images from files, folders and tables; what is refused, and why."""

import errno
import os
import re

import pytest

from tfctc.cells import FileNaming
from tfctc.errors import ConfigError, ImageError, ManifestError, PairingError
from tfctc.inference import sources as search
from tfctc.inference.sources import FoundImage, SearchRules
from tfctc.io import duplicates


@pytest.fixture
def folder(tmp_path):
    """Empty files: finding opens no image."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


def find_cells(images, pattern=None):
    """The images, with a naming of the user's own if there is a pattern."""
    naming = FileNaming(pattern=pattern) if pattern else None
    return search.find_cells(images, SearchRules.of(naming, None))


def found(root, *arguments, **options):
    return {cell: str(path.relative_to(root)) for cell, path, *_ in find_cells(*arguments, **options)}


def test_a_folder_is_searched_at_any_depth_for_images(folder):
    root = folder("b.png", "deep/er/a.TIF", "deep/c.tiff", "notes.txt", "photo.jpg", ".hidden.png", "folder.png/d.png")
    folder(".Trash/e.png", "deep/.snapshot/f.png")
    expected = {"b": "b.png", "c": "deep/c.tiff", "a": "deep/er/a.TIF", "d": "folder.png/d.png"}
    assert found(root, [root]) == expected


def test_files_are_taken_in_the_order_given(folder):
    root = folder("b.png", "a.png")
    assert [cell for cell, *_ in find_cells([root / "b.png", root / "a.png"])] == ["b", "a"]


@pytest.mark.parametrize(
    "pattern", [None, r"(?P<cell>\w+)\.png", "(?P<cell>M\u00fcller)[.]png", "(?P<cell>Mu\u0308ller)[.]png"]
)
def test_ids_are_those_that_import_gives_the_same_names(folder, pattern):
    """A Mac writes an umlaut in two characters, everybody else in one."""
    root = folder("Mu\u0308ller.png")
    assert [cell for cell, *_ in find_cells([root], pattern)] == ["M\u00fcller"]
    assert [cell for cell, *_ in find_cells([root / "Mu\u0308ller.png"])] == ["M\u00fcller"]


@pytest.mark.parametrize("channel", ["BF", "brightfield", "Bright-Field", "trans"])
def test_a_pattern_names_cells_and_keeps_dapi_out(folder, channel):
    root = folder(f"p1/7_{channel}.tif", "p1/7_DAPI.tif", "p1/7_Hoechst.tif", f"p1/8_{channel}.png", "readme.png")
    pattern = r"[^/]+/(?P<cell>\d+)_(?P<channel>[^.]+)\.tif"
    assert found(root, [root], pattern=pattern) == {"7": f"p1/7_{channel}.tif"}


def test_a_pattern_without_channel_selects_by_itself(folder):
    root = folder("7_BF.png", "7_DAPI.png")
    assert found(root, [root], pattern=r"(?P<cell>\d+)_BF\.png") == {"7": "7_BF.png"}
    with pytest.raises(ImageError, match="looks like a DAPI image"):
        find_cells([root], r"(?P<cell>.+)\.png")


@pytest.mark.parametrize(
    "name",
    [
        "7_dapi.png",
        "7DAPI.tif",
        "cellDAPI_7.png",
        "DAPIcell3.png",
        "DAPI3.png",
        "dapi/7.png",
        "x-Hoechst-7.png",
        "DNA.png",
    ],
)
def test_a_name_that_looks_like_dapi_asks_for_a_pattern(folder, name):
    root = folder("1_bf.png", name)
    with pytest.raises(ImageError, match=r"looks like a DAPI image.*--files") as caught:
        find_cells([root])
    assert caught.value.path == str(root / name)


@pytest.mark.parametrize(("name", "word"), [("1_CK.png", "CK"), ("2_CD45.tif", "CD45"), ("panCK/3.png", "panCK")])
@pytest.mark.parametrize("pattern", [None, r"(?P<cell>.+)\.\w+"])
def test_fluorescence_of_other_channels_is_refused(folder, name, word, pattern):
    root = folder(name)
    with pytest.raises(ImageError, match=f"looks like a {word} image") as caught:
        find_cells([root], pattern)
    assert caught.value.path == str(root / name)


def test_files_that_differ_in_their_last_word_ask_for_a_pattern(folder):
    root = folder("p1/7_red.png", "p1/7_trans.png", "p1/8_red.png", "p1/8_trans.png")
    with pytest.raises(ImageError, match="7_red.png and 7_trans.png may be two channels of one cell; .*--files"):
        find_cells([root])
    pattern = r"p1/(?P<cell>\d)_(?P<channel>\w+)\.png"
    assert found(root, [root], pattern=pattern) == {"7": "p1/7_trans.png", "8": "p1/8_trans.png"}


@pytest.mark.parametrize("names", [("p_1", "p_2"), ("s1_A12", "s1_B01"), ("s1_bf", "s2_trans"), ("a/s1_bf", "b/s1_tr")])
def test_numbers_and_places_are_no_channels(folder, names):
    assert len(find_cells([folder(*(f"{name}.png" for name in names))])) == 2


@pytest.mark.parametrize("name", ["dapibara.png", "patient-dnar.png", "undapied.png", "dna_study/7.png"])
def test_a_word_is_not_a_part_of_a_word(folder, name):
    assert len(find_cells([folder(name)])) == 1


def test_a_dapi_file_given_by_name_is_refused_too(folder):
    root = folder("7_DAPI.png")
    with pytest.raises(ImageError, match="looks like a DAPI image"):
        find_cells([root / "7_DAPI.png"])


def test_a_table_gives_ids_and_paths_relative_to_itself_or_absolute(folder):
    root = folder("data/images/7.png")
    table = root / "data" / "manifest.csv"
    other = root / "elsewhere" / "8.png"
    table.write_text(f"patient_id,brightfield,cell_id\np,images/7.png,c7\np,{other},c8\n", encoding="utf-8-sig")
    found = [
        FoundImage("c7", root / "data" / "images" / "7.png", patient_id="p"),
        FoundImage("c8", other, patient_id="p"),
    ]
    assert list(find_cells([table])) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("cell_id,path\n1,a.png\n", "has no column 'brightfield'"),
        ("cell_id,brightfield,brightfield\n1,a.png,b.png\n", "has several columns 'brightfield'"),
        ("cell_id,brightfield\n1,a.png\n2,\n", "line 3 has no"),
        ("cell_id,brightfield\n1\n", "line 2 has 1 value, 2 expected"),
    ],
)
def test_a_table_without_what_is_needed_is_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ManifestError, match=message):
        find_cells([tmp_path / "t.csv"])


def test_a_table_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00cell")
    with pytest.raises(ManifestError, match="cannot be read"):
        find_cells([tmp_path / "t.csv"])


def test_two_images_of_one_cell_are_refused_with_both_names(folder):
    root = folder("a/7.png", "b/7.tif")
    with pytest.raises(
        PairingError, match=f"{re.escape(str(root / 'a/7.png'))} and {re.escape(str(root / 'b/7.tif'))}"
    ):
        find_cells([root])


def test_an_image_given_twice_is_refused(folder):
    root = folder("a/7.png")
    (root / "t.csv").write_text("cell_id,brightfield\n7,a/7.png\n8,b.png\n")
    with pytest.raises(PairingError, match="a/7.png: is given twice; give it once"):
        find_cells([root / "a", root / "t.csv"])


def test_ids_of_one_fingerprint_are_no_duplicates(folder, monkeypatch):
    monkeypatch.setattr(duplicates, "_digest", lambda name: bytes(8))
    root = folder("7.png", "8.png")
    assert len(find_cells([root])) == 2


def test_what_was_found_is_not_held_but_read_again(folder):
    root = folder("t.csv")
    (root / "t.csv").write_text("cell_id,brightfield\n1,a.png\n2,b.png\n")
    images = find_cells([root / "t.csv"])
    (root / "t.csv").write_text("cell_id,brightfield\n3,c.png\nx\n")
    cells = iter(images)
    assert next(cells) == FoundImage("3", root / "c.png") and len(images) == 2
    with pytest.raises(ManifestError, match="line 3"):
        next(cells)


@pytest.mark.parametrize("pattern", ["(", r"(?P<id>\d+)\.png"])
def test_a_pattern_that_is_none_is_refused(folder, pattern):
    with pytest.raises(ConfigError, match="--pattern"):
        find_cells([folder("7.png")], pattern)


def test_a_pattern_that_finds_no_cell_is_told_with_the_file(folder):
    with pytest.raises(ConfigError, match="x.png: matches --pattern .* without its group cell; "):
        find_cells([folder("x.png")], r"(?P<cell>\d)?.*\.png")


def test_a_cell_whose_id_cannot_be_written_is_one_line(folder):
    root = folder("a.png")
    (root / os.fsdecode(b"b\xfc.png")).touch()
    for sources in ([root], [root / os.fsdecode(b"b\xfc.png")]):
        with pytest.raises(ImageError) as caught:
            find_cells(sources)
        assert str(caught.value) == f"{root}/b\\xfc.png: file name is not UTF-8; rename it"
    # What counts is the id.
    (root / os.fsdecode(b"p\xfc")).mkdir()
    (root / os.fsdecode(b"p\xfc") / "c.png").touch()
    assert [cell for cell, *_ in find_cells([root], r".*/(?P<cell>c)\.png")] == ["c"]


def test_what_cannot_be_asked_for_is_one_line(tmp_path, monkeypatch):
    with pytest.raises(ImageError, match="cannot be read .File name too long"):
        find_cells([tmp_path / ("a" * 300)])

    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(ImageError, match=f"{tmp_path}/shut/a.png: cannot be read .Permission denied.; "):
        find_cells([tmp_path / "shut" / "a.png"])


def test_nothing_found_is_a_mistake(folder):
    root = folder("7.png", "notes.txt", "empty.csv")
    (root / "empty.csv").write_text("cell_id,brightfield\n")
    table = root / "empty.csv"
    for sources, pattern, where in (
        ([table], None, f" in {table}"),
        ([table] * 7, None, f" in {', '.join([str(table)] * 5)} and 2 more"),
        ([], None, ""),
    ):
        with pytest.raises(
            ImageError, match=f"^no images found{where}; give PNG or TIFF files, their folder, or a CSV file"
        ):
            find_cells(sources, pattern)
    with pytest.raises(PairingError, match="holds no file with a name like --pattern .*; there is 7.png, for example"):
        find_cells([root], r"(?P<cell>x)\.png")
    with pytest.raises(ImageError, match="no such file or folder"):
        find_cells([root / "nowhere"])
