"""Presets: what every registered one promises, and DEPArray."""

import uuid
from pathlib import Path

import pytest
from empty_files import touch

from tfctc.cells import FileNaming
from tfctc.data.importers.pairing import pair
from tfctc.data.importers.presets import PRESETS
from tfctc.errors import UnknownNameError


@pytest.mark.parametrize("in_case", [str, lambda path: Path(path).with_suffix(Path(path).suffix.upper())])
@pytest.mark.parametrize("name", list(PRESETS))
def test_every_registered_preset_pairs_its_own_example(tmp_path, name, in_case):
    """Extensions in small letters or in capitals, as systems have them."""
    preset = PRESETS[name]
    touch(tmp_path, *map(in_case, preset.example))
    found = pair(tmp_path, preset.naming(channels=preset.example_channels))
    (cell,) = found.cells.values()
    assert set(cell.images) == {"brightfield", "dapi"} and not found.unmatched


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="choose one of: amnis, deparray, imagej, imagexpress, micromanager2"):
        PRESETS["cellcelector"]


def test_the_deparray_preset_keeps_patients_apart_and_warns(tmp_path):
    touch(tmp_path, "a/p1/r1_7_BF.tif", "a/p1/r1_7_DAPI.tif", "a/p2/r1_7_BF.tif", "a/p2/r1_7_APC.tif")
    found = pair(tmp_path, PRESETS["deparray"].naming())
    assert {cell_id: cell.patient for cell_id, cell in found.cells.items()} == {"a/p1/r1_7": "p1", "a/p2/r1_7": "p2"}
    assert "unverified" in PRESETS["deparray"].note


@pytest.mark.parametrize("name", list(PRESETS))
def test_the_note_says_which_folder_is_the_patient(name):
    assert "the folder of a file is taken for its patient" in PRESETS[name].note


def test_a_pattern_for_imagexpress_files_with_an_identifier(tmp_path):
    """Such names are reported for MetaXpress; the preset does not fit them."""
    for number, name in enumerate(["s1_w1", "s1_w2", "s1_w1_thumb", "s1_w2_thumb"]):
        identifier = str(uuid.UUID(int=(10 + number) << 100 | 7 << 64)).upper()
        touch(tmp_path, f"run/p1/plate_A01_{name}{identifier}.tif")
    pattern = r"(?:.*/)?(?P<patient>[^/]+)/(?P<cell>[^/]+)_(?P<channel>w\d+)[0-9A-F]{8}(?:-[0-9A-F]{4,12}){4}\.(?i:tif)"
    found = pair(tmp_path, FileNaming(pattern=pattern, channels={"w1": "brightfield", "w2": "dapi"}))
    ((cell_id, cell),) = found.cells.items()
    assert (cell_id, cell.patient, set(cell.images)) == ("plate_A01_s1", "p1", {"brightfield", "dapi"})
    assert len(found.unmatched) == 2
