"""Writing without half-written results: to a temporary name beside the target, then one rename."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tfctc.errors import OutputError

#: What a disk says while it is written to; any other error there may be about what is read.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextlib.contextmanager
def _as_output_errors(path: Path, only: tuple[int, ...] = ()) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if only and error.errno not in only:
            raise
        problem = f"cannot be written ({error.strerror or error})"
        raise OutputError(problem, path=path, fix="choose another output") from None


def _temporary(path: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))


@contextlib.contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path of the same suffix; on success it becomes `path`, on failure nothing is left.

    Raises:
        OutputError: `path` is a folder, its folder cannot be made or written to, or the disk is full.
    """
    path = Path(path).absolute()
    if path.is_dir():
        raise OutputError("is a folder, a file is to be written", path=path, fix="choose another output")
    with _as_output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        room = _temporary(path)
    try:
        with _as_output_errors(path, DISK):
            yield room / path.name
        with _as_output_errors(path):
            os.replace(room / path.name, path)
    finally:
        shutil.rmtree(room, ignore_errors=True)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yields a temporary folder; on success it becomes `path`, on failure nothing is left.

    Raises:
        OutputError: `path` exists already and is not empty, or cannot be made, or the disk is full.
    """
    path = Path(path).absolute()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OutputError("exists already and is not an empty folder", path=path, fix="choose another output")
    with _as_output_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        room = _temporary(path)
    try:
        with _as_output_errors(path, DISK):
            yield room
        with _as_output_errors(path):
            room.chmod(0o755)
            os.replace(room, path)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON, atomically. NaN is refused: it is not JSON."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
