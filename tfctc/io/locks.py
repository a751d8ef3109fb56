"""Locks: one process at a time writes a folder or a file.

A lock is an empty hidden file, which its holder removes at the end. If the holder is killed, its lock is free at once,
and the next holder uses the file that was left. `filelock` does the locking on POSIX and on Windows.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import lock_descriptor

from tfctc.errors import OutputError, RunError
from tfctc.io.files import output_errors

FOLDER_LOCK = ".lock"


@contextlib.contextmanager
def folder_lock(folder: Path, holder: str) -> Iterator[None]:
    """Creates `folder` if it is missing, and holds its lock.

    Args:
        folder: the folder.
        holder: name of the command that takes this lock, for the message of the next one.

    Raises:
        OutputError: the folder cannot be created.
        RunError: another process holds the lock.
    """
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / FOLDER_LOCK, folder) as held:
        if not held:
            fix = "wait until it has ended"
            raise RunError(f"another {holder} is at work there", path=folder, fix=fix)
        yield


@contextlib.contextmanager
def file_lock(path: Path, holder: str) -> Iterator[None]:
    """Holds the lock of a file.

    Args:
        path: the file, which need not exist; its folder must.
        holder: name of the command that takes this lock, for the message of the next one.

    Raises:
        OutputError: another process holds the lock, or the folder cannot be written to.
    """
    target = Path(os.path.realpath(path))
    with _lock(target.with_name(f".{target.name}.lock"), path) as held:
        if not held:
            raise OutputError(f"is being written by another {holder}", path=path, fix="choose another --output")
        yield


@contextlib.contextmanager
def _lock(lock: Path, path: Path) -> Iterator[bool]:
    """Yields whether the lock was free; holds it until the block ends."""
    while True:
        with output_errors(path):
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                free = lock_descriptor(descriptor, blocking=False)
            except OSError:  # For example a network disk without locks.
                os.close(descriptor)
                raise
        if not free:
            os.close(descriptor)
            yield False
            return
        # The last holder may have removed the file after it was opened here. Then this lock excludes nobody.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(lock)):
                break
        os.close(descriptor)
    try:
        yield True
    finally:
        with contextlib.suppress(OSError):  # Windows cannot remove an open file; there it stays, empty.
            os.unlink(lock)
        os.close(descriptor)
