"""Every image file below a folder, or a word why not."""

import errno
import os
from pathlib import Path

import pytest

from tfctc.data.importers.pairing import image_files, pair
from tfctc.errors import ConfigError, ImageError, PairingError

PATTERN = r"(?P<cell>c\d)_(?P<channel>BF|DAPI)\.png"


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def found(folder):
    return [path.relative_to(folder).as_posix() for path in image_files(folder)]


@pytest.fixture
def shut(monkeypatch):
    """Folders of these names cannot be read; the tests may be run by root, who can read all."""

    def close(*names, number=errno.EACCES):
        scandir = os.scandir

        def refusing(path):
            if Path(path).name in names:
                raise OSError(number, os.strerror(number), str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", refusing)

    return close


def test_a_folder_that_cannot_be_read_is_named(tmp_path, shut):
    touch(tmp_path, "p1/c1_BF.png", "p2/c2_BF.png")
    shut("p2")
    with pytest.raises(PairingError, match=f"{tmp_path}/p2: cannot be read .Permission denied.; ") as caught:
        pair(tmp_path, r"[^/]+/" + PATTERN)
    assert caught.value.path == str(tmp_path / "p2")


def test_a_folder_that_is_gone_again_is_none(tmp_path, shut):
    touch(tmp_path, "p1/a.png", "p2/b.png")
    shut("p2", number=errno.ENOENT)
    assert found(tmp_path) == ["p1/a.png"]


def test_a_folder_that_cannot_be_asked_for_is_named(tmp_path, monkeypatch):
    with pytest.raises(ImageError, match="cannot be read .File name too long"):
        list(image_files(tmp_path / ("a" * 300)))

    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(ImageError, match=f"{tmp_path}/shut/p: cannot be read .Permission denied.; "):
        list(image_files(tmp_path / "shut" / "p"))


def test_linked_folders_are_searched_too_once_and_behind_the_others(tmp_path):
    scans = touch(tmp_path / "scans", "b/1.png", ".kept/4.png", "z.png")
    touch(tmp_path / "disk", "2.png", "deep/3.png")
    for link, to in (
        ("a", "b"),  # is there by itself
        ("far", tmp_path / "disk"),
        ("far_again", tmp_path / "disk" / "deep"),
        ("b/round", ".."),
        ("nowhere", "nothing"),
        ("visible", ".kept"),
        (".hidden", tmp_path / "disk"),
    ):
        (scans / link).symlink_to(to)
    (tmp_path / "disk" / "back").symlink_to(scans)
    assert found(scans) == ["z.png", "b/1.png", "far/2.png", "far/deep/3.png", "visible/4.png"]
    (tmp_path / "linked").symlink_to(scans)
    assert found(tmp_path / "linked") == found(scans)


def test_a_linked_folder_is_paired(tmp_path):
    touch(tmp_path / "disk", "c1_BF.png")
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "p1").symlink_to(tmp_path / "disk")
    assert pair(tmp_path / "scans", "(?P<patient>[^/]+)/" + PATTERN).cells["c1"].patient == "p1"


@pytest.mark.parametrize("name", [b"c1\xfc_BF.png", b"p\xfc/c1_BF.png"])
def test_a_name_that_no_manifest_can_hold_is_one_line(tmp_path, name):
    path = os.fsencode(tmp_path) + b"/" + name
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").close()
    with pytest.raises(ImageError) as caught:
        pair(tmp_path, ".*" + PATTERN)
    shown = name.decode(errors="backslashreplace")
    assert str(caught.value) == f"{tmp_path}/{shown}: file name is not UTF-8; rename it"


def test_a_pattern_that_finds_no_cell_is_told_with_the_file(tmp_path):
    touch(tmp_path, "c1_BF.png", "_PE.png")
    pattern = r"(?P<cell>x\d)?.*_(?P<channel>BF|PE)\.png"
    with pytest.raises(ConfigError) as caught:
        pair(tmp_path, pattern)
    assert str(caught.value).startswith(f"c1_BF.png: matches --pattern {pattern!r} without its group cell; ")


def test_channels_are_told_apart_in_any_script(tmp_path):
    touch(tmp_path, "c1_明場.png", "c1_蛍光.png", "c2_蛍光.png", "c2_明場.png", "c3_位相.png")
    pattern, names = r"(?P<cell>c\d)_(?P<channel>.+)\.png", {"明場": "brightfield", "蛍光": "dapi"}
    cells = pair(tmp_path, pattern, names)
    assert {cell: sorted(found.files) for cell, found in cells.cells.items()} == {
        "c1": ["brightfield", "dapi"], "c2": ["brightfield", "dapi"],
    }  # fmt: skip
    assert cells.ignored == {"位相": 1}
    with pytest.raises(ConfigError, match="--channel: a name needs a letter or a digit"):
        pair(tmp_path, pattern, {"--": "dapi"})
