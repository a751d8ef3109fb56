"""Directories of a TIFF file, classic or BigTIFF, in either byte order: their tags, and nothing of the pixels.

Source of the numbers: TIFF 6.0, section 2; BigTIFF as in libtiff.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tfctc.errors import ImageError
from tfctc.io.pixels.plane import AGAIN
from tfctc.io.pixels.source import Source

#: First bytes of a TIFF file -> character of its byte order for `struct`, whether it is a BigTIFF.
HEADERS = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
#: Type of a value -> character for `struct`. A rational is two numbers.
TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 5: "II", 6: "b", 7: "B", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d"}
TYPES |= {13: "I", 16: "Q", 17: "q", 18: "Q"}
SIZES = {kind: struct.calcsize("=" + letters) for kind, letters in TYPES.items()}
INTEGERS = (1, 3, 4, 6, 8, 9, 13, 16, 17, 18)
#: Bounds. A directory has about 20 tags; the longest table of numbers is the colour table of 16 bits.
MOST_DIRECTORIES, MOST_TAGS, MOST_NUMBERS, MOST_TEXT = 4096, 4096, 3 * 2**16, 2**22


@dataclass(frozen=True)
class Directory:
    """The tags of one image of a TIFF file. Values are read when they are asked for.

    Args:
        source: the file.
        order: byte order of the file, "<" or ">".
        entries: tag -> type, number of values, and the field that holds the values or their position.
    """

    source: Source
    order: str
    entries: Mapping[int, tuple[int, int, bytes]]

    def __contains__(self, tag: int) -> bool:
        return tag in self.entries

    def raw(self, tag: int, most: int = MOST_TEXT) -> bytes:
        """Bytes of the values of a tag; b"" if there is none.

        Raises:
            ImageError: of an unknown type, or more than `most` bytes.
            EOFError: they are not in the file.
        """
        if tag not in self.entries:
            return b""
        kind, count, field = self.entries[tag]
        if kind not in SIZES:
            raise ImageError(f"is damaged: TIFF tag {tag} has the unknown type {kind}", fix=AGAIN)
        size = count * SIZES[kind]
        if size <= len(field):
            return field[:size]
        if size > most:
            raise ImageError(f"has {size} bytes in TIFF tag {tag}, {most} at most are read", fix=AGAIN)
        (start,) = struct.unpack(self.order + ("I" if len(field) == 4 else "Q"), field)
        return bytes(self.source.read(start, size))

    def numbers(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Whole numbers of a tag; `default` if there is none.

        Raises:
            ImageError: values that are not whole numbers, or more than `MOST_NUMBERS`.
            EOFError: they are not in the file.
        """
        if tag not in self.entries:
            return default
        kind, count, _ = self.entries[tag]
        if kind not in INTEGERS or not count:
            raise ImageError(f"is damaged: TIFF tag {tag} holds no whole numbers", fix=AGAIN)
        content = self.raw(tag, 8 * MOST_NUMBERS)
        return struct.unpack(f"{self.order}{count}{TYPES[kind]}", content)

    def number(self, tag: int, default: int) -> int:
        """First whole number of a tag; `default` if there is none. Raises as `numbers`."""
        return self.numbers(tag, (default,))[0]

    def fraction(self, tag: int) -> float | None:
        """First number of a tag that holds rationals; None without one that is finite and above 0."""
        if self.entries.get(tag, (0, 0, b""))[0] != 5 or len(content := self.raw(tag, 64)) < 8:
            return None
        above, below = struct.unpack(self.order + "II", content[:8])
        return above / below if above and below else None

    def text(self, tag: int) -> str:
        """Text of a tag up to its first NUL, in UTF-8 or else Latin-1; "" if there is none."""
        content = self.raw(tag).partition(b"\0")[0]
        try:
            return content.decode()
        except UnicodeDecodeError:
            return content.decode("latin-1")


def directories(source: Source) -> Iterator[Directory]:
    """Yields the directories of a TIFF file in their order, without those below other ones (SubIFDs).

    Raises:
        ImageError: a directory that is not in the file, the same one twice, or more than `MOST_DIRECTORIES`.
    """
    order, big = HEADERS[bytes(source.head[:4])]
    wide = "Q" if big else "I"
    try:
        if big and struct.unpack(order + "HH", source.read(4, 4)) != (8, 0):
            raise ImageError("is damaged: not the header of a BigTIFF", fix=AGAIN)
        (start,) = struct.unpack(order + wide, source.read(8, 8) if big else source.read(4, 4))
    except EOFError:
        raise ImageError("ends within the header of a TIFF", fix=AGAIN) from None
    if not start:
        raise ImageError("has no directory of its images: it was not written to its end", fix="export the file again")
    entry = struct.Struct(order + ("HHQ8s" if big else "HHI4s"))
    width, lead = struct.calcsize("=" + wide), 8 if big else 2
    seen: set[int] = set()
    while start:
        if start in seen or len(seen) == MOST_DIRECTORIES:
            problem = (
                "is damaged: its directories form a ring" if start in seen else f"holds more than {len(seen)} images"
            )
            raise ImageError(problem, fix=AGAIN if start in seen else "save each cell as a file of its own")
        seen.add(start)
        try:
            (count,) = struct.unpack(order + ("Q" if big else "H"), source.read(start, lead))
            if not 0 < count <= MOST_TAGS:
                raise ImageError(f"is damaged: a TIFF directory of {count} tags", fix=AGAIN)
            content = source.read(start + lead, count * entry.size + width)
        except EOFError:
            raise ImageError("ends before the directory of its images: a part is missing", fix=AGAIN) from None
        entries: dict[int, tuple[int, int, bytes]] = {}
        for tag, kind, values, field in entry.iter_unpack(content[:-width]):
            entries.setdefault(tag, (kind, values, field))
        yield Directory(source, order, entries)
        (start,) = struct.unpack(order + wide, content[-width:])
