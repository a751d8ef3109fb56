"""Proposed templates: those that a person would write for the folder, first."""

import re
import shlex
from itertools import product

import numpy as np
import pytest
import tifffile
from empty_files import touch

from tfctc.api.importing import preview_images
from tfctc.data.importers.pairing import pair
from tfctc.data.importers.proposals import propose
from tfctc.errors import ConfigError, PairingError


@pytest.mark.parametrize(
    ("files", "options"),
    [
        ("P{p}/{n:04}_{c}.tif", "--files '{patient}/{cell}_{channel}.tif'"),
        ("P{p}/{c}/{n:04}.tif", "--files '{patient}/{channel}/{cell}.tif'"),
        ("{c}/P{p}/{n:04}.tif", "--files '{channel}/{patient}/{cell}.tif'"),
        ("{label}/P{p}_{n:04}_{c}.png", "--files '{label}/{patient}_{cell}_{channel}.png'"),
        ("{label}/P{p}/{n}-{c}.png", "--files '{label}/{patient}/{cell}-{channel}.png'"),
        ("site{p}/P{p}/{n}_{c}.ome.tif", "--files '{site}/{patient}/{cell}_{channel}.ome.tif'"),
        ("{n:03}_{c}.TIF", "--files '{cell}_{channel}.tif'"),
        ("P{p}/C{k}-cell{n}.tif", "--files '{patient}/{channel}-{cell}.tif' --channel C1=brightfield --channel C2=dapi"),  # noqa: E501
        ("P{p}/a_{n}_w{k}.TIF", "--files '{patient}/{cell}_{channel}.tif' --channel w1=brightfield --channel w2=dapi"),
        ("P{p}/img_channel00{k}_position{n:03}_time0_z0.tif",
         "--preset micromanager2 --channel 001=brightfield --channel 002=dapi"),
    ],
)  # fmt: skip
def test_the_first_proposal_is_what_a_person_would_write(tmp_path, files, options):
    for p in range(4):
        for n in range(10 * p, 10 * p + 5):
            label = ("CTC", "WBC")[p % 2]
            touch(tmp_path, *(files.format(p=p, n=n, c=("BF", "DAPI")[k - 1], k=k, label=label) for k in (1, 2)))
    first = propose(tmp_path)[0]
    assert (first.options, first.paired, first.cells, first.files) == (options, 20, 20, 40)
    assert first.is_guess == ("{k}" in files)
    assert len(pair(tmp_path, first.naming).cells) == 20


def test_planes_of_a_file_are_proposed_with_their_names(tmp_path):
    (tmp_path / "p1").mkdir()
    for n in range(3):
        metadata = {"axes": "CYX", "Channel": {"Name": ["BF", "DAPI"]}}
        tifffile.imwrite(tmp_path / f"p1/{n}.ome.tif", np.full((2, 8, 8), n, np.uint16), metadata=metadata)
    (first, *_) = propose(tmp_path)
    assert first.options == "--files '{patient}/{cell}.ome.tif' --channel BF=brightfield --channel DAPI=dapi"


def layout(template, channels=("BF", "DAPI"), patients=("P1", "P2", "P3"), runs=("run1", "run2"), cells=range(1, 6)):
    """Paths of the files of all patients, runs, cells and channels."""
    parts = product(patients, runs, cells, channels)
    return sorted({template.format(p=p, r=r, u=f"{p}-{r}", n=n, c=c) for p, r, n, c in parts})


def proposed(folder, files):
    """Options of each proposal -> its patients; each is checked with the import's own pairing."""
    touch(folder, *files)
    found = propose(folder)
    for one in found:
        cells = pair(folder, one.naming).cells
        assert len(cells) == one.cells and sum(len(cell.images) == 2 for cell in cells.values()) == one.paired
        assert tuple(sorted({cell.patient for cell in cells.values()} - {""})) == one.patients
    return {one.options: one.patients for one in found}


