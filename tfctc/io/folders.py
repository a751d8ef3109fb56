"""Look-ups on disk: whether a path is a file or a folder, and the image files below a folder."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tfctc.errors import ImageError, PairingError, TfctcError

#: File name endings of images.
SUFFIXES = (".png", ".tif", ".tiff")
#: File name endings of images that are not read -> name of the format.
OTHER_SUFFIXES = {
    ".bmp": "BMP images",
    ".cif": "CIF files of an Amnis cytometer",
    ".czi": "CZI files of a Zeiss microscope",
    ".daf": "DAF files of an Amnis cytometer",
    ".dcm": "DICOM images",
    ".dv": "DeltaVision files",
    ".gif": "GIF images",
    ".ims": "Imaris files",
    ".jp2": "JPEG 2000 images",
    ".jpeg": "JPEG images",
    ".jpg": "JPEG images",
    ".lif": "LIF files of a Leica microscope",
    ".lsm": "LSM files of a Zeiss microscope",
    ".nd2": "ND2 files of a Nikon microscope",
    ".npy": "NumPy arrays",
    ".oib": "OIB files of an Olympus microscope",
    ".oir": "OIR files of an Olympus microscope",
    ".rif": "RIF files of an Amnis cytometer",
    ".rtdc": "RTDC files of a deformability cytometer",
    ".vsi": "VSI files of an Olympus microscope",
    ".webp": "WebP images",
}


#: Cells of a data set, and its facts: the files by which a folder is known as one. A run has the facts too.
MANIFEST, FACTS = "manifest.csv", "dataset.json"


def is_file(path: Path, error: type[TfctcError]) -> bool:
    """Whether `path` is a file; raises `error` where the system refuses to say (permissions, an over-long name)."""
    return _look_up(Path.is_file, path, error)


def is_folder(path: Path, error: type[TfctcError]) -> bool:
    """Whether `path` is a folder; raises `error` where the system refuses to say (permissions, an over-long name)."""
    return _look_up(Path.is_dir, path, error)


def _look_up(test: Callable[[Path], bool], path: Path, error: type[TfctcError]) -> bool:
    try:
        return test(path)
    except OSError as problem:
        raise error(f"cannot be read ({problem.strerror})", path=path, fix="check path and permissions") from None


def image_files(folder: Path, suffixes: tuple[str, ...] = SUFFIXES) -> Iterator[Path]:
    """Yields every image file below `folder`, in a fixed order; hidden files and folders, and data sets, are skipped.

    Linked folders are followed. A folder that several paths lead to is read once, under its own path if that lies below
    `folder`.

    Args:
        folder: the folder.
        suffixes: file name endings in lower case; ("",) yields all files.

    Raises:
        ImageError: the system refuses to look `folder` up.
        PairingError: `folder` is not a folder, or a folder cannot be read.
    """
    if not is_folder(folder, ImageError):
        raise PairingError("is not a folder", path=folder, fix="give the folder of the images")
    waiting, seen = [folder], set()
    for top in waiting:  # Links found on the way are appended, so that a folder's own path comes before a link to it.
        for parent, folders, files in os.walk(top, onerror=_raise_unreadable):
            if (real := os.path.realpath(parent)) in seen:
                folders.clear()
                continue
            seen.add(real)
            if Path(parent) != folder and set(files) >= {MANIFEST, FACTS}:
                folders.clear()  # The images of a data set are copies.
                continue
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            waiting += [link for name in folders if (link := Path(parent, name)).is_symlink()]
            for name in sorted(files):
                if name.lower().endswith(suffixes) and not name.startswith("."):
                    yield Path(parent, name)


def other_file_notes(folder: Path) -> list[str]:
    """Notes on image files below `folder` in formats that are not read, one sentence for each format.

    Raises:
        ImageError, PairingError: as `image_files`.
    """
    found: dict[str, list[str]] = {}
    for path in image_files(folder, tuple(OTHER_SUFFIXES)):
        found.setdefault(OTHER_SUFFIXES[path.suffix.lower()], []).append(path.relative_to(folder).as_posix())
    return [
        f"{len(names)} file(s) are {kind}, which is not read (e.g. {names[0]}); docs/data.md says how to convert them"
        for kind, names in found.items()
    ]


def _raise_unreadable(error: OSError) -> None:
    # A folder may vanish while another program fills or sorts the one above it.
    if not isinstance(error, FileNotFoundError):
        fix = "make the folder readable, or remove it"
        raise PairingError(f"cannot be read ({error.strerror})", path=error.filename, fix=fix) from None
