"""Bytes of a regular file, read by position, without waiting for a pipe and never beyond the file's end."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tfctc.errors import ImageError
from tfctc.io.regular import NotRegularError, open_regular

#: Number of bytes that are read at once: most images of one cell are whole.
HEAD = 2**16


class Source:
    """The bytes of an open file.

    Attributes:
        size: number of bytes.
        head: the first `HEAD` bytes, or all if there are fewer.
    """

    def __init__(self, file: BinaryIO, size: int):
        self.size = size
        self._file = file
        self.head = memoryview(b"")
        self.head = self.read(0, min(size, HEAD))

    def read(self, start: int, count: int) -> memoryview:
        """`count` bytes from position `start`.

        Raises:
            EOFError: they are not all in the file.
        """
        end = start + count
        if start < 0 or count < 0 or end > self.size:
            raise EOFError
        if end <= len(self.head):
            return self.head[start:end]
        self._file.seek(start)
        parts, left = [], count
        while left:  # An unbuffered read may give less than was asked for.
            part = self._file.read(left)
            if not part:
                raise EOFError
            parts.append(part)
            left -= len(part)
        return memoryview(parts[0] if len(parts) == 1 else b"".join(parts))


@contextlib.contextmanager
def open_source(path: str | Path) -> Iterator[Source]:
    """Yields the `Source` of a file; afterwards the file is closed.

    Raises:
        ImageError: a file that is missing, not a regular file, or cannot be opened.
    """
    try:
        file = open_regular(path, buffering=0)
    except FileNotFoundError:
        raise ImageError("no such file", fix="check the path or the manifest") from None
    except IsADirectoryError:
        raise ImageError("is a folder, an image file is expected", fix="give the files in it") from None
    except NotRegularError as error:
        raise ImageError(f"is {error}", fix="save the image as a file, and give that") from None
    except (OSError, ValueError) as error:
        problem = f"cannot be read ({getattr(error, 'strerror', None) or error})"
        raise ImageError(problem, fix="check path and permissions") from None
    with file:
        yield Source(file, os.fstat(file.fileno()).st_size)
