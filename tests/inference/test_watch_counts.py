"""Counts by patient beside the table of a watched folder: those that `predict` writes for the same images."""

import csv
import shutil
import time
from pathlib import Path

import pytest

import tfctc
from tfctc.api import predicting
from tfctc.errors import OutputError

FILES = "{patient}/{cell}.png"
RATES = {
    "threshold": 0.5,
    "sensitivity": 0.9,
    "false_positives": 0.01,
    "sensitivity_error": 0.02,
    "false_positives_error": 0.005,
    "quantile": 2.2,
}


class Stop(Exception):
    """Ends a watch as a kill would."""


@pytest.fixture
def looks(monkeypatch):
    """Runs a watch through this many searches that find nothing."""

    def run(watched, count=1):
        pauses = iter(range(count))

        def rest(seconds):
            if next(pauses, None) is None:
                raise KeyboardInterrupt

        monkeypatch.setattr(time, "sleep", rest)
        with pytest.raises(KeyboardInterrupt):
            watched.run()

    return run


def counts(path):
    with path.open(newline="") as file:
        return {row["patient_id"]: row for row in csv.DictReader(file)}


def by_hand(table):
    """Cells, refused images and calls of each patient, from the last row of each cell."""
    with table.open(newline="") as file:
        last = {row["cell_id"]: row for row in csv.DictReader(file)}
    found = {}
    for row in last.values():
        own = found.setdefault(row["patient_id"], [0, 0, 0])
        own[0] += 1
        own[1] += row["call"] == "refused"
        own[2] += row["call"] == "ctc"
    return {patient: list(map(str, own)) for patient, own in found.items()}


def shown(path):
    return {name: [row[key] for key in ("cells", "refused", "called_ctc")] for name, row in counts(path).items()}


def test_counts_follow_the_table_and_are_those_of_predict(write_model, write_image, looks, tmp_path):
    model, out = write_model(rates=RATES), tmp_path / "out" / "night.csv"
    path = out.with_name("night_counts.csv")
    for i, share in enumerate((0.2, 0.8, 0.9)):
        write_image(f"cells/P1/a{i}.png", share)
    bad = write_image("cells/P2/b0.png", size=(3, 3))

    def start():
        return tfctc.watch(model, tmp_path / "cells", out, files=FILES, settle=0)

    looks(start())
    assert shown(path) == by_hand(out) == {"P1": ["3", "0", "2"], "P2": ["1", "1", "0"]}
    # The refused image is mended while no watch is running, and another patient arrives.
    bad.unlink()
    write_image("cells/P2/b0.png", 0.8)
    write_image("cells/P3/=1+1.png", 0.99)
    path.unlink()
    looks(start())
    assert shown(path) == by_hand(out) == {"P1": ["3", "0", "2"], "P2": ["1", "0", "1"], "P3": ["1", "0", "1"]}
    tfctc.predict(model, [tmp_path / "cells"], tmp_path / "all.csv", files=FILES)
    assert path.read_bytes() == (tmp_path / "all_counts.csv").read_bytes()
    assert counts(path)["P1"]["adjusted_ctc"] != "" and counts(path)["P3"]["unlike"] == "1"
    # Nothing new: the next start writes what a killed one could not.
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    looks(start())
    assert path.read_bytes() == (tmp_path / "all_counts.csv").read_bytes()


def test_rows_at_another_threshold_have_no_adjusted_number(write_model, write_image, looks, tmp_path):
    model, out = write_model(rates=RATES), tmp_path / "predictions.csv"
    write_image("cells/P1/a.png", 0.8)
    looks(tfctc.watch(model, tmp_path / "cells", out, files=FILES, settle=0, threshold=0.7))
    write_image("cells/P1/b.png", 0.6)
    looks(tfctc.watch(model, tmp_path / "cells", out, files=FILES, settle=0))
    row = counts(tmp_path / "counts.csv")["P1"]
    assert (row["cells"], row["called_ctc"], row["adjusted_ctc"]) == ("2", "2", "")


def test_a_long_search_writes_counts_in_between(write_model, write_image, monkeypatch, tmp_path):
    """When a row is told, the rows before it are counted."""
    monkeypatch.setattr(predicting, "COUNTS_PAUSE", 0.0)
    for name in "abc":
        write_image(f"cells/P1/{name}.png", 0.8)
    seen = []

    def on_row(row, error):
        seen.append(shown(tmp_path / "counts.csv") if seen else {})
        if len(seen) == 3:
            raise Stop

    watched = tfctc.watch(
        write_model(), tmp_path / "cells", tmp_path / "predictions.csv", files=FILES, settle=0, on_row=on_row
    )
    with pytest.raises(Stop):
        watched.run()
    assert seen == [{}, {"P1": ["1", "0", "1"]}, {"P1": ["2", "0", "2"]}]
    assert shown(tmp_path / "counts.csv") == {"P1": ["3", "0", "3"]}


def test_without_patients_or_with_an_early_table_there_are_no_counts(write_model, write_image, looks, tmp_path):
    write_image("cells/a.png")
    looks(tfctc.watch(write_model(), tmp_path / "cells", tmp_path / "predictions.csv", settle=0))
    early = tmp_path / "early.csv"
    early.write_text("cell_id,p_ctc,label,quality,threshold,model_version\na,0.8,ctc,ok,0.5,mean/1+abc\n")
    shutil.move(tmp_path / "cells" / "a.png", write_image("cells/P1/b.png").with_name("a.png"))
    looks(tfctc.watch(write_model(), tmp_path / "cells", early, files=FILES, settle=0))
    assert not list(tmp_path.glob("*counts.csv"))


def test_another_file_of_that_name_is_left_alone(write_model, write_image, tmp_path):
    write_image("cells/P1/a.png")
    (tmp_path / "counts.csv").write_text("name,number\n")
    with pytest.raises(OutputError, match="holds no counts of patients"):
        tfctc.watch(write_model(), tmp_path / "cells", Path(tmp_path) / "predictions.csv", files=FILES)
    assert not (tmp_path / "predictions.csv").exists()
