"""The written data set: what is checked of the images, which facts it gets, where its pixels lie."""

import csv
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tfctc.cells import Cell
from tfctc.data.importers.description import DatasetDescription
from tfctc.data.importers.sources import SourceImage
from tfctc.data.importers.write import write_dataset
from tfctc.data.manifest import Manifest
from tfctc.errors import ConfigError, ImageError, ManifestError
from tfctc.io.images import crop_or_pad, read_channel, rescaled

RNG_SEED = 3


class Scans:
    """Image files in a folder, and the cells of them that an import has assembled."""

    splits = {}

    def __init__(self, folder):
        self.folder, self.cells, self.images = folder, [], []
        self.rng = np.random.default_rng(RNG_SEED)

    def add(self, cell_id, brightfield, dapi=None, patient="p1"):
        images = {}
        for channel, pixels in (("brightfield", brightfield), ("dapi", dapi)):
            if pixels is not None:
                path = self.folder / f"{cell_id}_{channel}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
                images[channel] = SourceImage(str(path))
        self.cells.append(Cell(cell_id, patient, "", ""))
        self.images.append(images)

    def noise(self, size=(6, 8), dtype=np.uint16, top=4095):
        return self.rng.integers(1, top + 1, size, dtype=dtype)

    def write(self, output, copy=False, skip_bad=False, **description):
        description = DatasetDescription("few", **description)
        written = write_dataset(output, self, description, copy=copy, skip_bad=skip_bad)
        self.kept = list(written.manifest.index)
        return written

    def path(self, number, channel="brightfield"):
        return Path(self.images[number][channel].path)

    has_original_labels = False

    def __len__(self):
        return len(self.cells)

    def __iter__(self):
        return zip(self.cells, self.images, strict=True)


@pytest.fixture
def scans(tmp_path):
    return Scans(tmp_path / "lab" / "scans")


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 16)])
def test_a_written_data_set_opens_and_its_depth_is_that_of_the_files(scans, tmp_path, dtype, bits):
    scans.add("c1", np.full((6, 8), 200, dtype))
    written = scans.write(tmp_path / "out", mpp=0.5)
    assert written.facts.bit_depth == bits and written.facts.image_size == (6, 8)
    assert Manifest.open(tmp_path / "out").facts == written.facts
    told = (
        "no brightfield pixel is above 200: if the camera has fewer than 16 bits, import again with --bit-depth and "
        "their number, 9 or more"
    )
    assert written.notes == ([told] if bits == 16 else [])


@pytest.mark.parametrize(
    ("pixels", "declared", "fix"),
    [(np.uint8, 12, "give --bit-depth brightfield=8"), (np.uint16, 8, "give --bit-depth brightfield=9 to 16")],
)
def test_a_bit_depth_that_no_file_has_is_told_with_one_that_they_may_have(scans, tmp_path, pixels, declared, fix):
    scans.add("c1", np.zeros((4, 4), pixels))
    with pytest.raises(ImageError, match=f"c1_brightfield.png: has .* bit pixels, .* expected .*; {fix}$"):
        scans.write(tmp_path / "out", bit_depth={"brightfield": declared})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([("c1", "Px"), ("c2", "px")], r"\(cell c2\): patient_id is 'px' here and 'Px' above; write it in one way"),
        ([("", "p1")], "has no cell_id; fill it in; correct the names"),
    ],
)
def test_a_data_set_that_fit_would_refuse_is_not_written(scans, tmp_path, cells, message):
    for cell_id, patient in cells:
        scans.add(cell_id, scans.noise(), patient=patient)
    out = tmp_path / "out"
    with pytest.raises(ManifestError, match=message) as caught:
        scans.write(out)
    assert str(caught.value).startswith(f"{out / 'manifest.csv'}: would be refused by fit: ")
    assert not out.exists()


def test_a_link_to_a_name_that_no_manifest_can_hold_is_one_line(scans, tmp_path):
    scans.add("c1", scans.noise())
    (tmp_path / os.fsdecode(b"p\xfc.png")).touch()
    scans.path(0).unlink()
    scans.path(0).symlink_to(tmp_path / os.fsdecode(b"p\xfc.png"))
    with pytest.raises(ImageError) as caught:
        scans.write(tmp_path / "out")
    assert str(caught.value) == rf"{tmp_path}/p\xfc.png: file name is not UTF-8; rename it"


def test_a_copy_of_an_image_is_no_second_cell(scans, tmp_path):
    """A model could be trained on one copy and tested on the other. Blank images are not copies of one another."""
    first = scans.noise()
    for cell_id, pixels in (("c1", first), ("c2", scans.noise()), ("c3", first)):
        scans.add(cell_id, pixels, np.zeros((6, 8), np.uint16), patient=cell_id)
    with pytest.raises(ImageError, match=r"c3_brightfield.png: has the same pixels as .*c1_brightfield.png; keep one"):
        scans.write(tmp_path / "out")
    assert not (tmp_path / "out").exists()
    scans.write(tmp_path / "out", skip_bad=True)
    assert [cell.cell_id for cell in scans.kept] == ["c1", "c2"]


