"""Nothing half-written, whatever happens."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest
import tensorflow as tf

from tfctc.errors import OutputError
from tfctc.io.files import atomic_file, atomic_folder, tensorflow_disk_errors, write_json


def left(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_appears_whole_and_alone(tmp_path):
    with atomic_file(tmp_path / "deep" / "a.txt") as temporary:
        temporary.write_text("whole")
        assert not (tmp_path / "deep" / "a.txt").exists()
    assert (tmp_path / "deep" / "a.txt").read_text() == "whole" and left(tmp_path / "deep") == ["a.txt"]


def test_tensorflows_words_for_a_full_disk_are_those_of_the_system():
    with pytest.raises(OSError, match="No space left on device") as caught, tensorflow_disk_errors():
        raise tf.errors.ResourceExhaustedError(None, None, "/tmp/x; No space left on device [Op:SaveV2]")
    assert caught.value.errno == errno.ENOSPC
    for other in (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"), ValueError("No space left on")):
        with pytest.raises(type(other)), tensorflow_disk_errors():
            raise other


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o755), (0o077, 0o700), (0o002, 0o775)])
def test_a_folder_is_as_open_as_the_user_makes_folders(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        with atomic_folder(tmp_path / "made"):
            pass
        assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == mode and os.umask(mask) == mask
    finally:
        os.umask(before)


def test_a_failure_keeps_the_old_file_and_leaves_nothing(tmp_path):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(RuntimeError), atomic_file(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert (tmp_path / "a.txt").read_text() == "old" and left(tmp_path) == ["a.txt"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    with atomic_folder(tmp_path / "a") as room:
        (room / "x").write_text("1")
    assert left(tmp_path / "a") == ["x"]
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "b") as room:
        (room / "x").write_text("1")
        raise RuntimeError
    assert left(tmp_path) == ["a"]


def test_a_folder_in_the_way_is_kept(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "precious").touch()
    with pytest.raises(OutputError, match="not an empty folder"), atomic_folder(tmp_path / "a"):
        pass
    assert left(tmp_path / "a") == ["precious"]


def test_an_empty_folder_that_cannot_be_replaced_is_told_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(OutputError, match="is the folder you are in.*name a folder inside it"):
        atomic_folder(".").__enter__()
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path).endswith("volume"))
    (tmp_path / "volume").mkdir()
    with pytest.raises(OutputError, match="is a mount point"):
        atomic_folder(tmp_path / "volume").__enter__()


def test_an_empty_folder_that_a_link_leads_to_is_filled(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with atomic_folder(tmp_path / "link") as room:
        (room / "x").touch()
    assert left(tmp_path / "real") == ["x"] and (tmp_path / "link").is_symlink() and len(left(tmp_path)) == 2


@pytest.mark.parametrize("writer", [atomic_file, atomic_folder])
def test_an_unwritable_place_is_one_line(tmp_path, writer):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"), writer(tmp_path / "file" / "below"):
        pass


@pytest.mark.parametrize("writer", [atomic_file, atomic_folder])
def test_a_full_disk_is_one_line_and_another_failure_is_itself(tmp_path, writer):
    full = pytest.raises(OutputError, match="a.txt: cannot be written .No space left")
    with full, writer(tmp_path / "a.txt"), open("/dev/full", "w") as file:
        file.write("1")
    with pytest.raises(FileNotFoundError), writer(tmp_path / "a.txt"):
        (tmp_path / "nowhere").read_text()
    assert left(tmp_path) == []


def test_a_folder_in_the_place_of_a_file_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(OutputError, match="is a folder"), atomic_file(tmp_path):
        raise AssertionError("too late")


def test_what_a_link_leads_to_is_written_and_the_link_stays(tmp_path):
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "real").write_text("old")
    for name, to in (("a.txt", "kept/real"), ("b.txt", "a.txt"), ("new.txt", "kept/new")):
        (tmp_path / name).symlink_to(to)
    for name, to in (("a.txt", "real"), ("b.txt", "real"), ("new.txt", "new")):
        with atomic_file(tmp_path / name) as temporary:
            assert temporary.suffix == ".txt"
            temporary.write_text(name)
        assert (tmp_path / name).is_symlink() and (tmp_path / "kept" / to).read_text() == name
    assert left(tmp_path) == ["a.txt", "b.txt", "kept", "new.txt"] and left(tmp_path / "kept") == ["new", "real"]


@pytest.mark.parametrize("kind", ["pipe", "round", "device"])
def test_what_is_no_regular_file_is_kept(tmp_path, kind):
    path = Path("/dev/null") if kind == "device" else tmp_path / "a.txt"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "round":
        path.symlink_to("a.txt")
    before = path.lstat()
    with pytest.raises(OutputError, match=f"{path}: is not a regular file; choose"), atomic_file(path):
        raise AssertionError("too late")
    assert (stat.S_IFMT(path.lstat().st_mode), path.lstat().st_ino) == (stat.S_IFMT(before.st_mode), before.st_ino)


@pytest.mark.parametrize("writer", [atomic_file, atomic_folder])
def test_a_place_that_may_not_be_looked_at_or_cannot_be_is_one_line(tmp_path, writer, monkeypatch):
    with pytest.raises(OutputError, match="cannot be written .File name too long"), writer(tmp_path / ("a" * 300)):
        pass

    def shut(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "stat", shut)
    monkeypatch.setattr(os, "lstat", shut)
    with pytest.raises(OutputError, match="a.txt: cannot be written .Permission denied"), writer(tmp_path / "a.txt"):
        pass


def test_json_refuses_nan_and_keeps_the_old(tmp_path):
    write_json(tmp_path / "a.json", {"x": 1.5})
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": 1.5}
