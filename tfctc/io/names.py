"""Names of cells, patients and files: Unicode spelling, words for messages, and a check that they fit UTF-8."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from tfctc.errors import ImageError

#: Number of names written out in a message before "and N more".
SHOWN = 5
#: Blanks around a value in a path, which tables lose.
PATH_BLANKS = " \t"


def normalised(text: str) -> str:
    """Unicode normal form C of `text`: macOS file names and spreadsheets store the same letters in different bytes."""
    return unicodedata.normalize("NFC", text)


def spelling_key(name: str) -> str:
    """Key that all spellings of one patient or site share: normal form C, case folded."""
    return normalised(name).casefold()


def abbreviated(names: Sequence[str]) -> str:
    """The first few names and the number of the others: "a, b, c, d, e and 7 more"."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def plural(name: str) -> str:
    """Plural of a noun: "patients", "blocks of cells"."""
    head, of, tail = name.partition(" of ")
    return f"{head}s{of}{tail}"


def counted(count: int, name: str) -> str:
    """A number with its noun: "1 cell", "2,000 cells"."""
    return f"{count:,} {name if count == 1 else plural(name)}"


def check_encodable(name: str, path: Path) -> None:
    """Checks that a name can be written in UTF-8, the encoding of manifests and tables.

    Args:
        name: the name, taken from a path.
        path: that path, for the message.

    Raises:
        ImageError: the name is not UTF-8.
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise ImageError("file name is not UTF-8", path=shown, fix="rename it") from None
