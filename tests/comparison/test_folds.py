"""Runs of a comparison with folds, trained for real: what is tested, by whom it is taught, and how it goes on."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from at_once import AtOnce
from sklearn.metrics import f1_score, roc_auc_score
from small_runs import config

from tfctc import config as configs
from tfctc.comparison import folds
from tfctc.comparison.folds import run_folds
from tfctc.comparison.grid import Grid
from tfctc.comparison.plan import Arm, Plan
from tfctc.comparison.results import Job
from tfctc.comparison.scheduler import run_jobs
from tfctc.comparison.worker import prepare_data
from tfctc.data.manifest import Manifest
from tfctc.errors import ConfigError, RunError
from tfctc.runs.folder import RunFolder
from tfctc.training.cross_validation import fold_runs, train_fold

BRIGHTFIELD, SELF_TRAINING = (Job(arm, 8, 0, 1e-3) for arm in ("brightfield", "self-training"))


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def data(tiny_dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds") / "data"
    return shutil.copytree(tiny_dataset, folder, ignore=shutil.ignore_patterns("tfrecords"))


@pytest.fixture(scope="module")
def begun(data, tmp_path_factory):
    """A comparison with two folds in which the first run has not been tested, and the outcome of this run."""
    settings = configs.to_dict(config(data, "brightfield", steps_per_epoch=2))
    base = {key: settings[key] for key in ("augment", "split", "student", "teacher")}
    base["training"] = {key: settings["training"][key] for key in ("epochs", "steps_per_epoch", "batch_size")}
    arms = {
        "brightfield": Arm({"mode": "brightfield"}),
        "self-training": Arm({"mode": "self-training", "distill": {"losses": {"logits": {}}}}, teachers="brightfield"),
    }
    plan = Plan(arms, (8,), seeds=(0,), base=base, learning_rates=(1e-3,), folds=2)
    found = Grid.open(plan, Manifest.open(data), tmp_path_factory.mktemp("comparison"))
    outcome = run_folds(found.config(BRIGHTFIELD), found.run_folder(BRIGHTFIELD), False, None)
    tables = {path.name for path in found.folder.glob("**/*.csv")}
    return found, outcome, tables


@pytest.fixture(scope="module")
def grid(begun):
    """The comparison, finished. Copy its folder before you change it."""
    run_jobs(begun[0], AtOnce(), 1)
    return begun[0]


@pytest.mark.slow
@pytest.mark.parametrize("table,prefix", [("out_of_fold.csv", ""), ("teacher_out_of_fold.csv", "teacher_")])
def test_metrics_are_those_of_all_patients(grid, table, prefix):
    """The metrics of scikit-learn on the tables of predictions of all labelled cells, each at its fold's threshold."""
    assert grid.remaining() == 0 and set(grid.results) == {BRIGHTFIELD, SELF_TRAINING}
    for job in (BRIGHTFIELD, SELF_TRAINING)[bool(prefix) :]:
        outcome, found = grid.results[job], rows(grid.run_folder(job) / table)
        assert len(found) == 48 and len({row["cell_id"] for row in found}) == 48
        assert {row["fold"] for row in found} == {"0", "1"} and (outcome.folds, outcome.patients) == (2, 12)
        truth = np.array([row["truth"] == "ctc" for row in found])
        p, threshold = (np.array([float(row[name]) for row in found]) for name in ("probability", "threshold"))
        assert getattr(outcome, f"{prefix}auroc") == pytest.approx(roc_auc_score(truth, p))
        assert getattr(outcome, f"{prefix}f1") == pytest.approx(f1_score(truth, p >= threshold))


@pytest.mark.slow
def test_no_tested_patient_is_predicted_before_the_learning_rate_is_chosen(begun, grid):
    _, untested, tables = begun
    assert not untested.tested and untested.patients is None
    assert tables == {"history.csv", "validation_predictions.csv"}
    parts = [RunFolder.open(grid.run_folder(BRIGHTFIELD) / f"folds/0-{number}") for number in (0, 1)]
    aurocs = [float(part.history("student")[0]["val_auroc"]) for part in parts]
    assert untested.validation == pytest.approx(np.mean(aurocs)) and untested.epochs == 2
    # What was trained is tested later as it is.
    tested = grid.results[BRIGHTFIELD]
    assert (tested.validation, tested.epochs, tested.seconds) == (untested.validation, 2, untested.seconds)


