"""The planes of a PNG or TIFF file: `read_plane`, `plane_count` and `plane_names`. Every failure is an `ImageError`."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tfctc.errors import ImageError
from tfctc.io.pixels.kinds import not_an_image
from tfctc.io.pixels.plane import AGAIN, FROM_IDEAS, Plane
from tfctc.io.pixels.png import SIGNATURE, check_png, read_png
from tfctc.io.pixels.source import Source, open_source
from tfctc.io.pixels.stack import read_stack
from tfctc.io.pixels.tags import HEADERS
from tfctc.io.pixels.tiff import read_tiff


def read_plane(path: str | Path, plane: int | None = None) -> Plane:
    """Reads one grey plane without loss: each pixel is the count that the file stores.

    Args:
        path: a PNG or TIFF file.
        plane: number of the plane, from 0: counted over the images of the file, and over the samples of each. A colour
            image is one plane. None for a file with one plane.

    Raises:
        ImageError: a file that is missing, damaged, no PNG or TIFF, or has several planes and `plane` is None; and each
            file whose counts cannot be told, such as colours that differ, or JPEG. See the modules of this package.
    """
    with _image_errors(path), open_source(path) as source:
        if _is_tiff(source, path):
            return read_tiff(source, plane)
        if plane:
            problem = f"has no plane {plane}: it holds 1, counted from 0"
            raise ImageError(problem, fix="give the number of a plane that it holds")
        return read_png(source)


def plane_count(path: str | Path) -> int:
    """Number of planes of a PNG or TIFF file, without reading pixels. Raises as `read_plane`."""
    with _image_errors(path), open_source(path) as source:
        if _is_tiff(source, path):
            return len(read_stack(source).planes)
        check_png(source)
        return 1


def plane_names(path: str | Path) -> tuple[str, ...]:
    """A name of each plane, "" for one without, without reading pixels. Raises as `read_plane`.

    Names are those of the channels of OME-XML, the labels of ImageJ, the channels of Micro-Manager, or the TIFF tag
    PageName.
    """
    with _image_errors(path), open_source(path) as source:
        if _is_tiff(source, path):
            return read_stack(source).names()
        check_png(source)
        return ("",)


def _is_tiff(source: Source, path: str | Path) -> bool:
    """Whether a file is a TIFF, not a PNG. Raises an ImageError for any other."""
    head = bytes(source.head[:8])
    if head[:4] in HEADERS:
        if Path(path).suffix.lower() in (".cif", ".rif"):  # A TIFF of many images with a compression of its own.
            raise ImageError("is an IDEAS file (.cif, .rif), which is not read", fix=FROM_IDEAS)
        return True
    if head == SIGNATURE:
        return False
    raise not_an_image(bytes(source.head), source.size, path)


@contextlib.contextmanager
def _image_errors(path: str | Path) -> Iterator[None]:
    """Raises any error inside the block as an `ImageError` about the file."""
    try:
        yield
    except ImageError as error:
        raise ImageError(error.problem, path=path, fix=error.fix) from None
    except EOFError:
        raise ImageError("ends too early: a part is missing", path=path, fix=AGAIN) from None
    except MemoryError:
        raise ImageError("needs more memory than there is", path=path, fix="crop each cell to a file") from None
    except Exception as error:  # On a damaged file, Pillow and NumPy may raise anything.
        problem = f"cannot be read ({str(error) or type(error).__name__})"
        raise ImageError(problem, path=path, fix=AGAIN) from None
