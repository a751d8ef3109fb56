"""`tfctc.inspect_dataset` on the tiny data set: what is written, and what it says about training."""

import json
import shutil
import subprocess
import sys

import pytest
from made_up import edit_manifest

import tfctc
from tfctc.errors import ConfigError, ImageError, ManifestError


@pytest.fixture
def data(tiny_dataset, tmp_path):
    """A copy of the tiny data set, to be changed."""
    return shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_page_and_values_are_written_and_nothing_else_changes(data):
    before = files(data)
    found = tfctc.inspect_dataset(data)
    after = files(data)
    assert found.page == data / "inspection" / "inspection.html" and found.values.parent == found.page.parent
    assert {name: after[name] for name in before} == before and len(after) == len(before) + 2
    values = json.loads(found.values.read_text())
    assert values["data"] == "tiny" and values["cells"] == values["measured"] == 48 and not values["unreadable"]
    assert [one["problem"] for one in values["findings"]] == [one.problem for one in found.findings]
    assert values["sections"]["Counts"]["cells"] == {"leukocyte": 24, "ctc": 24, "unlabelled": 0}


def test_the_same_seed_gives_the_same_files_and_an_earlier_inspection_is_replaced(data, tmp_path):
    first = tfctc.inspect_dataset(data, tmp_path / "out", seed=4)
    before = files(tmp_path / "out")
    tfctc.inspect_dataset(data, tmp_path / "out", seed=4)
    assert files(tmp_path / "out") == before and first.page.parent == tmp_path / "out"
    assert not (data / "inspection").exists()


def test_progress_is_reported(data):
    seen = []
    tfctc.inspect_dataset(data, progress=lambda *step: seen.append(step))
    assert ("Measuring cells", 48, 48) in seen


def test_a_sample_is_read_and_named(data):
    found = tfctc.inspect_dataset(data, cells=20, seed=1)
    assert json.loads(found.values.read_text())["measured"] == 20
    assert any("20 cells were read, a random sample with seed 1" in note for note in found.notes)
    assert any("random sample" in line for line in str(found).splitlines())


def test_an_unreadable_image_does_not_stop_it(data):
    (data / "images" / "p03-1_dapi.png").write_bytes(b"not an image")
    found = tfctc.inspect_dataset(data)
    (finding,) = [one for one in found.findings if "unreadable" in one.problem]
    assert finding.cells == ["p03-1"] and "p03-1_dapi.png" in finding.problem
    assert json.loads(found.values.read_text())["measured"] == 47
    assert found.missing == "1 cell(s) have an image that cannot be read"


def test_without_one_readable_image_there_is_an_error(data):
    for path in data.glob("images/*_bf.png"):
        path.unlink()
    with pytest.raises(ImageError, match="no image can be read; the first one: .*no such file"):
        tfctc.inspect_dataset(data)
    assert not (data / "inspection").exists()


def few_positives(row):
    if row["patient_id"] > "p01" and row["label"] == "ctc":
        row["label"] = ""


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda row: row.update(label=""), "no cell has a label"),
        (few_positives, "2 patients with ctc, 3 needed"),
        (lambda row: row.update(dapi=""), "without DAPI use tfctc fit --mode brightfield"),
        (lambda row: row["label"] == "ctc" and row.update(dapi=""), "without DAPI use tfctc fit --mode brightfield"),
        (lambda row: None, ""),
    ],
)
def test_what_training_lacks_is_said(data, change, expected):
    edit_manifest(data, lambda rows: [change(row) for row in rows])
    missing = tfctc.inspect_dataset(data).missing
    assert expected in missing and bool(expected) == bool(missing)


def test_mistakes_are_errors(data, tmp_path):
    with pytest.raises(ManifestError):
        tfctc.inspect_dataset(tmp_path)
    for wrong in ({"cells": 0}, {"seed": -1}):
        with pytest.raises(ConfigError):
            tfctc.inspect_dataset(data, **wrong)


def test_tensorflow_is_not_imported(data):
    code = (
        "import sys; sys.modules.update(tensorflow=None, keras=None, tensorflow_datasets=None)\n"
        "import tfctc; tfctc.inspect_dataset(sys.argv[1])"
    )
    subprocess.run([sys.executable, "-c", code, data], check=True)