@pytest.mark.slow
def test_each_fold_is_taught_by_the_same_fold(grid):
    """So no teacher has been trained on a patient whom its student's fold tests; budget and labels are the same too."""
    source, student = (grid.run_folder(job) / "folds" for job in (BRIGHTFIELD, SELF_TRAINING))
    weights = []
    for name in ("0-0", "0-1"):
        theirs, ours = RunFolder.open(source / name), RunFolder.open(student / name)
        assert ours.config.distill.teachers == str((source / name).resolve())
        assert ours.splits == theirs.splits and ours.record["cells"] == theirs.record["cells"]
        assert {path.name for path in (student / name).iterdir()} >= {"predictions.csv", "teacher_predictions.csv"}
        pairs = list(zip(theirs.student().get_weights(), ours.teacher().get_weights(), strict=True))
        assert all(np.array_equal(*pair) for pair in pairs)
        weights.append(pairs[-2][0])
    assert not np.array_equal(*weights)
    # The same networks, calibrated on the same cells: the teachers have the metrics of the students that they were.
    first, second = grid.results[BRIGHTFIELD], grid.results[SELF_TRAINING]
    assert second.teacher_auroc == pytest.approx(first.auroc, abs=1e-3)
    assert second.teacher_f1 == pytest.approx(first.f1, abs=1e-3)


@pytest.mark.slow
def test_teachers_of_another_fold_are_refused(grid, tmp_path):
    job = SELF_TRAINING
    run = fold_runs(grid.config(job), tmp_path, Manifest.open(grid.data), grid.teachers_folder(job))[0]
    other = replace(run.config.distill, teachers=run.config.distill.teachers.replace("0-0", "0-1"))
    run.folder.parent.mkdir(parents=True)
    with pytest.raises(RunError, match="0-1: its teachers have been trained on other cells"):
        train_fold(replace(run.config, distill=other), run.folder)


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_folds_that_are_not_done(grid, tmp_path, monkeypatch):
    job = BRIGHTFIELD
    folder = shutil.copytree(grid.run_folder(job), tmp_path / "run")
    for path in (folder / "folds/0-1/predictions.csv", folder / "out_of_fold.csv"):
        path.unlink()
    done, trained = folder / "folds/0-0/student.keras", []
    before = done.stat().st_mtime_ns
    monkeypatch.setattr(
        folds, "train_fold", lambda *given, **how: trained.append(given[1].name) or train_fold(*given, **how)
    )
    again = run_folds(grid.config(job), folder, True, None)
    assert trained == ["0-1"] and done.stat().st_mtime_ns == before
    known = grid.results[job]
    assert (again.auroc, again.f1, again.validation) == (known.auroc, known.f1, known.validation)
    # No tfrecords are left, and there is no final model.
    assert {path.name for path in (folder / "folds").iterdir()} == {"0-0", "0-0.log", "0-1", "0-1.log"}
    assert not (folder / "student.keras").exists()
    saved = json.loads((folder / "cross_validation.json").read_text())
    assert saved["metrics"]["auroc"]["value"] == pytest.approx(known.auroc)


def test_a_budget_must_fit_in_every_fold(data, tmp_path):
    """A fold tests half of the 48 cells, so that none has 40 training cells."""
    cross_validation = configs.CrossValidationConfig(2)
    few, many = (
        replace(config(data, "brightfield", label_budget=budget), cross_validation=cross_validation)
        for budget in (8, 40)
    )
    prepare_data([few])
    with pytest.raises(ConfigError, match=r"^fold 0-0: training.label_budget must .* got 40"):
        prepare_data([few, many])
    assert not (data / "tfrecords").exists() and not list(tmp_path.iterdir())
