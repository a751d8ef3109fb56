"""The folder read back with other means: Pillow, csv and json."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from tfctc.cells import COLUMNS
from tfctc.data.simulate import SimulationOptions, simulate_cells, write_dataset
from tfctc.errors import ConfigError, OutputError

OPTIONS = SimulationOptions(patients=3, sites=2, size=40, unlabelled=0.2, without_dapi=0.4)


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_folder_holds_exactly_what_was_simulated(tmp_path):
    steps = []
    options = {"seed": 4, "options": OPTIONS}
    folder = write_dataset(tmp_path / "cells", 12, **options, progress=lambda *step: steps.append(step))
    rows, truths = read_csv(folder / "manifest.csv"), read_csv(folder / "truth.csv")
    assert steps == [("Simulating cells", done, 12) for done in range(1, 13)]
    assert len(rows) == len(truths) == 12 and tuple(rows[0]) == COLUMNS
    files = set()
    for row, truth, one in zip(rows, truths, simulate_cells(12, **options), strict=True):
        assert row["cell_id"] == truth["cell_id"] == one.cell.cell_id
        assert (row["patient_id"], row["site"], row["label"]) == (one.cell.patient_id, one.cell.site, one.cell.label)
        assert float(truth["diameter_um"]) == pytest.approx(one.truth.diameter_um, rel=1e-3)
        for channel, pixels in (("brightfield", one.brightfield), ("dapi", one.dapi)):
            assert (row[channel] == "") == (pixels is None)
            if pixels is not None:
                files.add(folder / row[channel])
                with Image.open(folder / row[channel]) as image:
                    assert image.format == "PNG" and image.mode == "I;16"
                    np.testing.assert_array_equal(np.asarray(image), pixels)
    assert set(folder.rglob("*.png")) == files
    assert {row["label"] for row in rows} == {"", "leukocyte", "ctc"}
    assert {truth["label"] for truth in truths} == {"leukocyte", "ctc"}


def test_facts_say_simulated_and_12_bits(tmp_path):
    write_dataset(tmp_path / "cells", 6, seed=0, options=OPTIONS)
    facts = json.loads((tmp_path / "cells" / "dataset.json").read_text())
    assert facts["simulated"] is True and facts["bit_depth"] == 12
    assert facts["image_size"] == [40, 40] and facts["mpp"] == 0.64 and facts["classes"] == ["leukocyte", "ctc"]


def test_an_interrupted_simulation_leaves_nothing(tmp_path):
    def stop(task, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / "cells", 6, seed=0, options=OPTIONS, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="not an empty folder"):
        write_dataset(tmp_path, 6, seed=0, options=OPTIONS)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_too_few_cells_leave_no_folder(tmp_path):
    with pytest.raises(ConfigError, match="need 6 cells"):
        write_dataset(tmp_path / "cells", 5, seed=0, options=OPTIONS)
    assert list(tmp_path.iterdir()) == []
