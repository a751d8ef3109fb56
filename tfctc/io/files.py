"""Writing files and folders completely or not at all, with the system's complaints as errors for people."""

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

#: Errors of a disk that is being written to; any other error there may be about the file that is read.
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextlib.contextmanager
def output_errors(path: str | Path, only: tuple[int, ...] = ()) -> Iterator[None]:
    """Raises the system's errors inside the block as an `OutputError` of `path`; if `only` is given, those numbers."""
    try:
        yield
    except OSError as error:
        if only and error.errno not in only:
            raise
        problem = f"cannot be written ({error.strerror or error})"
        raise OutputError(problem, path=path, fix="choose another output") from None


@contextlib.contextmanager
def tensorflow_disk_errors() -> Iterator[None]:
    """Raises a full disk that TensorFlow met as the `OSError` it was; TensorFlow's own error keeps only the words."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.startswith("tensorflow."):  # Not imported here: the instrument has none.
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
    """The regular file that writing to `path` writes, links followed; it need not exist.

    Raises:
        OutputError: a folder, a device or a pipe, or a path that cannot be looked up.
    """
    with output_errors(path):
        target = Path(os.path.realpath(path))
        try:
            mode = target.lstat().st_mode
        except FileNotFoundError:
            return target
    if stat.S_ISDIR(mode):
        raise OutputError("is a folder, a file is to be written", path=path, fix="choose another output")
    if not stat.S_ISREG(mode):
        raise OutputError("is no regular file", path=path, fix="choose another output")
    return target


@contextlib.contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path of the same suffix; on success it becomes `path`, on failure nothing is left.

    If `path` is a link, its target is written.

    Raises:
        OutputError: `path` exists and is no regular file, its folder cannot be written to, or the disk is full.
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
        what = "a mount point" if os.path.ismount(path) else "the folder you are in" if path == Path.cwd() else None
        if what:
            raise OutputError(f"is {what}, and cannot be replaced", path=path, fix="name a folder inside it")
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
    """Writes `value` as indented JSON, atomically. NaN is refused: it is not JSON."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _temporary_folder(path: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))


def _umask() -> int:
    mask = os.umask(0o077)  # It can only be read by setting it.
    os.umask(mask)
    return mask
