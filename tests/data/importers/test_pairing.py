"""The channel images of a cell: paired by id, and what does not pair is named."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
from empty_files import touch

from tfctc.cells import FileNaming
from tfctc.data.importers import pairing
from tfctc.data.importers.pairing import orphans
from tfctc.errors import ConfigError, ImageError, PairingError

PATTERN = r"(?P<patient>[^/]+)/(?P<cell>c\d+)_(?P<channel>\w+)\.(png|tif)"
FLAT = r"(?P<cell>c\d)_(?P<channel>BF|DAPI)\.png"


def pair(folder, pattern, channels=None):
    return pairing.pair(folder, FileNaming(pattern=pattern, channels=channels or {}))


def test_channels_pair_by_id_whatever_their_order_or_folder(tmp_path):
    touch(tmp_path, "p1/c2_BF.png", "p1/c10_Dapi.tif", "p1/c10_bf.png", "p2/c3_BF.png", "p1/c2_DNA.png", "p1/c2_PE.png")
    touch(tmp_path, "p1/notes.txt", "p1/overview.png", "p1/.c9_BF.png", ".Trash/c8_BF.png", "p1/.snapshot/c7_BF.png")
    found = pair(tmp_path, PATTERN)
    assert {
        cell_id: (c.patient, {k: Path(v.path).name for k, v in c.images.items()}) for cell_id, c in found.cells.items()
    } == {
        "c2": ("p1", {"brightfield": "c2_BF.png", "dapi": "c2_DNA.png"}),
        "c10": ("p1", {"brightfield": "c10_bf.png", "dapi": "c10_Dapi.tif"}),
        "c3": ("p2", {"brightfield": "c3_BF.png"}),
    }
    assert found.ignored == {"PE": 1} and found.unmatched == ["p1/overview.png"]


def test_a_channel_may_have_any_name(tmp_path):
    touch(tmp_path, "p1/c1_ch0.png", "p1/c1_ch1.png")
    found = pair(tmp_path, PATTERN, {"ch0": "brightfield", "Ch1": "dapi"})
    assert set(found.cells["c1"].images) == {"brightfield", "dapi"}
    with pytest.raises(ConfigError, match="unknown channel 'red'"):
        pair(tmp_path, PATTERN, {"ch0": "red"})


@pytest.mark.parametrize(
    ("files", "pattern", "error", "message"),
    [
        (
            ["p1/c1_BF.png", "p1/c1_BF.tif"],
            PATTERN,
            PairingError,
            "cell c1 has two brightfield images, p1/c1_BF.png and "
            "p1/c1_BF.tif; remove one; if these are two cells, let a new group .*run.* give --cell-id '{run}/{cell}'",
        ),
        (["r1/p1/c1_BF.png", "r2/p1/c1_BF.png"], "(?P<run>[^/]+)/" + PATTERN, ConfigError, "unknown group 'run' in"),
        (["p1/c1_DAPI.png"], PATTERN, PairingError, "no bright-field image among channels dapi"),
        (["p1/c1_PE.png"], PATTERN, PairingError, "no bright-field image among channels PE"),
        (["p1/x.png"], PATTERN, PairingError, r"no image file has a name like --pattern .* \(e.g. p1/x.png\)"),
        (["p1/c1_BF.jpg"], PATTERN, PairingError, "holds no PNG or TIFF image; export the images as one of these"),
        (["p1/c1_BF.png"], "(?P<cell>", ConfigError, "not a regular expression"),
        (["p1/c1_BF.png"], "(?P<cell>.*)", ConfigError, "lacks the group channel"),
    ],
)
def test_what_does_not_pair_is_named(tmp_path, files, pattern, error, message):
    touch(tmp_path, *files)
    with pytest.raises(error, match=message):
        pair(tmp_path, pattern)


def test_one_id_with_two_patients_is_no_pair(tmp_path):
    touch(tmp_path, "p1/0001_BF.png", "p2/0001_DAPI.png")
    naming = FileNaming(("{patient}/{cell}_{channel}.png",))
    with pytest.raises(
        PairingError, match="no DAPI image has the cell id of .*: bright-field has p1/0001, DAPI p2/0001"
    ):
        pairing.pair(tmp_path, naming)
    with pytest.raises(PairingError, match="cell 0001 has two patients, p1 and p2, the second at p2/0001_DAPI.png"):
        pairing.pair(tmp_path, replace(naming, cell_id="{cell}"))


def test_cells_of_several_patients_with_one_number_get_ids_of_their_own(tmp_path):
    touch(tmp_path, *(f"{p}/{n}_{c}.png" for p in ("p1", "p2") for n in (1, 2) for c in ("BF", "DAPI")))
    found = pairing.pair(tmp_path, FileNaming(("{patient}/{cell}_{channel}.png",)))
    assert sorted(found.cells) == ["p1/1", "p1/2", "p2/1", "p2/2"]
    assert found.naming.cell_id == "{patient}/{cell}"
    assert found.notes == ["cells of several patients have the same id, so ids are now {patient}/{cell}"]


def test_patients_of_two_sites_with_one_name_get_the_site_too(tmp_path):
    touch(tmp_path, *(f"{s}/p1/1_{c}.png" for s in ("a", "b") for c in ("BF", "DAPI")))
    found = pairing.pair(tmp_path, FileNaming(("{site}/{patient}/{cell}_{channel}.png",)))
    assert sorted(found.cells) == ["a/p1/1", "b/p1/1"] and found.naming.cell_id == "{site}/{patient}/{cell}"


def test_orphans_are_the_cells_without_brightfield(tmp_path):
    touch(tmp_path, "p1/c1_BF.png", "p1/c2_DAPI.png", "p1/c3_DAPI.png", "p1/c3_BF.png")
    assert orphans(pair(tmp_path, PATTERN).cells) == ["c2"]


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(PairingError, match="is not a folder"):
        pair(tmp_path / "nowhere", PATTERN)


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    """The tests may be run by root, who can read all."""
    touch(tmp_path, "p1/c1_BF.png", "p2/c2_BF.png")
    scandir = os.scandir

    def refusing(path):
        if Path(path).name == "p2":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(PairingError, match=f"{tmp_path}/p2: cannot be read .Permission denied.; ") as caught:
        pair(tmp_path, r"[^/]+/" + FLAT)
    assert caught.value.path == str(tmp_path / "p2")


def test_a_linked_folder_is_paired(tmp_path):
    touch(tmp_path / "disk", "c1_BF.png")
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "p1").symlink_to(tmp_path / "disk")
    assert pair(tmp_path / "scans", "(?P<patient>[^/]+)/" + FLAT).cells["c1"].patient == "p1"


@pytest.mark.parametrize("name", [b"c1\xfc_BF.png", b"p\xfc/c1_BF.png"])
def test_a_name_that_no_manifest_can_hold_is_one_line(tmp_path, name):
    path = os.fsencode(tmp_path) + b"/" + name
    os.makedirs(os.path.dirname(path), exist_ok=True)
    open(path, "w").close()
    with pytest.raises(ImageError) as caught:
        pair(tmp_path, ".*" + FLAT)
    shown = name.decode(errors="backslashreplace")
    assert str(caught.value) == f"{tmp_path}/{shown}: file name is not UTF-8; rename it"


def test_a_pattern_that_finds_no_cell_is_told_with_the_file(tmp_path):
    touch(tmp_path, "c1_BF.png", "_PE.png")
    pattern = r"(?P<cell>x\d)?.*_(?P<channel>BF|PE)\.png"
    with pytest.raises(ConfigError) as caught:
        pair(tmp_path, pattern)
    assert str(caught.value).startswith(f"_PE.png: matches --pattern {pattern!r} without its group cell; ")


def test_channels_are_told_apart_in_any_script(tmp_path):
    touch(tmp_path, "c1_明場.png", "c1_蛍光.png", "c2_蛍光.png", "c2_明場.png", "c3_位相.png")
    pattern, names = r"(?P<cell>c\d)_(?P<channel>.+)\.png", {"明場": "brightfield", "蛍光": "dapi"}
    cells = pair(tmp_path, pattern, names)
    assert {cell: sorted(found.images) for cell, found in cells.cells.items()} == {
        "c1": ["brightfield", "dapi"], "c2": ["brightfield", "dapi"],
    }  # fmt: skip
    assert cells.ignored == {"位相": 1}
    with pytest.raises(ConfigError, match="--channel: a name needs a letter or a digit"):
        pair(tmp_path, pattern, {"--": "dapi"})
