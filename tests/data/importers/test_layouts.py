"""One simulated data set in many layouts of files: each import gives the same tfrecords, byte by byte."""

import csv
import hashlib
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image

import tfctc
from tfctc.cells import FileNaming
from tfctc.data.builder import build
from tfctc.data.manifest import Manifest
from tfctc.data.simulate import SimulationOptions, simulate_cells
from tfctc.data.splits import Splits
from tfctc.inference.sources import SearchRules, find_cells

PATIENTS, CELLS, SIDE = 3, 4, 40
BOTH = {"brightfield": "BF", "dapi": "DAPI"}
NUMBERED = {"C1": "brightfield", "C2": "dapi"}


@pytest.fixture(scope="module")
def cells():
    """Simulated cells of three patients, with ids, labels and pixels of both channels."""
    options = SimulationOptions(patients=PATIENTS, size=SIDE)
    simulated = list(simulate_cells(PATIENTS * CELLS, seed=5, options=options))
    return [(f"P{n // CELLS}", f"{n % CELLS + 1:04}", ("WBC", "CTC")[n % 2], one.brightfield, one.dapi)
            for n, one in enumerate(simulated)]  # fmt: skip


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    if options:
        tifffile.imwrite(path, pixels, **options)
    else:
        Image.fromarray(pixels).save(path)


def one_file_each(template, names=BOTH):
    """Writer of one file for each channel."""

    def write(folder, cells):
        for patient, cell, label, brightfield, dapi in cells:
            for channel, pixels in (("brightfield", brightfield), ("dapi", dapi)):
                path = template.format(patient=patient, cell=cell, label=label, channel=names[channel])
                save(folder / path, pixels)

    return write


def one_file_a_cell(arrange, **options):
    """Writer of one TIFF for each cell, which holds both channels."""

    def write(folder, cells):
        for patient, cell, _, brightfield, dapi in cells:
            save(folder / patient / f"{cell}.tif", arrange(brightfield, dapi), **options)

    return write


def one_stack_a_channel(folder, cells):
    """Writer of one TIFF for each patient and channel, with a page for each cell."""
    for patient in sorted({cell[0] for cell in cells}):
        own = [cell for cell in cells if cell[0] == patient]
        for name, at in (("BF", 3), ("DAPI", 4)):
            pages = np.stack([cell[at] for cell in own])
            save(folder / patient / f"{name}.tif", pages, photometric="minisblack", metadata=None)


def pages(brightfield, dapi):
    return np.stack([brightfield, dapi])


def numbers(first, second):
    return {"brightfield": first, "dapi": second}


PATTERN = r"(?P<cell>(?P<patient>P\d)/\d+)_(?P<channel>BF|DAPI)\.tif"
BY_NUMBER = {"files": "{patient}/{cell}.tif", "channels": {"0": "brightfield", "1": "dapi"}}
BY_NAME = {"files": "{patient}/{cell}.tif", "channels": {"BF": "brightfield", "nuclei": "dapi"}}
NAMES = ["BF", "nuclei"]
LAYOUTS = {
    "template": (one_file_each("{patient}/{cell}_{channel}.tif"), {"files": "{patient}/{cell}_{channel}.tif"}),
    "pattern": (one_file_each("{patient}/{cell}_{channel}.tif"), {"pattern": PATTERN}),
    "folder for each channel": (
        one_file_each("{patient}/{channel}/{cell}.png"),
        {"files": "{patient}/{channel}/{cell}.png"},
    ),
    "folder for each label": (
        one_file_each("{label}/{patient}-{cell}-{channel}.png"),
        {"files": "{label}/{patient}-{cell}-{channel}.png", "cell_id": "{patient}/{cell}"},
    ),
    "deparray": (one_file_each("{patient}/{cell}_{channel}.tif"), {"preset": "deparray"}),
    "imagej": (
        one_file_each("{patient}/{channel}-{cell}.tif", numbers("C1", "C2")),
        {"preset": "imagej", "channels": NUMBERED},
    ),
    "micromanager2": (
        one_file_each("{patient}/img_channel{channel}_position{cell}_time000000000_z000.tif", numbers("000", "001")),
        {"preset": "micromanager2", "channels": {"000": "brightfield", "001": "dapi"}},
    ),
    "imagexpress": (
        one_file_each("{patient}/{cell}_{channel}.TIF", numbers("w1", "w2")),
        {"preset": "imagexpress", "channels": {"w1": "brightfield", "w2": "dapi"}},
    ),
    "amnis": (
        one_file_each("{patient}/{cell}_{channel}.ome.tif", numbers("Ch1", "Ch7")),
        {"preset": "amnis", "channels": {"Ch1": "brightfield", "Ch7": "dapi"}},
    ),
    "pages of a TIFF": (one_file_a_cell(pages, photometric="minisblack", metadata=None), BY_NUMBER),
    "planar": (one_file_a_cell(pages, photometric="minisblack", planarconfig="separate"), BY_NUMBER),
    "interleaved": (
        one_file_a_cell(lambda *both: np.stack(both, -1), photometric="minisblack", planarconfig="contig"),
        BY_NUMBER,
    ),
    "OME-TIFF": (one_file_a_cell(pages, ome=True, metadata={"axes": "CYX", "Channel": {"Name": NAMES}}), BY_NAME),
    "hyperstack": (one_file_a_cell(pages, imagej=True, metadata={"axes": "CYX", "Labels": NAMES}), BY_NAME),
    "stack of cells": (
        one_stack_a_channel,
        {"files": "{patient}/{channel}.tif", "planes": "cells", "first_plane": 1},
    ),
}


