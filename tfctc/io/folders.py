"""Folders: files or folders at a path, and the image files below one."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tfctc.errors import ImageError, PairingError, TfctcError

#: Endings of the names of image files.
SUFFIXES = (".png", ".tif", ".tiff")


def is_file(path: Path, error: type[TfctcError]) -> bool:
    """Whether `path` is a file; raises `error` where the system refuses to say (permissions, an over-long name)."""
    return _asked(Path.is_file, path, error)


def is_folder(path: Path, error: type[TfctcError]) -> bool:
    """Whether `path` is a folder; raises `error` where the system refuses to say (permissions, an over-long name)."""
    return _asked(Path.is_dir, path, error)


def _asked(question: Callable[[Path], bool], path: Path, error: type[TfctcError]) -> bool:
    try:
        return question(path)
    except OSError as problem:
        raise error(f"cannot be read ({problem.strerror})", path=path, fix="check path and permissions") from None


def image_files(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> Iterator[Path]:
    """Yields every image file below `folder`, in a fixed order; hidden files and folders are skipped.

    Each folder is read once, however many links lead to it: by its own path if it has one below `folder`.

    Args:
        suffixes: file name endings in small letters; ("",) yields all files.

    Raises:
        ImageError, PairingError: `folder` is not a folder, or it or one below it cannot be read.
    """
    if not is_folder(folder, ImageError):
        raise PairingError("is not a folder", path=folder, fix="give the folder of the images")
    waiting, seen = [folder], set()
    for top in waiting:  # Links found on the way join at the end.
        for parent, folders, files in os.walk(top, onerror=_raise_unreadable):
            if (real := os.path.realpath(parent)) in seen:
                folders.clear()
                continue
            seen.add(real)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            waiting += [link for name in folders if (link := Path(parent, name)).is_symlink()]
            for name in sorted(files):
                if name.lower().endswith(suffixes) and not name.startswith("."):
                    yield Path(parent, name)


def _raise_unreadable(error: OSError) -> None:
    # In a folder that is being filled, folders may come and go.
    if not isinstance(error, FileNotFoundError):
        fix = "make the folder readable, or take it away"
        raise PairingError(f"cannot be read ({error.strerror})", path=error.filename, fix=fix) from None