def test_all_faults_are_listed_at_once_and_left_out_on_request(scans, tmp_path):
    for n in range(30):
        scans.add(f"c{n:02}", scans.noise(), scans.noise())
    Image.fromarray(scans.noise((7, 8))).save(scans.path(3))
    Image.fromarray(scans.noise(dtype=np.uint8, top=255)).save(scans.path(4, "dapi"))
    Image.fromarray(scans.noise(top=65535)).save(scans.path(5))
    scans.path(6).write_bytes(b"")
    depth = {"bit_depth": {"brightfield": 12, "dapi": 12}}
    with pytest.raises(
        ImageError, match="images cannot be used, the first is .*; or leave all of them out with"
    ) as caught:
        scans.write(tmp_path / "out", **depth)
    listed = "\n".join(caught.value.details)
    for number, problem in ((3, "is 7 x 8 px, 6 x 8 expected"), (4, "has 8 bit pixels, 16 bit ones expected"),
                            (5, "above 4095"), (6, "is empty")):  # fmt: skip
        assert any(f"c{number:02}" in line and problem in line for line in caught.value.details), listed
    scans.write(tmp_path / "out", skip_bad=True, **depth)
    assert [cell.cell_id for cell in scans.kept] == [f"c{n:02}" for n in range(30) if n not in (3, 5, 6)]
    assert [cell.cell_id for cell in scans.kept if not cell.dapi] == ["c04"]
    with (tmp_path / "out" / "skipped.csv").open() as file:
        assert {row["cell_id"] for row in csv.DictReader(file)} == {"c03", "c04", "c05", "c06"}
    assert len(Manifest.open(tmp_path / "out")) == 27


def test_images_of_many_sizes_need_a_size_and_keep_their_middle(scans, tmp_path):
    for n, size in enumerate([(5, 9), (9, 5), (6, 8), (12, 11)]):
        scans.add(f"c{n}", scans.noise(size), scans.noise(size))
    with pytest.raises(ImageError, match=r"4 sizes, from 5 x 9 to 12 x 11 px, .*; --size 12 pads every image"):
        scans.write(tmp_path / "out")
    written = scans.write(tmp_path / "out", size=(8, 8))
    assert written.facts.crop_or_pad and written.facts.image_size == (8, 8)
    assert any(note.startswith("3 of 4 cells (75.0 %) are larger than 8 x 8 px") for note in written.notes)
    for cell, images in zip(Manifest.open(tmp_path / "out").cells(), scans.images, strict=True):
        stored = np.asarray(Image.open(images["dapi"].path))
        np.testing.assert_array_equal(
            read_channel(cell.dapi, written.facts, "dapi")[..., 0], crop_or_pad(stored, (8, 8))
        )


def test_channels_of_other_fields_are_no_pair(scans, tmp_path):
    for n in range(12):
        scans.add(f"c{n:02}", scans.noise((8, 8)), scans.noise((8, 8) if n != 2 else (4, 4)))
    with pytest.raises(ImageError, match="c02_dapi.png: is 4 x 4 px, and bright-field of the same cell 8 x 8 px"):
        scans.write(tmp_path / "out")
    with pytest.raises(ImageError, match="--binning dapi=3 does not fit"):
        scans.write(tmp_path / "out", dapi_binning=3)


def test_paths_are_relative_beside_the_data_set_and_both_can_move(scans, tmp_path):
    scans.add("c1", pixels := scans.noise())
    scans.write(tmp_path / "lab" / "cells")
    shutil.move(tmp_path / "lab", tmp_path / "elsewhere")
    (cell,) = Manifest.open(tmp_path / "elsewhere" / "cells").cells()
    np.testing.assert_array_equal(np.asarray(Image.open(cell.brightfield)), pixels)


def test_a_data_set_with_packed_pixels_needs_no_other_file(scans, tmp_path):
    scans.add("p1/c 1", brightfield := scans.noise(), dapi := scans.noise(dtype=np.uint8, top=255))
    scans.write(tmp_path / "cells", copy=True)
    shutil.rmtree(tmp_path / "lab")
    shutil.move(tmp_path / "cells", tmp_path / "moved")
    manifest = Manifest.open(tmp_path / "moved")
    (cell,) = manifest.cells()
    np.testing.assert_array_equal(read_channel(cell.brightfield, manifest.facts)[..., 0], brightfield)
    np.testing.assert_array_equal(read_channel(cell.dapi, manifest.facts, "dapi")[..., 0], dapi)


def test_rescaled_images_are_packed_at_the_new_scale(scans, tmp_path):
    scans.add("c1", brightfield := scans.noise((8, 12)), binned := scans.noise((4, 6)))
    with pytest.raises(ConfigError, match="--rescale-mpp needs the scale of the files.*; give --mpp"):
        scans.write(tmp_path / "out", rescale_mpp=1.0, dapi_binning=2)
    facts = scans.write(tmp_path / "out", mpp=0.5, rescale_mpp=1.0, dapi_binning=2).facts
    assert (facts.mpp, facts.files_mpp, facts.rescaled, facts.image_size, facts.dapi_binning) == (
        1.0,
        0.5,
        True,
        (4, 6),
        1,
    )
    (cell,) = Manifest.open(tmp_path / "out").cells()
    np.testing.assert_array_equal(read_channel(cell.brightfield, facts)[..., 0], rescaled(brightfield, 0.5, 1.0))
    np.testing.assert_array_equal(
        read_channel(cell.dapi, facts, "dapi")[..., 0], rescaled(np.kron(binned, np.ones((2, 2), np.uint16)), 0.5, 1.0)
    )


def test_ids_survive_the_csv_and_each_cell_is_reported(scans, tmp_path):
    scans.add("a,b", np.zeros((4, 4), np.uint8))
    steps = []
    write_dataset(
        tmp_path / "out", scans, DatasetDescription("few"),
                  progress=lambda *step: steps.append(step))  # fmt: skip
    with (tmp_path / "out" / "manifest.csv").open(newline="") as file:
        assert [row["cell_id"] for row in csv.DictReader(file)] == ["a,b"]
    assert steps == [("Checking images", 1, 1)]
