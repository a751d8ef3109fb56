"""Proposed templates: those that a person would write for the folder, first."""

import numpy as np
import pytest
import tifffile
from empty_files import touch

from tfctc.data.importers.pairing import pair
from tfctc.data.importers.proposals import propose
from tfctc.errors import PairingError


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


def test_a_folder_in_which_nothing_pairs(tmp_path):
    touch(tmp_path, "a.tif", "bcd.tif")
    assert propose(tmp_path) == []
    (tmp_path / "none").mkdir()
    with pytest.raises(PairingError, match="holds no PNG or TIFF image"):
        propose(tmp_path / "none")
