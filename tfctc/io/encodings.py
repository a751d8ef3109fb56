"""Encoding of a text file: UTF-8, UTF-16, and what spreadsheets wrote before."""

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from tfctc.io.headers import SAVE, TableRequest

MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # Begins with the mark of UTF-16.
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CHUNK = 2**20
#: A letter of two or three bytes in UTF-8, or any byte that is not ASCII.
LETTER = re.compile(rb"(?P<utf8>[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2})|[\x80-\xff]")
#: A value that is not ASCII.
VALUE = re.compile(rb"[^,;\t\r\n\"|]{0,30}[\x80-\xff][^,;\t\r\n\"|]{0,30}")
#: White space and characters without width beyond ASCII, which come with pasted text.
WIDE = "\x85\xa0\u1680\u2028\u2029\u202a\u202c\u202f\u205f\u2060\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x2010)))
#: All that is stripped from names and values.
BLANKS = " \t\n\r\v\f" + WIDE
#: A space at an end of a value.
OUTER = re.compile(r" (?:(?<=[,;|\r\n ] )|(?![^,;|\r\n ]))")
#: The end of a value such as 1.2E+05.
EXPONENT = {sign: re.compile(rf"[{sign}](?<=\d[eE][{sign}])\d{{2,3}}(?![^,;|\r\n ])") for sign in "+-"}


def find_encoding(file: BinaryIO, request: TableRequest) -> tuple[str, list[str], bool]:
    """Encoding of a text file, by its byte order mark or by all of its bytes. The file is read through once.

    Args:
        file: the file, at its begin; it is put back there.
        request: the table, for messages.

    Returns:
        The name of the codec; notes for the user; whether no value of the table has white space to strip, an error
        of a spreadsheet or a shortened number.

    Raises:
        TfctcError: `request.error`, for NUL characters, and for bytes that are no text in any encoding known here.
    """
    start = file.read(4096)
    encoding = next((name for mark, name in MARKS if start.startswith(mark)), None) or _without_mark(start)
    try:
        return encoding, _utf16_note(encoding), _scan(file, encoding, request)
    except UnicodeDecodeError as error:
        if encoding != "utf-8":
            raise request.refusal(f"cannot be read as {encoding.upper()} ({error.reason})", SAVE) from None
    older = _older_encoding(file, request)
    try:
        tidy = _scan(file, older, request)
    except UnicodeDecodeError as error:
        byte = error.object[error.start : error.end]
        file.seek(0)
        line = _line_of_nul(chunk.replace(byte, b"\0").decode("latin-1") for chunk in _chunks(file))
        problem = f"is neither UTF-8 nor Windows-1252 (byte 0x{byte.hex()} on line {line})"
        raise request.refusal(problem, SAVE) from None
    file.seek(0)
    sample = next(found for chunk in _chunks(file) if (found := VALUE.search(chunk)))
    file.seek(0)
    name = "Windows-1252" if older == "cp1252" else "Mac Roman"
    return older, [f"read as {name}, which gives {sample[0].decode(older).strip()!r}"], tidy


def _without_mark(start: bytes) -> str:
    """UTF-16 if every second byte of Latin text is NUL, else UTF-8."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    if not even and odd > len(start) / 4:
        return "utf-16-le"
    return "utf-16-be" if not odd and even > len(start) / 4 else "utf-8"


def _utf16_note(encoding: str) -> list[str]:
    return [f"read as {encoding[:6].upper()}"] if encoding[:5] in ("utf-1", "utf-3") else []


def _scan(file: BinaryIO, encoding: str, request: TableRequest) -> bool:
    """Decodes the whole file, and puts it back to its begin; whether all values are tidy."""
    file.seek(0)
    decoder, tidy, before = codecs.getincrementaldecoder(encoding)(), True, ""
    for chunk in _chunks(file):
        text = decoder.decode(chunk)
        if "\0" in text:
            file.seek(0)
            decoder.reset()
            line = _line_of_nul(map(decoder.decode, _chunks(file)))
            raise request.refusal(f"line {line} holds a NUL character", SAVE)
        tidy = tidy and _is_tidy(before + text)
        before = text[-8:]
    decoder.decode(b"", final=True)
    file.seek(0)
    return tidy


def _is_tidy(text: str) -> bool:
    """Whether a part of a table has nothing that `tfctc.io.tables` would strip, undo or refuse.

    What is common in paths is searched for first, which takes no time; what is behind it only then.
    """
    if any(sign in text for sign in '#"\t\v\f') or "Err:" in text:
        return False
    if " " in text and OUTER.search(text):
        return False
    if any(sign in text and end.search(text) for sign, end in EXPONENT.items()):
        return False
    return text.isascii() or not any(blank in text for blank in WIDE)


def _older_encoding(file: BinaryIO, request: TableRequest) -> str:
    """Windows-1252, or Mac Roman if lines end as on the Macs of that time; raises for a file mixed with UTF-8."""
    utf8 = other = 0
    lines = {b"\r": False, b"\n": False}
    file.seek(0)
    for chunk in _chunks(file):
        for end in lines:
            lines[end] = lines[end] or end in chunk
        for letter in LETTER.finditer(chunk):
            utf8, other = (utf8 + 1, other) if letter["utf8"] else (utf8, other + 1)
    if utf8 > other:
        raise request.refusal("cannot be read (UTF-8 mixed with another encoding, or damaged)", SAVE)
    return "mac_roman" if lines[b"\r"] and not lines[b"\n"] else "cp1252"


def _line_of_nul(texts: Iterable[str]) -> int:
    """Number of the line with the first NUL character of a text in parts."""
    line, last = 1, ""
    for text in texts:
        text, nul, _ = text.partition("\0")
        ends = last + text
        line += ends.count("\n") + ends.count("\r") - ends.count("\r\n") - len(last)
        last = "\r" if text.endswith("\r") else ""
        if nul:
            break
    return line


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
