"""Files: written without half-written results, and what the system says of them told as errors for people."""

import contextlib
import errno
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tfctc.errors import OutputError, RunError, TfctcError

#: What a disk says while it is written to; any other error there may be about what is read.
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@contextlib.contextmanager
def as_output_errors(path: str | Path, only: tuple[int, ...] = ()) -> Iterator[None]:
    """What the system says is raised as an `OutputError` of `path`; of `only` these numbers, if given."""
    try:
        yield
    except OSError as error:
        if only and error.errno not in only:
            raise
        problem = f"cannot be written ({error.strerror or error})"
        raise OutputError(problem, path=path, fix="choose another output") from None


@contextlib.contextmanager
def tensorflow_disk_errors() -> Iterator[None]:
    """What a disk says to TensorFlow is raised as the `OSError` it was: TensorFlow's errors keep its words alone."""
    try:
        yield
    except Exception as error:
        if type(error).__module__.startswith("tensorflow."):  # Not imported here: the instrument has none.
            for number in DISK:
                if os.strerror(number) in str(error):
                    raise OSError(number, os.strerror(number)) from None
        raise


@contextlib.contextmanager
def temporary_files() -> Iterator[None]:
    """What the system says of files in the folder for temporary ones is raised as an `OutputError`."""
    try:
        yield
    except OSError as error:
        problem = f"temporary files cannot be written ({error.strerror or error})"
        raise OutputError(problem, fix="set TMPDIR to a folder with room") from None


def is_file(path: Path, refusal: type[TfctcError]) -> bool:
    """Whether `path` is a file; where that cannot be found out, `refusal` is raised."""
    return _looked_at(Path.is_file, path, refusal)


def is_folder(path: Path, refusal: type[TfctcError]) -> bool:
    """Whether `path` is a folder; where that cannot be found out, `refusal` is raised."""
    return _looked_at(Path.is_dir, path, refusal)


def _looked_at(look: Callable[[Path], bool], path: Path, refusal: type[TfctcError]) -> bool:
    try:
        return look(path)
    except OSError as error:
        raise refusal(f"cannot be read ({error.strerror})", path=path, fix="check path and permissions") from None


def written_to(path: str | Path) -> Path:
    """The file that is written by the name `path`: what links lead to.

    Raises:
        OutputError: it is there, and a folder, a device or a pipe; or whether it is cannot be found out.
    """
    with as_output_errors(path):
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


def _umask() -> int:
    mask = os.umask(0o077)  # It can only be read by setting it.
    os.umask(mask)
    return mask


def _temporary(path: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))


@contextlib.contextmanager
def atomic_file(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path of the same suffix; on success it becomes `path`, on failure nothing is left.

    Where `path` is a link, it becomes what that leads to.

    Raises:
        OutputError: `path` is there and no regular file, its folder cannot be made or written to, or the disk is full.
    """
    path = Path(path).absolute()
    target = written_to(path)
    with as_output_errors(path):
        target.parent.mkdir(parents=True, exist_ok=True)
        room = _temporary(target)
    try:
        with as_output_errors(path, DISK):
            yield room / path.name
        with as_output_errors(path):
            os.replace(room / path.name, target)
    finally:
        shutil.rmtree(room, ignore_errors=True)


@contextlib.contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yields a temporary folder; on success it becomes `path`, on failure nothing is left.

    Raises:
        OutputError: `path` exists already and is not an empty folder that can be replaced, or cannot be made, or the
            disk is full.
    """
    with as_output_errors(path):
        path = Path(os.path.realpath(path))
        what = "a mount point" if os.path.ismount(path) else "the folder you are in" if path == Path.cwd() else None
        if what:
            raise OutputError(f"is {what}, and cannot be replaced", path=path, fix="name a folder inside it")
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise OutputError("exists already and is not an empty folder", path=path, fix="choose another output")
        path.parent.mkdir(parents=True, exist_ok=True)
        room = _temporary(path)
    try:
        with as_output_errors(path, DISK):
            yield room
        with as_output_errors(path):
            room.chmod(0o777 & ~_umask())
            os.replace(room, path)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON, atomically. NaN is refused: it is not JSON."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def alone_in(folder: Path, who: str) -> Iterator[None]:
    """Makes `folder` and keeps out whoever asks the same for it, as long as the block lasts or this process lives.

    Raises:
        OutputError: it cannot be made.
        RunError: another `who` is at work there.
    """
    import fcntl  # POSIX only, as training is; what is read or predicted needs no lock.

    with as_output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fix = "wait for it, or choose another --output"
            raise RunError(f"another {who} is at work there", path=folder, fix=fix) from None
        yield
    finally:
        os.close(handle)
