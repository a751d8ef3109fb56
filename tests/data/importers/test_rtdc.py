""".rtdc files, written by dclab: every event is a cell, with its image and the scale that the file declares."""

import dclab
import numpy as np
import pytest

import tfctc
from tfctc.data.manifest import Manifest
from tfctc.errors import ImageError, ManifestError, PairingError
from tfctc.io.images import read_channel

SIZE = (16, 20)


@pytest.fixture
def write(tmp_path):
    """Writes a file of the events of one sample; returns their images."""

    def write(name, events, seed=0):
        path = tmp_path / "runs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        images = np.random.default_rng(seed).integers(0, 256, (events, *SIZE), np.uint8)
        with dclab.RTDCWriter(path, mode="reset") as writer:
            writer.store_metadata(
                {
                    "experiment": {"sample": name, "run index": 1, "date": "2026-01-01", "time": "00:00:00"},
                    "imaging": {"pixel size": 0.34},
                }
            )
            writer.store_feature("image", images)
            writer.store_feature("area_um", np.arange(events, dtype=float))
        return images

    return write


def test_events_become_cells_of_the_patient_in_the_name(write, tmp_path):
    images = {f"P{n}": write(f"P{n}.rtdc", 3 + n, seed=n) for n in range(2)}
    (tmp_path / "events.csv").write_text("sample;event;class\nP0;1;ctc\nP0;3;leukocyte\nP1;2;ctc\n")
    done = tfctc.import_images(
        tmp_path / "runs",
        tmp_path / "cells",
        files="{patient}.rtdc",
        labels=tmp_path / "events.csv",
        id_column=("sample", "event"),
        label_column="class",
    )
    manifest = Manifest.open(tmp_path / "cells")
    assert (done.facts.mpp, done.facts.bit_depth, done.facts.image_size, done.facts.naming) == (0.34, 8, SIZE, None)
    assert done.cells == {"leukocyte": 1, "ctc": 2, "unlabelled": 4} and not done.can_teach
    labels = {}
    for cell in manifest.cells():
        patient, number = cell.cell_id.split("/")
        assert cell.patient_id == patient and not cell.dapi
        expected = images[patient][int(number) - 1]
        np.testing.assert_array_equal(read_channel(cell.brightfield, manifest.facts)[..., 0], expected)
        labels[cell.cell_id] = cell.label
    assert {key: label for key, label in labels.items() if label} == {"P0/1": "ctc", "P0/3": "leukocyte", "P1/2": "ctc"}


def test_one_file_may_be_imported_alone(write, tmp_path):
    write("P7.rtdc", 2)
    with pytest.raises(ManifestError, match=r"2 cell\(s\) have no patient: P7/1, P7/2; add \{patient\} to --files"):
        tfctc.import_images(tmp_path / "runs" / "P7.rtdc", tmp_path / "cells")
    done = tfctc.import_images(tmp_path / "runs" / "P7.rtdc", tmp_path / "cells", files="{patient}.rtdc")
    assert sum(done.cells.values()) == 2 and done.missing == ["no cell has a label"]


def test_a_damaged_file_is_one_line(write, tmp_path):
    write("P7.rtdc", 2)
    path = tmp_path / "runs" / "P7.rtdc"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ImageError, match="P7.rtdc: is not a readable .rtdc file"):
        tfctc.import_images(tmp_path / "runs", tmp_path / "cells", files="{patient}.rtdc")
    assert not (tmp_path / "cells").exists()


def test_a_folder_without_such_a_file(tmp_path):
    (tmp_path / "runs").mkdir()
    with pytest.raises(PairingError, match="holds no cell in a file with a name like --files '{patient}.rtdc'"):
        tfctc.import_images(tmp_path / "runs", tmp_path / "cells", files="{patient}.rtdc")
