"""Every image file below a folder, or a word why not."""

import errno
import os
from pathlib import Path

import pytest
from empty_files import touch

from tfctc.errors import ImageError, ManifestError, PairingError
from tfctc.io.folders import image_files, is_file, is_folder


def found(folder, *arguments):
    return [path.relative_to(folder).as_posix() for path in image_files(folder, *arguments)]


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


def test_images_are_found_at_any_depth_in_a_fixed_order(tmp_path):
    touch(tmp_path, "b/2.png", "b/10.TIF", "a/1.tiff", "z.Png", "notes.txt", ".hidden.png", "b/.trash/3.png")
    assert found(tmp_path) == ["z.Png", "a/1.tiff", "b/10.TIF", "b/2.png"]
    assert found(tmp_path, ("",)) == ["notes.txt", "z.Png", "a/1.tiff", "b/10.TIF", "b/2.png"]
    assert found(tmp_path, (".txt",)) == ["notes.txt"]


def test_what_a_path_is_and_what_cannot_be_asked_for(tmp_path, monkeypatch):
    touch(tmp_path, "file.png")
    (tmp_path / "nowhere").symlink_to("nothing")
    paths = [tmp_path, tmp_path / "file.png", tmp_path / "nowhere", tmp_path / "none"]
    assert [is_file(path, ImageError) for path in paths] == [False, True, False, False]
    assert [is_folder(path, ImageError) for path in paths] == [True, False, False, False]
    monkeypatch.setattr(os, "stat", refusing)
    for question, error in ((is_file, ManifestError), (is_folder, PairingError)):
        with pytest.raises(error, match=f"{tmp_path}/none: cannot be read .Permission denied.; check path and perm"):
            question(tmp_path / "none", error)


def refusing(*arguments, **options):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def test_a_folder_that_cannot_be_read_is_named(tmp_path, shut):
    touch(tmp_path, "p1/a.png", "p2/b.png")
    shut("p2")
    with pytest.raises(PairingError, match=f"{tmp_path}/p2: cannot be read .Permission denied.; ") as caught:
        found(tmp_path)
    assert caught.value.path == str(tmp_path / "p2")


def test_a_folder_that_is_gone_again_is_none(tmp_path, shut):
    touch(tmp_path, "p1/a.png", "p2/b.png")
    shut("p2", number=errno.ENOENT)
    assert found(tmp_path) == ["p1/a.png"]


def test_a_folder_that_cannot_be_asked_for_is_named(tmp_path, monkeypatch):
    with pytest.raises(ImageError, match="cannot be read .File name too long"):
        list(image_files(tmp_path / ("a" * 300)))
    with pytest.raises(PairingError, match="none: is not a folder; give the folder of the images"):
        list(image_files(tmp_path / "none"))
    monkeypatch.setattr(os, "stat", refusing)
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
