"""Opening of regular files, without waiting for someone who writes to a pipe."""

import os
import stat
from pathlib import Path
from typing import BinaryIO


class NotRegularError(OSError):
    """A pipe, a device or a socket, where a file is expected."""


def open_regular(path: str | Path, buffering: int = -1) -> BinaryIO:
    """Opens a file for reading bytes.

    Args:
        path: path of the file.
        buffering: as for `open`; 0 gives a file without a buffer.

    Raises:
        NotRegularError: something else than a file.
        OSError, ValueError: as `open`, also for a folder.
    """
    file = open(path, "rb", buffering=buffering, opener=_without_waiting)  # noqa: SIM115  (the caller closes it)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise NotRegularError("not a regular file")
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Not on Windows.
