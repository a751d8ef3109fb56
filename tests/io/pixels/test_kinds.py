"""Files that are neither PNG nor TIFF, or no files: each is called what it is."""

import os
import threading

import numpy as np
import pytest
from PIL import Image

from tfctc.errors import ImageError
from tfctc.io.pixels import plane_count, plane_names, read_plane
from tfctc.io.pixels.kinds import SIGNATURES


def refusal(path, function=read_plane):
    with pytest.raises(ImageError) as error:
        function(path)
    assert error.value.path == str(path) and error.value.fix
    return error.value.problem


@pytest.mark.parametrize(
    ("format", "problem"),
    [("jpeg", "is a JPEG image"), ("bmp", "is a BMP image"), ("gif", "is a GIF image"), ("webp", "is a WebP image"),
     ("ppm", "is a PNM image (.pgm, .ppm)"), ("jpeg2000", "is a JPEG 2000 image or an old Nikon ND2 file"),
     ("pdf", "is a PDF file")],
)  # fmt: skip
def test_other_images_whatever_their_name(tmp_path, format, problem):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png", format)
    for function in (read_plane, plane_count, plane_names):
        assert refusal(tmp_path / "a.png", function) == problem


@pytest.mark.parametrize(("start", "signature", "kind"), [row[:3] for row in SIGNATURES])
def test_every_signature(write, start, signature, kind):
    assert refusal(write(bytes(max(0, start - 1)) + b"\1" * (start > 0) + signature + bytes(200))) == kind


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty (0 bytes)"),
        (bytes(100), "holds only zero bytes (a failed copy)"),
        (bytes(10**5), "begins with 65536 zero bytes (a failed copy)"),
        (b"\n<!DOCTYPE html><html>", "is a web page (HTML), not the image"),
        (b"cell,label\n1,ctc\n", "is a text file, not an image"),
        ("größe\n".encode() * 100, "is a text file, not an image"),
        ("größe".encode("utf-16"), "is a text file, not an image"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer, not the image"),
        (b"p\0\0\0\1\0\0\0*" + bytes(20), "is a Leica LIF file"),
        (b"\x89PNG\n\x1a\n" + bytes(20), "is a PNG image that was damaged by a transfer as text"),
        (b"\1\2\3\xff" * 9, "is not a PNG or TIFF image"),
        (b"II", "is a text file, not an image"),
    ],
)  # fmt: skip
def test_other_content(write, content, problem):
    assert refusal(write(content)) == problem


def test_data_files_of_ideas(write):
    assert refusal(write(b"\1\2\3\xff" * 9, "a.daf")) == "is a data file of IDEAS (.daf), without images"


@pytest.mark.parametrize("name", ["a.cif", "a.RIF"])
def test_image_files_of_ideas(write, raw, counts, name):
    assert refusal(write(raw(counts), name)) == "is an IDEAS file (.cif, .rif), which is not read"


def test_no_files(tmp_path):
    assert refusal(tmp_path / "none.tif") == "no such file"
    assert refusal(tmp_path).startswith("is a folder")
    assert refusal("a\0b").startswith("cannot be read (")
    (tmp_path / "link.tif").symlink_to("/dev/zero")
    assert refusal(tmp_path / "link.tif") == "is not a regular file"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes have names on Unix only")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.tif")
    done = []
    thread = threading.Thread(target=lambda: done.append(refusal(tmp_path / "a.tif")), daemon=True)
    thread.start()
    thread.join(10)
    assert done == ["is not a regular file"]
