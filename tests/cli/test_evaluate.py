"""`tfctc evaluate` as a user types it, also on data sets that have changed since training."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import keras
import pytest
from click.testing import CliRunner
from made_up import edit_manifest
from small_models import make_compact_shallow

from tfctc.cli import main
from tfctc.config import ModelConfig, RunConfig, SplitConfig, to_dict
from tfctc.data.assignment import assign_groups
from tfctc.data.manifest import Manifest
from tfctc.models.classifier import build_classifier
from tfctc.models.fast import to_stock

BOTH = ("brightfield", "dapi")
POINT = {"threshold": 0.25, "rule": "f1", "chosen_on": "validation", "cells": 8}


@pytest.fixture(scope="module")
def models(tiny_dataset, tmp_path_factory):
    """A folder with an untrained student and teacher."""
    folder, size = tmp_path_factory.mktemp("models"), tuple(Manifest.open(tiny_dataset).facts.image_size)
    keras.utils.set_random_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        make_compact_shallow(patch)
        for name, channels in (("student", BOTH[:1]), ("teacher", BOTH)):
            scale = dict.fromkeys(channels, (0.3, 0.1))
            model = build_classifier(ModelConfig("compact", channels), size, scale, name)
            to_stock(model).save(folder / f"{name}.keras")
    return folder


@dataclass
class Trained:
    """A run folder as `fit` leaves it, on a data set of its own."""

    folder: Path
    data: Path

    @property
    def groups(self):
        return json.loads((self.folder / "splits.json").read_text())["groups"]

    def change(self, split, change):
        """Replaces each row of the split by what `change` makes of it; None removes it."""

        def edit(rows):
            kept = [change(row) if self.groups[row["patient_id"]] == split else row for row in rows]
            rows[:] = filter(None, kept)

        edit_manifest(self.data, edit)

    def evaluate(self, *arguments):
        return CliRunner().invoke(main, ["evaluate", str(self.folder), *arguments])

    def point(self):
        return (self.folder / "operating_point.json").read_bytes()


@pytest.fixture
def trained(models, tiny_dataset, tmp_path):
    data, folder = tmp_path / "data", tmp_path / "run"
    shutil.copytree(tiny_dataset, data, ignore=shutil.ignore_patterns("tfrecords"))
    shutil.copytree(models, folder)
    manifest = Manifest.open(data)
    groups = assign_groups(manifest.groups("patient_id"), manifest.facts, SplitConfig(), 0)
    for name, content in {
        "config": to_dict(RunConfig(str(data), student=ModelConfig("compact"), teacher=ModelConfig("compact", BOTH))),
        "dataset": to_dict(manifest.facts),
        "splits": {"by": "patient_id", "groups": groups},
        "operating_point": POINT,
        "run": {},
    }.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return Trained(folder, data)


def unlabelled(row):
    return row | {"label": ""}


def without_dapi(row):
    return row | {"dapi": ""}


def removed(row):
    return None


def one_class(row):
    return row | {"label": "leukocyte"}


@pytest.mark.parametrize(
    ("split", "change", "arguments", "message"),
    [
        ("test", unlabelled, [], "no labelled cell of the test split"),
        ("test", removed, [], "no labelled cell of the test split"),
        ("test", without_dapi, ["--teacher"], "no labelled cell with DAPI of the test split"),
        ("validation", unlabelled, ["--operating-point", "0.5"], "no labelled cell of the validation split"),
        ("validation", removed, [], "no labelled cell of the validation split"),
        ("validation", one_class, [], "no ctc cell of the validation split"),
    ],
)
def test_a_split_that_has_lost_its_cells_is_a_mistake_and_nothing_is_written(
    trained, split, change, arguments, message
):
    trained.change(split, change)
    before = sorted(path.name for path in trained.folder.iterdir())
    result = trained.evaluate(*arguments)
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit), result.output
    assert f"tfctc: error: {trained.data}: holds {message}; put the labels and images of such" in result.output
    assert trained.point() == json.dumps(POINT).encode()
    assert sorted(path.name for path in trained.folder.iterdir()) == before


def test_a_given_threshold_needs_no_second_class(trained):
    trained.change("validation", one_class)
    result = trained.evaluate("--operating-point", "0.5")
    assert result.exit_code == 0 and json.loads(trained.point()) == {"threshold": 0.5, "rule": "0.5"}, result.output
    assert "Files exported from this run have the threshold 0.5000 from now on" in result.output


def test_an_unknown_rule_is_a_mistake_before_anything_is_predicted(trained, monkeypatch):
    monkeypatch.setattr("tfctc.evaluation.keras_predictions.predict_splits", lambda *_, **__: pytest.fail("predicted"))
    for option in ("--threshold", "--operating-point"):
        result = trained.evaluate(option, "F1")
        assert result.exit_code == 2 and "unknown operating point 'F1'; choose one such as f1, youden" in result.output


def test_one_patient_has_metrics_and_no_interval(trained):
    one = min(patient for patient, split in trained.groups.items() if split == "test")
    trained.change("test", lambda row: row if row["patient_id"] == one else None)
    result = trained.evaluate()
    assert result.exit_code == 0, result.output
    assert "1 of 1 patients holds ctc, and an interval needs two" in result.output
    report = json.loads((trained.folder / "evaluation.json").read_text())
    assert report["patients"] == 1
    for metric in report["metrics"].values():
        assert 0 <= metric["value"] <= 1 and metric["low"] is metric["high"] is None


def test_cells_that_have_moved_are_found_where_config_json_says(trained, tmp_path):
    there = trained.data.rename(tmp_path / "elsewhere")
    result = trained.evaluate()
    settings = trained.folder / "config.json"
    assert result.exit_code == 2 and f"the cells in {trained.data}, which are not there" in result.output
    assert f"or change data in {settings} to where they are now" in result.output
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"data": str(there)}))
    result = trained.evaluate()
    assert result.exit_code == 0, result.output


def test_metrics_are_printed_also_if_they_cannot_be_saved(trained):
    (trained.folder / "evaluation.json").mkdir()
    result = trained.evaluate()
    assert result.exit_code == 2 and "evaluation.json: is a folder" in result.output
    assert 0 < result.output.lower().find("auroc") < result.output.index("evaluation.json: is a folder")
    assert trained.point() == json.dumps(POINT).encode()


def test_the_teacher_leaves_the_operating_point_as_the_student_has_it(trained):
    of_teacher = trained.evaluate("--teacher")
    assert of_teacher.exit_code == 0 and "exported" not in of_teacher.output
    assert trained.point() == json.dumps(POINT).encode()
    assert {"teacher_evaluation.json", "teacher_predictions.csv"} <= {path.name for path in trained.folder.iterdir()}
    assert not (trained.folder / "evaluation.json").exists()
    assert trained.evaluate().exit_code == 0
    student = json.loads((trained.folder / "evaluation.json").read_text())["threshold"]
    assert json.loads(trained.point())["threshold"] == student != POINT["threshold"]


def test_json_goes_to_stdout_alone_and_is_what_is_saved(trained):
    result = trained.evaluate("--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == json.loads((trained.folder / "evaluation.json").read_text())
    assert "Next: tfctc export" in result.stderr


def test_a_threshold_that_is_tried_changes_nothing_of_the_run(trained):
    before = {path.name: path.read_bytes() for path in trained.folder.iterdir() if path.is_file()}
    result = trained.evaluate("--threshold", "0.7")
    assert result.exit_code == 0, result.output
    assert "This threshold was only tried; for the exported files: --operating-point 0.7" in result.output
    assert {path.name: path.read_bytes() for path in trained.folder.iterdir() if path.is_file()} == before
    assert json.loads((trained.folder / "tried" / "evaluation.json").read_text())["threshold"] == 0.7


def test_a_promise_is_made_or_refused_with_what_the_cells_show(trained):
    result = trained.evaluate("--operating-point", "specificity=0.3", "--confidence", "0.6")
    assert result.exit_code == 0 and "promised: specificity=0.3 with a chance of 60% on new patients" in result.output
    point = json.loads(trained.point())
    assert point["rule"] == "specificity=0.3" and point["confidence"] == 0.6 and point["chosen_on"] == "validation"
    result = trained.evaluate("--operating-point", "specificity=0.999")
    assert result.exit_code == 2 and "cannot be promised with a chance of 0.9" in result.output
    assert json.loads(trained.point()) == point
    result = trained.evaluate("--confidence", "0.9")
    assert result.exit_code == 2 and "--confidence goes with a promise" in result.output