RUNS = "--files '{patient}/{run}/{cell}_{channel}.tif' --cell-id '{patient}/{run}/{cell}'"
SITES = "--files '{site}/{patient}/{cell}_{channel}.tif'"
OUTER, CROSSED = ("P1", "P2", "P3"), tuple(f"P{p}-run{r}" for p in (1, 2, 3) for r in (1, 2))


@pytest.mark.parametrize(
    ("files", "readings"),
    [
        # The names of the inner folders repeat, so they are no patients.
        ("{p}/{r}/{n}_{c}.tif", {RUNS: OUTER}),
        ("{p}/images/{n}_{c}.tif", {RUNS: OUTER}),
        ("{p}/{r}/{c}/{n}.tif", {RUNS.replace("{cell}_{channel}", "{channel}/{cell}"): OUTER}),
        # They never repeat, so both are possible.
        ("{p}/{u}/{n}_{c}.tif", {RUNS: OUTER, SITES: CROSSED}),
        ("export/{p}/{n}_{c}.tif", {RUNS: ("export",), SITES: OUTER}),
        (
            "A/{p}/{r}/{n}_{c}.tif",
            {
                RUNS.replace("--files '", "--files '{site}/"): OUTER,
                RUNS.replace("{run}", "{run}/{part}"): ("A",),
            },
        ),
        # A number after the word is the patient's own, although two sites have it.
        ("{p}/patient0{n}/1_{c}.tif", {RUNS: OUTER, SITES: tuple(f"patient0{n}" for n in range(1, 6))}),
        ("{p}_{n}_{c}.tif", {"--files '{patient}_{cell}_{channel}.tif'": OUTER, "--files '{cell}_{channel}.tif'": ()}),
    ],
)
def test_every_reading_with_other_patients_is_proposed(tmp_path, files, readings):
    assert proposed(tmp_path, layout(files)) == readings


def test_runs_that_no_template_takes_apart_are_not_proposed_as_patients(tmp_path):
    assert proposed(tmp_path / "a", layout("{p}/{r}/img_channel00{c}_position{n}_time0_z0.tif", "01")) == {}
    assert proposed(tmp_path / "b", layout("a/b/{p}/{r}/{n}_{c}.tif")) == {}


@pytest.mark.parametrize(
    ("files", "options"),
    [
        (layout("{p}/{n}/{c}.tif"), "--files '{patient}/{cell}/{channel}.tif'"),
        (layout("{p}/{n}/{c}.tif", ("w1", "w2")),
         "--files '{patient}/{cell}/{channel}.tif' --channel w1=brightfield --channel w2=dapi"),
        (layout("cell{n}/{c}.tif"), "--files '{cell}/{channel}.tif'"),
        ([f"{p}/{n}_{c}" for p in OUTER for n in (1, 2) for c in ("BF.tif", "DAPI.png")],
         "--files '{patient}/{cell}_{channel}.*'"),
        ([f"{p}/{n}_{c}" for p in OUTER for n in (1, 2) for c in ("BF.tif", "BF.png", "DAPI.tif")],
         "--files '{patient}/{cell}_{channel}.tif'"),
        (layout("{p}/{n}_{c}.tif", ("TL 10x", "DAPI")),
         "--files '{patient}/{cell}_{channel}.tif' --channel 'TL 10x=brightfield'"),
        (layout("{p}/{n}_{c}.tif", ("T'L", "DAPI")),
         "--files '{patient}/{cell}_{channel}.tif' --channel " + shlex.quote("T'L=brightfield")),
        (layout("{p}/CTC/{n}_{c}.tif") + layout("{p}/WBC/{n}_{c}.tif"),
         "--files '{patient}/{label}/{cell}_{channel}.tif' --cell-id '{label}/{patient}/{cell}'"),
        (layout("{c}/P{n}/1.tif", cells=range(1, 40)), "--files '{channel}/{patient}/{cell}.tif'"),
        (layout("P1/a_s{n}_{c}.tif", ("w1", "w2", "w1_thumb", "w2_thumb")),
         "--files '{patient}/{cell}_{channel}.tif' --channel w1=brightfield --channel w2=dapi"),
        (layout("P1/{n}_{c}.ome.tif", ("Ch1", "Ch7", "Ch11")),
         "--files '{patient}/{cell}_{channel}.ome.tif' --channel Ch1=brightfield --channel Ch7=dapi"),
    ],
)  # fmt: skip
def test_layouts_with_one_reading(tmp_path, files, options):
    assert list(proposed(tmp_path, files)) == [options]


