"""Locks: one process at a time writes a folder or a table.

The lock is an empty hidden file that the holder removes at the end. A killed holder's lock is free at once, and its
file is taken over. `filelock` does the locking on POSIX and on Windows.
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
    """Creates `folder` if need be and holds its lock.

    Args:
        holder: command that takes this lock, for the message.

    Raises:
        OutputError: the folder cannot be created.
        RunError: another process holds the lock.
    """
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder / FOLDER_LOCK, folder) as held:
        if not held:
            fix = "wait for it, or choose another --output"
            raise RunError(f"another {holder} is at work there", path=folder, fix=fix)
        yield


@contextlib.contextmanager
def file_lock(path: Path, holder: str) -> Iterator[None]:
    """Holds the lock of the file `path`, which need not exist; its folder must.

    Args:
        holder: command that takes this lock, for the message.

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
            except OSError:  # A network disk without locks.
                os.close(descriptor)
                raise
        if not free:
            os.close(descriptor)
            yield False
            return
        # The last holder may have removed the file after it was opened here; then the lock is on nothing.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(lock)):
                break
        os.close(descriptor)
    try:
        yield True
    finally:
        with contextlib.suppress(OSError):  # Windows removes no open file: then it stays, empty.
            os.unlink(lock)
        os.close(descriptor)
