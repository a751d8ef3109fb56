"""A cross-validation from beginning to end: its folds, the final model, and resuming."""

import csv
import json
import shutil
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from at_once import AtOnce
from made_up import edit_manifest
from pages import Elements
from sklearn.metrics import roc_auc_score
from small_runs import config

from tfctc.api.evaluating import evaluate_run
from tfctc.config import CrossValidationConfig, ModelConfig
from tfctc.data.folds import make_folds
from tfctc.data.manifest import Manifest
from tfctc.errors import ConfigError, RunError
from tfctc.evaluation.metrics import choose_threshold
from tfctc.report.run_page import write_run_page
from tfctc.runs.folder import RunFolder
from tfctc.training import cross_validation
from tfctc.training.cross_validation import cross_validate


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def settings(data):
    return replace(config(data, "brightfield", steps_per_epoch=2), cross_validation=CrossValidationConfig(2))


@pytest.fixture(scope="module")
def pools():
    """Pools of no processes, in place of those of a cross-validation."""
    made = []

    @contextmanager
    def pool(workers, threads):
        made.append(AtOnce())
        yield made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cross_validation, "process_pool", pool)
        yield made


@pytest.fixture(scope="module")
def data(tiny_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cross_validation") / "data"
    return shutil.copytree(tiny_dataset, folder, ignore=shutil.ignore_patterns("tfrecords"))


@pytest.fixture(scope="module")
def run(data, pools, tmp_path_factory):
    """A cross-validated run: two folds in mode brightfield. Copy its folder before you change it."""
    return cross_validate(settings(data), tmp_path_factory.mktemp("run") / "run")


def test_folds_and_final_model_are_ordinary_runs(run, data):
    names = {path.name for path in run.folder.iterdir()}
    assert names == {
        "calibration.json", "config.json", "cross_validation.json", "dataset.json", "evaluation.json", "folds",
        "history.csv", "images.npy", "logs", "operating_point.json", "out_of_fold.csv", "run.json", "splits.json",
        "student.keras", "validation_predictions.csv",
    }  # fmt: skip
    assert {path.name for path in (run.folder / "folds").iterdir()} == {"0-0", "0-0.log", "0-1", "0-1.log"}
    folds = make_folds(Manifest.open(data), run.config)
    for fold in folds:
        own = RunFolder.open(run.folder / "folds" / fold.name)
        assert own.splits.assignment == dict(fold.assignment)
        assert own.student().name == "student" and not (own.folder / "logs").exists()
    assert set(run.splits.assignment.values()) == {"train", "validation"} and len(run.splits.assignment) == 12
    assert run.record["cells"]["test"] == {"leukocyte": 0, "ctc": 0, "unlabelled": 0}
    # Only the final model's tfrecords are left.
    assert len(list((data / "tfrecords/cells").iterdir())) == 1


def test_every_labelled_cell_is_predicted_by_the_fold_that_tested_its_patient(run, data):
    found = rows(run.folder / "out_of_fold.csv")
    cells = {cell.cell_id: cell for cell in Manifest.open(data).cells()}
    assert sorted(row["cell_id"] for row in found) == sorted(cells)
    for row in found:
        cell, own = cells[row["cell_id"]], run.folder / "folds" / f"{row['repeat']}-{row['fold']}"
        assert (row["patient_id"], row["site"], row["truth"]) == (cell.patient_id, cell.site, cell.label)
        fold = RunFolder.open(own)
        assert fold.splits.assignment[cell.patient_id] == "test"
        assert float(row["threshold"]) == fold.operating_point["threshold"]
        (expected,) = (r["p_ctc"] for r in rows(own / "predictions.csv") if r["cell_id"] == row["cell_id"])
        assert np.float32(row["probability"]) == np.float32(expected)


def test_metrics_and_threshold_come_from_all_patients(run):
    found = rows(run.folder / "out_of_fold.csv")
    truth = np.array([row["truth"] == "ctc" for row in found], int)
    p = np.array([row["probability"] for row in found], np.float32)
    result = evaluate_run(run)
    saved = json.loads((run.folder / "evaluation.json").read_text())
    assert result.evaluation.metrics["auroc"].value == pytest.approx(roc_auc_score(truth, p))
    assert saved == json.loads(json.dumps(result.evaluation.to_dict())) == run.cross_validation
    assert saved["source"] == "cross-validation" and saved["patients"] == 12 and saved["cells"] == 48
    point = run.operating_point
    assert point == {"threshold": choose_threshold(truth, p), "rule": "f1", "chosen_on": "out-of-fold", "cells": 48}
    assert saved["threshold"] == point["threshold"]
    with pytest.raises(ConfigError, match="was cross-validated.*leave out --teacher and --threshold"):
        evaluate_run(run, 0.5)


def test_the_page_shows_the_folds(run, tmp_path):
    copy = shutil.copytree(run.folder, tmp_path / "run")
    *_, page = evaluate_run(copy).save()
    saved = json.loads((copy / "evaluation.json").read_text())
    assert saved == run.cross_validation
    text = page.read_text(encoding="utf-8")
    tables = Elements(text).tables
    for row in tables["by fold"][1:]:
        fold = next(one for one in saved["folds"] if [one["repeat"] + 1, one["fold"] + 1] == [*map(int, row[:2])])
        numbers = [fold["threshold"], *fold["metrics"].values()]
        assert row[4:] == ["n/a" if value is None else f"{value:.3f}" for value in numbers]
    assert len(tables["by fold"]) == 1 + len(saved["folds"])
    assert write_run_page(RunFolder.open(copy)).read_text(encoding="utf-8") == text


def test_another_operating_point_of_the_final_model_leaves_the_metrics(run):
    first, other = evaluate_run(run), evaluate_run(run, operating_point="youden")
    assert other.point["rule"] == "youden" and other.point["chosen_on"] == "out-of-fold"
    assert other.evaluation.metrics == first.evaluation.metrics
    assert other.evaluation.threshold == other.point["threshold"]


def test_a_cross_validated_run_is_exported_with_its_metrics(run, tmp_path):
    from tfctc.api.exporting import export

    version = export(run, tmp_path, quantize="none", name="few", accept=True)
    card = (version.folder / "MODEL_CARD.md").read_text()
    assert "Cross-validated: 48 cells (24 ctc) of 12 groups by patient, each tested by one of 2 models" in card
    assert "(threshold: rule f1, chosen on out-of-fold)" in card and version.evaluated


def test_it_goes_on_with_the_folds_that_are_not_done(run, data, pools, tmp_path):
    """As if it had been killed: while fold 0-1 predicted, and before the final model was trained."""
    folder = shutil.copytree(run.folder, tmp_path / "run")
    for name in ("run.json", "splits.json", "student.keras", "out_of_fold.csv", "evaluation.json"):
        (folder / name).unlink()
    (folder / "folds/0-1/predictions.csv").unlink()
    (folder / "folds/0-1/teacher.keras").touch()
    records = [folder / f"folds/{name}/run.json" for name in ("0-0", "0-1")]
    kept = [path.stat().st_mtime_ns for path in records]
    again = cross_validate(settings(data), folder)
    assert [arguments[1].name for arguments in pools[-1].done] == ["0-1"]
    assert kept == [path.stat().st_mtime_ns for path in records]
    assert not (folder / "folds/0-1/teacher.keras").exists()  # The teachers of a fold are not kept.
    assert again.record["weights_sha256"] == run.record["weights_sha256"]
    assert (folder / "out_of_fold.csv").read_bytes() == (run.folder / "out_of_fold.csv").read_bytes()
    assert again.cross_validation == run.cross_validation
    with pytest.raises(RunError, match="holds a finished run; choose another --output"):
        cross_validate(settings(data), folder)


def test_folds_of_other_settings_or_cells_are_not_used(run, data, tmp_path):
    folder = shutil.copytree(run.folder, tmp_path / "run")
    (folder / "run.json").unlink()
    with pytest.raises(RunError, match="holds an unfinished run of other settings"):
        cross_validate(replace(settings(data), seed=5), folder)
    moved = shutil.copytree(data, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    edit_manifest(moved, lambda cells: cells[0].update(label="ctc"))
    config_file = folder / "config.json"
    for path in (config_file, folder / "folds/0-0/config.json", folder / "folds/0-1/config.json"):
        path.write_text(path.read_text().replace(str(data), str(moved)))
    with pytest.raises(RunError, match="0-0: holds a fold of other settings or cells; remove .*0-0, or begin anew"):
        cross_validate(settings(moved), folder)


def test_what_cannot_be_is_found_before_a_fold_is_trained(run, data, pools, tmp_path):
    """Initial weights that know all patients."""
    before = len(pools)
    weights = str(run.folder / "student.keras")
    heir = replace(settings(data), student=ModelConfig("tiny", weights=weights))
    with pytest.raises(RunError, match="trained on patient p.., whom .*; if not, leave out --init, or begin"):
        cross_validate(heir, tmp_path / "heir")
    assert len(pools) == before and not (tmp_path / "heir").exists()
