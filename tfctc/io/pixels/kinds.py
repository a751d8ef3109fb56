"""Kind of a file that is neither PNG nor TIFF, told by its first bytes, and what to do with it."""

from pathlib import Path

from tfctc.errors import ImageError
from tfctc.io.pixels.plane import AGAIN, EXPORT_RAW, FIJI_TIFF, FROM_IDEAS

BIO_FORMATS = "open it in Fiji (Bio-Formats) and save each channel with File > Save As > Tiff"
LOSSY = f"{EXPORT_RAW}: JPEG has changed the counts"
UNPACK = "unpack it, and give the images in it"
IMAGE = "give the image itself"

#: Position and value of the first bytes, what the file is, and the remedy. The first that fits is taken.
SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\xff\xd8\xff", "is a JPEG image", LOSSY),
    (0, b"GIF8", "is a GIF image", FIJI_TIFF),
    (0, b"\x89PNG", "is a PNG image that was damaged by a transfer as text", "copy it again as binary"),
    (0, b"ZISRAWFILE", "is a Zeiss CZI file", BIO_FORMATS),
    (0, b"\xda\xce\xbe\x0a", "is a Nikon ND2 file", BIO_FORMATS),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "is a JPEG 2000 image or an old Nikon ND2 file", BIO_FORMATS),
    (0, b"\xff\x4f\xff\x51", "is a JPEG 2000 image", EXPORT_RAW),
    (0, b"OLYMPUSRAWFORMAT", "is an Olympus OIR file", BIO_FORMATS),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an Olympus OIB, Zeiss ZVI or old Office file", BIO_FORMATS),
    (
        0,
        b"\x89HDF\r\n\x1a\n",
        "is an HDF5 file (as .rtdc, .ims and .h5 are)",
        "export each channel of each cell as TIFF",
    ),
    (
        0,
        b"\0\x05\x16\x07",
        "is a companion file that macOS wrote, not the image",
        "give the file without ._ in its name",
    ),
    (0, b"\x93NUMPY", "is a NumPy file", "save its array with tifffile.imwrite"),
    (0, b"8BPS", "is a Photoshop file", EXPORT_RAW),
    (0, b"SIMPLE  =", "is a FITS image", FIJI_TIFF),
    (128, b"DICM", "is a DICOM file", FIJI_TIFF),
    (8, b"WEBP", "is a WebP image", EXPORT_RAW),
    (8, b"AVI ", "is an AVI film", "save each frame with Fiji as Tiff"),
    (4, b"ftyp", "is a HEIC, AVIF or MP4 file", EXPORT_RAW),
    (0, b"\x76\x2f\x31\x01", "is an OpenEXR image", FIJI_TIFF),
    (0, b"PK\x03\x04", "is a ZIP archive", UNPACK),
    (0, b"\x1f\x8b", "is compressed (gzip)", UNPACK),
    (0, b"BZh", "is compressed (bzip2)", UNPACK),
    (0, b"\xfd7zXZ", "is compressed (xz)", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "is compressed (Zstandard)", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "is a 7z archive", UNPACK),
    (0, b"%PDF-", "is a PDF file", IMAGE),
    (0, b"version https://git-lfs", "is a Git LFS pointer, not the image", "fetch it with: git lfs pull"),
    (0, b"/annex/objects/", "is a git-annex pointer, not the image", "fetch it with: git annex get"),
)


def not_an_image(head: bytes, size: int, path: str | Path) -> ImageError:
    """The error about a file that is neither PNG nor TIFF.

    Args:
        head: first bytes of the file, some thousand if it has as many.
        size: number of bytes of the whole file.
        path: the file, for its suffix.
    """
    if not size:
        return ImageError("is empty (0 bytes)", fix=AGAIN)
    if not any(head):
        whole = "holds only zero bytes" if size == len(head) else f"begins with {len(head)} zero bytes"
        return ImageError(f"{whole} (a failed copy)", fix=AGAIN)
    if head[:1] == b"p" and head[1:4] == bytes(3) and head[8:9] == b"*":
        return ImageError("is a Leica LIF file", fix=BIO_FORMATS)
    if head[:2] == b"BM" and int.from_bytes(head[2:6], "little") == size:
        return ImageError("is a BMP image", fix=FIJI_TIFF)
    if head[:1] == b"P" and head[1:2] in tuple(b"%d" % i for i in range(1, 8)) and head[2:3].isspace():
        return ImageError("is a PNM image (.pgm, .ppm)", fix=FIJI_TIFF)
    for start, signature, kind, fix in SIGNATURES:
        if head[start : start + len(signature)] == signature:
            return ImageError(kind, fix=fix)
    if Path(path).suffix.lower() == ".daf":
        return ImageError("is a data file of IDEAS (.daf), without images", fix=FROM_IDEAS)
    if text := _text(head):
        start_of_page = text.lstrip()[:15].lower()
        if start_of_page.startswith(("<!doctype html", "<html")):
            return ImageError("is a web page (HTML), not the image", fix="download the image itself again")
        return ImageError("is a text file, not an image", fix=IMAGE)
    return ImageError("is not a PNG or TIFF image", fix="export it as PNG or TIFF")


def _text(head: bytes) -> str:
    """The first bytes as text; "" if they are none."""
    for encoding in ("utf-8-sig", "utf-16") if head[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",):
        text = head[:512].decode(encoding, errors="ignore")
        if len(text.encode(encoding)) >= min(len(head), 512) - 3 and all(c.isprintable() or c.isspace() for c in text):
            return text
    return ""