@pytest.mark.parametrize(
    "files",
    [
        layout("{p}/{n}.tif", ("",)),
        layout("{p}/c{n}.tif", ("",), cells=(1, 2)),
        layout("{p}/{n}.tif", ("",)) + layout("{p}/{n}_DAPI.tif", ("",)),
        layout("P1/{n}_{c}.tif", ("TL 10x", "Fluor 405"), cells=(1, 2)),
        layout("{p}/c{n}{c}.tif"),
        layout("{p}_{n}.tif", ("",), cells=(1, 2)),
    ],
)
def test_cells_and_patients_are_not_taken_for_channels(tmp_path, files):
    assert proposed(tmp_path, files) == {}


def test_cells_with_bright_field_alone(tmp_path):
    touch(tmp_path / "a", *layout("{p}/{n}_BF.tif", cells=(1, 2)))
    (one,) = propose(tmp_path / "a")
    assert one.options == "--files '{patient}/{cell}_{channel}.tif'"
    assert one.meaning == "patients are P1, P2, P3; 6 of 6 cells have only bright-field"
    touch(tmp_path / "b", *layout("{p}/{n}_{c}.tif", ("BF", "CD45")))
    (one,) = propose(tmp_path / "b")
    assert one.meaning.endswith("15 of 15 cells have only bright-field; if CD45 is DAPI, add --channel NAME=dapi")


def test_planes_without_names_are_a_guess(tmp_path):
    (tmp_path / "p1").mkdir()
    for n in range(3):
        metadata = {"axes": "CYX", "Channel": {"Name": ["DAPI", "TL 10x"]}}
        tifffile.imwrite(tmp_path / f"p1/{n}.ome.tif", np.full((2, 8, 8), n, np.uint16), metadata=metadata)
    (one,) = propose(tmp_path)
    assert one.is_guess and one.meaning.endswith("check which channel is which")
    assert one.naming.channels == {"TL 10x": "brightfield", "DAPI": "dapi"}
    assert "--channel 'TL 10x=brightfield'" in one.options


def asked(folder):
    with pytest.raises(ConfigError) as caught:
        preview_images(folder)
    return caught.value


def test_no_command_is_recommended_if_the_patients_differ(tmp_path):
    touch(tmp_path, *layout("{p}/{u}/{n}_{c}.tif"))
    error = asked(tmp_path)
    assert "for example" not in error.fix and "add the one whose patients are right" in error.fix
    assert "      patients are P1, P2, P3" in list(error.details)


def test_a_guessed_channel_is_to_be_checked_in_the_recommended_command(tmp_path):
    touch(tmp_path, *layout("{p}/{n}_{c}.tif", ("w1", "w2")))
    error = asked(tmp_path)
    command = re.search("for example: (.*); --dry-run", error.fix)[1]
    assert error.fix.endswith("check which channel is which")
    assert shlex.split(command)[-1] == "w2=dapi"


def test_without_a_proposal_some_files_are_shown(tmp_path):
    touch(tmp_path, *layout("{p}/{n}.tif", ("",), cells=range(9)))
    error = asked(tmp_path)
    assert list(error.details)[1:] == ["  P1/0.tif", "  P1/6.tif", "  P2/4.tif", "  P3/1.tif", "  P3/8.tif"]
    assert "--files '{patient}/{cell}_{channel}.tif' --channel NAME=brightfield" in error.fix


def test_a_folder_in_which_nothing_pairs(tmp_path):
    touch(tmp_path, "a.tif", "bcd.tif")
    assert propose(tmp_path) == []
    (tmp_path / "none").mkdir()
    with pytest.raises(PairingError, match="holds no PNG or TIFF image"):
        propose(tmp_path / "none")
