"""Atomic writing of files and folders, and the system's errors about it as `OutputError`."""

import contextlib
import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfctc.errors import OutputError

#: Error numbers of a failed write. In a block that also reads files, any other number may be about a file that is read.
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextlib.contextmanager
def output_errors(path: str | Path, only: tuple[int, ...] = ()) -> Iterator[None]:
    """Raises the system's errors inside the block as an `OutputError`.

    Args:
        path: file or folder that the block writes, for the message.
        only: error numbers to convert; () converts all.
    """
    try:
        yield
    except OSError as error:
        if only and error.errno not in only:
            raise
        problem = f"cannot be written ({error.strerror or error})"
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        fix = "choose another output on a disk with room" if full else "choose another output"
        raise OutputError(problem, path=path, fix=fix) from None


@contextlib.contextmanager
def tensorflow_disk_errors() -> Iterator[None]:
    """Raises TensorFlow's errors about a failed write as the `OSError` behind them.

    TensorFlow's own error has the text of that error, but not its number.
    """
    try:
        yield
    except Exception as error:
        # By name: the instrument has no TensorFlow, so its error classes cannot be imported here.
        if type(error).__module__.startswith("tensorflow."):
            for number in DISK_ERRORS:
                if os.strerror(number) in str(error):
                    raise OSError(number, os.strerror(number)) from None
        raise


@contextlib.contextmanager
def temporary_file_errors() -> Iterator[None]:
    """Raises the system's errors about temporary files as an `OutputError`."""
    try:
        yield
    except OSError as error:
        problem = f"temporary files cannot be written ({error.strerror or error})"
        raise OutputError(problem, fix="set TMPDIR to a folder with room") from None


def output_file(path: str | Path) -> Path:
    """Path of the regular file that would be written for `path`: links are followed, and it need not exist.

    Raises:
        OutputError: `path` is a folder, a device or a pipe, or cannot be looked up.
    """
    with output_errors(path):
        target = Path(os.path.realpath(path))
        try:
            mode = target.lstat().st_mode
        except FileNotFoundError:
            return target
    if stat.S_ISDIR(mode):
        raise OutputError("is a folder, a file is expected", path=path, fix="choose another output")
    if not stat.S_ISREG(mode):
        raise OutputError("is not a regular file", path=path, fix="choose another output")
    return target


@contextlib.contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path of the same file name; on success it becomes `path`, on failure nothing is left.

    If `path` is a link, its target is replaced.

    Raises:
        OutputError: `path` exists and is not a regular file, its folder cannot be written to, or the disk is full.
    """
    path = Path(path).absolute()
    target = output_file(path)
    with output_errors(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary_folder(target)
    try:
        with output_errors(path, DISK_ERRORS):
            yield temporary / path.name
        with output_errors(path):
            os.replace(temporary / path.name, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yields a temporary folder; on success it becomes `path`, on failure nothing is left.

    Raises:
        OutputError: `path` exists and is not an empty folder that can be replaced, cannot be created, or the disk is
            full.
    """
    with output_errors(path):
        path = Path(os.path.realpath(path))
        kind = "a mount point" if os.path.ismount(path) else "the folder you are in" if path == Path.cwd() else None
        if kind:
            raise OutputError(f"is {kind}, and cannot be replaced", path=path, fix="name a folder inside it")
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise OutputError("exists already and is not an empty folder", path=path, fix="choose another output")
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary_folder(path)
    try:
        with output_errors(path, DISK_ERRORS):
            yield temporary
        with output_errors(path):
            temporary.chmod(0o777 & ~_umask())
            os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON, atomically.

    Raises:
        OutputError: as `atomic_file`.
        ValueError: a NaN or an infinite number, which JSON does not have.
    """
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _temporary_folder(path: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))


def _umask() -> int:
    mask = os.umask(0o077)  # The mask can only be read by setting it.
    os.umask(mask)
    return mask
