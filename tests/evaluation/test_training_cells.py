"""Training patients in another data set: by id, and by site where it is known."""

import numpy as np
import pytest
from made_up import edit_manifest
from small_runs import changed

from tfctc.data.manifest import Manifest
from tfctc.errors import ArtefactError
from tfctc.evaluation.training_cells import TrainingCells


@pytest.fixture
def data(tiny_dataset, tmp_path):
    """Manifest of a data set of three patients; `sites` are theirs."""

    def make(*sites):
        def rename(rows):
            for i, row in enumerate(rows):
                row["patient_id"], row["site"] = f"P{i % 3}", sites[i % 3]

        folder = tmp_path / "_".join(sites)
        if folder.exists():
            return Manifest.open(edit_manifest(folder, rename))
        return Manifest.open(changed(tiny_dataset, folder, rename))

    return make


@pytest.mark.parametrize(
    ("known", "sites", "found"),
    [
        ([("", "P0", ("A",)), ("", "P9", ("A",))], ("B", "B", "B"), []),
        ([("", "P0", ("A",))], ("A", "B", "B"), ["P0"]),
        ([("", "p0", ("a",))], ("A", "B", "B"), ["P0"]),
        ([("", "P0", ())], ("B", "B", "B"), ["P0"]),
        ([("", "P0", ("A",)), ("", "P2", ("A",))], ("", "", ""), ["P0", "P2"]),
        ([("", "P1", ("A", ""))], ("B", "B", "B"), ["P1"]),
        ([("/simulated", "P0", ())], ("", "", ""), []),
    ],
)
def test_a_patient_is_the_same_unless_all_sites_are_known_and_differ(data, known, sites, found):
    assert TrainingCells.of(known, None).known_patients(data(*sites)) == found


def test_fingerprints_are_written_and_read(tmp_path):
    cells = TrainingCells.of([("", "P0", ("A",))], np.array([7, 3, 7], np.uint64))
    (tmp_path / "cells.npz").write_bytes(cells.to_bytes())
    read = TrainingCells.read(tmp_path / "cells.npz")
    assert read.images.tolist() == [3, 7] and read.at_sites.tolist() == cells.at_sites.tolist()
    assert read.knows_image(7) and not read.knows_image(8) and not read.knows_image(None)
    (tmp_path / "cells.npz").write_bytes(cells.to_bytes()[:40])
    with pytest.raises(ArtefactError, match=r"cells.npz: cannot be read .*; copy the whole version folder again"):
        TrainingCells.read(tmp_path / "cells.npz")
