"""Mapping on disk, from text to dataclasses: millions of cells need little memory."""

import sqlite3
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Generic, TypeVar

import msgspec

from tfctc.errors import OutputError

T = TypeVar("T")
#: Memory that SQLite may use for pages, in kibibytes.
CACHE_KB = 4096


class DiskDict(MutableMapping[str, T], Generic[T]):
    """A mapping in a temporary file, which the system removes with the process. Iteration is in order of the keys.

    A value that has been read is a copy: store it again if you change it.

    Args:
        kind: the dataclass of the values.

    Raises:
        OutputError: the temporary file cannot be written or read. Every method may raise it.
    """

    def __init__(self, kind: type[T]):
        self._encode: Callable[[T], bytes] = msgspec.json.Encoder().encode
        self._decode: Callable[[bytes], T] = msgspec.json.Decoder(kind).decode
        with _disk_errors():
            self._database = sqlite3.connect("", isolation_level=None)  # A temporary file.
            for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{CACHE_KB}"):
                self._database.execute(f"PRAGMA {setting}")
            self._database.execute("CREATE TABLE items (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID")
            self._database.execute("BEGIN")

    def __getitem__(self, key: str) -> T:
        with _disk_errors():
            row = self._database.execute("SELECT value FROM items WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise KeyError(key)
        return self._decode(row[0])

    def __setitem__(self, key: str, value: T) -> None:
        with _disk_errors():
            self._database.execute("INSERT OR REPLACE INTO items VALUES (?, ?)", (key, self._encode(value)))

    def __delitem__(self, key: str) -> None:
        with _disk_errors():
            if not self._database.execute("DELETE FROM items WHERE key = ?", (key,)).rowcount:
                raise KeyError(key)

    def __len__(self) -> int:
        with _disk_errors():
            return self._database.execute("SELECT count(*) FROM items").fetchone()[0]

    def __iter__(self) -> Iterator[str]:
        with _disk_errors():
            # The order of SQLite is that of the bytes of UTF-8, and so that of Python's text.
            for (key,) in self._database.execute("SELECT key FROM items ORDER BY key"):
                yield key

    def __contains__(self, key: object) -> bool:
        with _disk_errors():
            return self._database.execute("SELECT 1 FROM items WHERE key = ?", (key,)).fetchone() is not None

    def __del__(self) -> None:
        if hasattr(self, "_database"):
            self._database.close()


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        fix = "set TMPDIR to a folder with room"
        raise OutputError(f"temporary files cannot be written ({error})", fix=fix) from None
