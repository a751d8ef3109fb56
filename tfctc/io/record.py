"""The record inside an exported TFLite file: written by `exporters`, read by `inference`.

A .tflite file is one flatbuffer. A zip archive appended to it (the layout of TFLite's "associated files") is ignored by
the interpreter, so the file stays runnable anywhere and carries all that its use needs.
"""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

from tfctc.errors import ArtefactError

#: Name of the record in the appended archive, and of the files beside the artefacts: their description, the SHA-256
#: of every file, and images with the Keras model's probabilities for them.
RECORD, VERSION_MANIFEST, SUMS, REFERENCE = "tfctc.json", "manifest.json", "SHA256SUMS", "reference.npz"
SCHEMA = 1
#: Bytes 4 to 8 of a TFLite flatbuffer.
MAGIC = b"TFL3"


def append_record(path: str | Path, record: dict[str, Any]) -> None:
    """Appends `record` to the flatbuffer in `path`, with the flatbuffer's length and SHA-256 under ``flatbuffer``."""
    content = Path(path).read_bytes()
    fingerprint = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    text = json.dumps(record | {"flatbuffer": fingerprint}, indent=2, allow_nan=False)
    with zipfile.ZipFile(path, "a") as archive:
        # A ZipInfo carries a fixed date: the same model gives the same bytes.
        archive.writestr(zipfile.ZipInfo(RECORD), text)


def read_record(path: str | Path) -> tuple[bytes, dict[str, Any]]:
    """The flatbuffer in `path` and its record, after a check of the one against the other.

    Raises:
        ArtefactError: no such file, not a TFLite file, not one of tfctc, written by a newer tfctc, or damaged.
    """
    path, fix = Path(path), "export the model again, or copy the file again"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtefactError(f"cannot be read ({error.strerror})", path=path, fix="give a .tflite file") from None
    if content[4:8] != MAGIC:
        raise ArtefactError("is not a TFLite file", path=path, fix="give a .tflite file that tfctc export wrote")
    try:
        with zipfile.ZipFile(path) as archive:
            record = json.loads(archive.read(RECORD))
        length, expected = int(record["flatbuffer"]["bytes"]), record["flatbuffer"]["sha256"]
    except Exception:  # A damaged archive makes zipfile raise whatever it happens to stumble over.
        problem = f"holds no readable {RECORD}: truncated, or not written by tfctc"
        raise ArtefactError(problem, path=path, fix=fix) from None
    if record.get("schema") != SCHEMA:
        problem = f"has a record of schema {record.get('schema')}, {SCHEMA} expected"
        raise ArtefactError(problem, path=path, fix="install the tfctc version that wrote it")
    flatbuffer = content[:length]
    if hashlib.sha256(flatbuffer).hexdigest() != expected:
        raise ArtefactError("is damaged: its network is not the one that was written", path=path, fix=fix)
    _check_neighbours(path, hashlib.sha256(content).hexdigest())
    return flatbuffer, record


def read_sums(folder: str | Path) -> dict[str, str]:
    """File name -> SHA-256, as `SUMS` in `folder` lists them and ``sha256sum --check`` reads them.

    Raises:
        ArtefactError: there is no such list, or it is damaged.
    """
    path = Path(folder) / SUMS
    try:
        rows = [line.split("  ", 1) for line in path.read_text(encoding="utf-8").splitlines()]
        return {name: digest for digest, name in rows}
    except OSError as error:
        problem, first = f"cannot be read ({error.strerror})", "give the folder NAME/VERSION of an export, or "
    except ValueError:
        problem, first = "is damaged", ""
    raise ArtefactError(problem, path=path, fix=f"{first}copy the whole version folder again") from None


def file_sha256(path: str | Path) -> str | None:
    """None for a file that is not there."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _check_neighbours(path: Path, found: str) -> None:
    """Checks the file and the manifest beside it against the list beside them, if there is one that names the file."""
    # A copied or renamed file is on its own; it has been checked against its own record already.
    if not (path.parent / SUMS).exists() or path.name not in (sums := read_sums(path.parent)):
        return
    for name, digest in ((path.name, found), (VERSION_MANIFEST, file_sha256(path.parent / VERSION_MANIFEST))):
        if sums.get(name) != digest:
            problem = f"is not the file that {SUMS} beside it lists"
            raise ArtefactError(problem, path=path.parent / name, fix="copy the whole version folder again")