def imported(tmp_path, cells, layout):
    """The data set of a layout, with labels from a table; its ids are ``P0/0001``, or ``P0/1`` in stacks."""
    write, naming = LAYOUTS[layout]
    write(tmp_path / "scans", cells)
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["cell_id", "label"])
        table.writerows((f"{patient}/{cell}", label) for patient, cell, label, *_ in cells)
    labels = {} if "{label}" in str(naming) else {"labels": tmp_path / "labels.csv"}
    mapping = {"WBC": "leukocyte", "CTC": "ctc"}
    tfctc.import_images(
        tmp_path / "scans", tmp_path / "cells", bit_depth=12, mapping=mapping, name="one", **naming, **labels
    )
    return Manifest.open(tmp_path / "cells")


def digest_of_records(manifest):
    splits = Splits("patient_id", {"P0": "train", "P1": "validation", "P2": "test"})
    builder = build(manifest, splits)
    files = sorted(builder.data_path.glob("*.tfrecord*"))
    assert len(files) == 3
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def renumbered(manifest):
    """The data set with the ids of stacks, ``P0/1``, written as in the other layouts, ``P0/0001``."""
    texts = dict(manifest.index.texts)
    texts["cell_id"] = np.array([f"{i[:3]}{int(i[3:]):04}" for i in texts["cell_id"]], texts["cell_id"].dtype)
    return replace(manifest, index=replace(manifest.index, texts=texts))


@pytest.fixture(scope="module")
def expected(cells, tmp_path_factory):
    """Digest of the tfrecords of the first layout."""
    return digest_of_records(imported(tmp_path_factory.mktemp("first"), cells, "template"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_tfrecords(tmp_path, cells, expected, layout):
    manifest = imported(tmp_path, cells, layout)
    stored = renumbered(manifest) if layout == "stack of cells" else manifest
    assert digest_of_records(stored) == expected


@pytest.mark.parametrize("layout", LAYOUTS)
def test_predict_finds_the_cells_that_import_found(tmp_path, cells, layout):
    """By the naming that is kept in the data set, in the whole folder and in that of one patient."""
    manifest = imported(tmp_path, cells, layout)
    rules = SearchRules.of(None, manifest.facts.naming)
    found = list(find_cells([tmp_path / "scans"], rules))
    assert [image.cell_id for image in sorted(found)] == [cell.cell_id for cell in manifest.cells()]
    assert not any("DAPI" in image.path.name for image in found)
    if (tmp_path / "scans" / "P1").is_dir():
        below = {image.cell_id for image in find_cells([tmp_path / "scans" / "P1"], rules)}
        assert below == {cell.cell_id for cell in manifest.cells() if cell.patient_id == "P1"}


def test_a_naming_that_is_kept_survives_the_file(tmp_path, cells):
    manifest = imported(tmp_path, cells, "micromanager2")
    assert isinstance(manifest.facts.naming, FileNaming)
    assert manifest.facts.naming.channels == {"000": "brightfield", "001": "dapi"}
    assert manifest.facts.naming.cell_id == "{patient}/{cell}"
