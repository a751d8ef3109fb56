"""The record inside an exported TFLite file: written by `exporters`, read by `inference`.

The record is a JSON object that describes the model: classes, image size, threshold and so on. It lies in a zip archive
that is appended to the flatbuffer of the .tflite file (the layout of TFLite's "associated files"). The interpreter
ignores the archive, so the file runs in any TFLite runtime.
"""

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

from tfctc.errors import ArtefactError

#: Name of the record in the appended archive.
RECORD = "tfctc.json"
#: Names of files beside the artefacts: their description, the SHA-256 of every file, and images with the Keras model's
#: probabilities for them.
VERSION_MANIFEST, SUMS, REFERENCE = "manifest.json", "SHA256SUMS", "reference.npz"
#: Fingerprints of the patients and images that the model was trained on, beside the artefacts.
TRAINING_CELLS = "training_cells.npz"
#: Version of the record's layout.
SCHEMA = 1
#: File identifier of a TFLite flatbuffer, its bytes 4 to 7.
MAGIC = b"TFL3"


def append_record(path: str | Path, record: dict[str, Any]) -> None:
    """Appends `record` to the flatbuffer in `path`, with the flatbuffer's length and SHA-256 under ``flatbuffer``."""
    content = Path(path).read_bytes()
    fingerprint = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    text = json.dumps(record | {"flatbuffer": fingerprint}, indent=2, allow_nan=False)
    with zipfile.ZipFile(path, "a") as archive:
        # A ZipInfo has a fixed date, so that the same model gives the same bytes.
        archive.writestr(zipfile.ZipInfo(RECORD), text)


def read_record(path: str | Path) -> tuple[bytes, dict[str, Any]]:
    """The flatbuffer of a .tflite file and its record, checked against each other by SHA-256.

    If `SUMS` lies beside the file and lists it, the whole file and the manifest are checked against that list too.

    Raises:
        ArtefactError: a file that cannot be read, is not a TFLite file, was not written by tfctc, has a record of
            another schema, or is damaged.
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
    except Exception:  # On a damaged archive, zipfile may raise anything.
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
    """File name -> SHA-256 in hexadecimal, from `SUMS` in `folder` (the format of ``sha256sum --check``).

    Raises:
        ArtefactError: the list cannot be read, or is damaged.
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
    """SHA-256 of a file in hexadecimal; None if the file cannot be read."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _check_neighbours(path: Path, found: str) -> None:
    """Checks the file `path`, of SHA-256 `found`, and the manifest beside it, if `SUMS` beside it lists the file."""
    # A file copied elsewhere or renamed has no list; it has been checked against its own record already.
    if not (path.parent / SUMS).exists() or path.name not in (sums := read_sums(path.parent)):
        return
    for name, digest in ((path.name, found), (VERSION_MANIFEST, file_sha256(path.parent / VERSION_MANIFEST))):
        if sums.get(name) != digest:
            problem = f"is not the file that {SUMS} beside it lists"
            raise ArtefactError(problem, path=path.parent / name, fix="copy the whole version folder again")
