"""A run folder read again."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy.special import softmax
from small_runs import changed

from tfctc.cells import DatasetFacts
from tfctc.config import RunConfig, to_dict
from tfctc.errors import RunError
from tfctc.evaluation.calibration import Calibration
from tfctc.runs.folder import RunFolder


@pytest.fixture
def run(tmp_path):
    for name, content in (("config", RunConfig()), ("dataset", DatasetFacts("few")), ("run", {})):
        (tmp_path / f"{name}.json").write_text(json.dumps(to_dict(content)))
    return RunFolder.open(tmp_path)


def test_a_damaged_model_is_one_line(run):
    (run.folder / "student.keras").write_bytes(b"not a zip")
    with pytest.raises(RunError, match="student.keras: cannot be loaded .*; "):
        run.student()


def test_a_path_that_cannot_be_asked_for_is_one_line():
    with pytest.raises(RunError, match="config.json: cannot be read .File name too long.; check path and permissions"):
        RunFolder.open("x" * 300)


def test_a_record_that_cannot_be_asked_for_is_one_line(run, monkeypatch):
    stat = os.stat

    def refusing(path, *arguments, **options):
        if Path(path).name == "run.json":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refusing)
    with pytest.raises(RunError, match="run.json: cannot be read .Permission denied.; check path and permissions"):
        RunFolder.open(run.folder)


@pytest.mark.parametrize("text", ["[1]", "3", "{"])
def test_a_damaged_record_is_one_line(run, text):
    (run.folder / "splits.json").write_text(text)
    with pytest.raises(RunError, match="splits.json: cannot be read .*; .* or run fit again with another --output"):
        _ = run.splits


def test_a_run_without_a_teacher_says_so(run):
    with pytest.raises(RunError, match="has no teacher.keras; fit with --mode distilled"):
        run.teacher()


def test_splits_without_an_assignment_are_one_line(run):
    (run.folder / "splits.json").write_text("{}")
    with pytest.raises(RunError, match="splits.json: has no .*; run fit again"):
        _ = run.splits


def test_metrics_of_an_evaluation_of_version_0_1_are_read(run):
    assert run.evaluation is None
    (run.folder / "evaluation.json").write_text('{"figures": {"f1": 0.5}, "cells": 4}')
    assert run.evaluation["metrics"] == {"f1": 0.5}


def test_a_run_of_an_earlier_version_has_a_calibration_that_changes_nothing(run, monkeypatch):
    student = object()
    monkeypatch.setattr(RunFolder, "student", lambda _: student)
    assert run.calibration == Calibration() and run.calibrated_student() is student


@pytest.mark.parametrize("text", ["{", '{"scale": 0}', '{"scale": 1, "angle": 2}', '{"scale": "x"}'])
def test_a_damaged_calibration_is_one_line(run, text):
    (run.folder / "calibration.json").write_text(text)
    with pytest.raises(RunError, match="calibration.json: (cannot be read|is no calibration) .*; .* or run fit again"):
        _ = run.calibration


def test_data_that_are_not_there_any_more_are_one_line(run):
    with pytest.raises(
        RunError, match="begun with the cells in .*, which are not there; put the cells back, or change data"
    ):
        run.builder()


def test_cells_that_a_run_has_learnt_from_are_not_tested(tiny_dataset, distilled_run, tmp_path):
    """A cell of a training patient is given to a patient of the test split after the run."""
    assignment = distilled_run.splits.assignment

    def give(rows):
        tested = next(row for row in rows if assignment[row["patient_id"]] == "test")
        learnt = next(row for row in rows if assignment[row["patient_id"]] == "train")
        learnt["patient_id"] = tested["patient_id"]

    data = changed(tiny_dataset, tmp_path / "data", give)
    moved = replace(distilled_run, config=replace(distilled_run.config, data=str(data)))
    with pytest.raises(RunError, match="training cells are not those that .* has learnt from; run fit again"):
        moved.builder()


def test_other_facts_than_in_training_are_refused(tiny_dataset, distilled_run, tmp_path):
    data = changed(tiny_dataset, tmp_path / "data", lambda rows: None)
    facts = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps(facts | {"mpp": 0.5}))
    moved = replace(distilled_run, config=replace(distilled_run.config, data=str(data)))
    with pytest.raises(RunError, match="data: has other facts than in training; run fit again"):
        moved.builder()


def test_several_teachers_are_one_model_of_their_mean_probability(tmp_path, monkeypatch):
    """Two teachers whose logits are known."""

    def teacher(bias):
        image = keras.Input((2, 2, 1), name="brightfield")
        dense = keras.layers.Dense(2, bias_initializer=keras.initializers.Constant(bias))
        return keras.Model({"brightfield": image}, dense(keras.layers.Flatten()(image)))

    teachers = [teacher(bias) for bias in (0.0, 3.0)]
    run = RunFolder(tmp_path, RunConfig(), DatasetFacts("few"))
    monkeypatch.setattr(RunFolder, "teachers", lambda _: teachers)
    x = {"brightfield": np.random.default_rng(0).normal(size=(5, 2, 2, 1)).astype(np.float32)}
    mean = np.mean([softmax(model.predict(x, verbose=0), axis=1) for model in teachers], axis=0)
    np.testing.assert_allclose(softmax(run.teacher().predict(x, verbose=0), axis=1), mean, rtol=1e-5)
