"""Locks between processes: one holder at a time, nothing left behind, and a killed holder in nobody's way."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from tfctc.errors import OutputError, RunError
from tfctc.io import locks
from tfctc.io.locks import file_lock, folder_lock

HOLD = """
import sys
from pathlib import Path
from tfctc.io.locks import file_lock, folder_lock

kind, path = sys.argv[1:]
with {"file": file_lock, "folder": folder_lock}[kind](Path(path), "tfctc fit"):
    print("held", flush=True)
    sys.stdin.readline()
"""

COUNT = """
import sys
from pathlib import Path
from tfctc.errors import OutputError
from tfctc.io.locks import file_lock

path, done, turns = Path(sys.argv[1]), 0, int(sys.argv[2])
while done < turns:
    try:
        with file_lock(path, "count"):
            number = int(path.read_text())
            path.write_text("")  # So that a second process in here fails at once.
            path.write_text(str(number + 1))
        done += 1
    except OutputError:
        pass
"""


def python(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def hold():
    """Starts another process that holds a lock until it is killed or its input ends."""
    holders = []

    def start(kind, path):
        holders.append(python(HOLD, kind, path))
        assert holders[-1].stdout.readline() == "held\n"
        return holders[-1]

    yield start
    for holder in holders:
        holder.kill()
        holder.communicate()


def test_one_at_a_time_holds_the_lock_of_a_folder(tmp_path):
    folder = tmp_path / "new" / "run"
    with folder_lock(folder, "tfctc fit"):
        assert folder.is_dir()
        with pytest.raises(RunError, match="run: another tfctc fit is at work there; wait"):
            folder_lock(folder, "tfctc fit").__enter__()
    with folder_lock(folder, "tfctc fit"):
        pass
    assert list(folder.iterdir()) == []


def test_a_lock_is_free_again_after_a_failure(tmp_path):
    with pytest.raises(ZeroDivisionError), folder_lock(tmp_path, "tfctc fit"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
    with folder_lock(tmp_path, "tfctc fit"):
        pass


def test_another_process_is_kept_out_until_the_holder_ends(tmp_path, hold):
    folder, table = tmp_path / "run", tmp_path / "table.csv"
    holders = [hold("folder", folder), hold("file", table)]
    with pytest.raises(RunError, match="run: another tfctc fit is at work there; wait until it has ended"):
        folder_lock(folder, "tfctc fit").__enter__()
    with pytest.raises(OutputError, match="table.csv: is being written by another tfctc predict; choose another"):
        file_lock(table, "tfctc predict").__enter__()
    for holder in holders:
        holder.communicate("\n")
        assert holder.returncode == 0
    assert list(folder.iterdir()) == [] and list(tmp_path.iterdir()) == [folder]
    with folder_lock(folder, "tfctc fit"), file_lock(table, "tfctc predict"):
        pass


def test_the_lock_of_a_killed_holder_is_free_and_its_file_is_taken_over(tmp_path, hold):
    holder = hold("folder", tmp_path)
    (left,) = tmp_path.iterdir()
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert left.exists() and not left.stat().st_size, "a killed process removes nothing"
    with folder_lock(tmp_path, "tfctc fit"):
        assert list(tmp_path.iterdir()) == [left]
        with pytest.raises(RunError, match="another tfctc fit is at work"):
            folder_lock(tmp_path, "tfctc fit").__enter__()
    assert list(tmp_path.iterdir()) == []


def test_two_processes_that_take_turns_are_never_in_at_once(tmp_path):
    """Each reads a number and writes it plus one: a lost update would show. The lock file goes at every turn."""
    (tmp_path / "number").write_text("0")
    processes = [python(COUNT, tmp_path / "number", 300) for _ in range(2)]
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0, 0]
    assert (tmp_path / "number").read_text() == "600"
    assert [path.name for path in tmp_path.iterdir()] == ["number"]


def test_a_lock_whose_file_was_removed_while_it_was_taken_is_taken_anew(tmp_path, monkeypatch):
    """The last holder removed the file between the opening and the locking of the next one."""
    taken, lock = [], locks.lock_descriptor

    def late(descriptor, blocking):
        if not taken:
            next(tmp_path.iterdir()).unlink()
        taken.append(descriptor)
        return lock(descriptor, blocking=blocking)

    monkeypatch.setattr(locks, "lock_descriptor", late)
    with folder_lock(tmp_path, "tfctc fit"):
        assert len(taken) == 2 and len(list(tmp_path.iterdir())) == 1
        with pytest.raises(RunError):
            folder_lock(tmp_path, "tfctc fit").__enter__()


def test_a_link_and_its_file_have_one_lock(tmp_path):
    (tmp_path / "link.csv").symlink_to("table.csv")
    with (
        file_lock(tmp_path / "link.csv", "tfctc predict"),
        pytest.raises(OutputError, match="table.csv: is being written by another tfctc predict"),
    ):
        file_lock(tmp_path / "table.csv", "tfctc predict").__enter__()
    with file_lock(tmp_path / "link.csv", "a"), file_lock(tmp_path / "other.csv", "b"):
        pass


def test_a_file_in_the_place_of_a_folder_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file: cannot be written"), folder_lock(tmp_path / "file", "tfctc fit"):
        pass
    with pytest.raises(OutputError, match="t.csv: cannot be written .No such file"):
        file_lock(tmp_path / "nowhere" / "t.csv", "tfctc predict").__enter__()


def test_a_disk_that_knows_no_locks_is_one_line_and_nothing_stays_open(tmp_path, monkeypatch):
    opened = []

    def refuse(descriptor, blocking):
        opened.append(descriptor)
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(locks, "lock_descriptor", refuse)
    with pytest.raises(OutputError, match="cannot be written .No locks available"):
        folder_lock(tmp_path, "tfctc fit").__enter__()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened[0])
