"""fit from beginning to end: what it leaves behind, resuming, and what it refuses before it trains."""

import csv
import json
import shutil
from collections import Counter
from dataclasses import replace

import keras
import numpy as np
import pytest
from made_up import edit_manifest, read_cells
from sklearn.metrics import f1_score
from small_runs import BOTH, LOGITS, changed, config, plan

from tfctc.config import DistillConfig, ModelConfig, PretrainConfig
from tfctc.data import manifest as manifests
from tfctc.data.builder import build
from tfctc.data.pipeline import label_counts
from tfctc.errors import ConfigError, ManifestError, RunError, TfctcError
from tfctc.evaluation.calibration import fit_calibration
from tfctc.io.files import write_json
from tfctc.runs.folder import RunFolder
from tfctc.training import checkpoint
from tfctc.training.calibrate import network_prior
from tfctc.training.fit import fit
from tfctc.training.trainer import Trainer


def weights(run):
    return run.record["weights_sha256"]


@pytest.fixture
def untrained(monkeypatch):
    """Every stage ends at once: the networks stay as they were initialised."""
    monkeypatch.setattr(Trainer, "train_stage", lambda *_: None)


@pytest.fixture
def interrupted(monkeypatch):
    """Every training is interrupted at its beginning, until the fixture's context ends."""

    def begin(settings, folder):
        with monkeypatch.context() as patch:
            patch.setattr(Trainer, "train", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                fit(settings, folder)

    return begin


def test_a_run_folder_holds_networks_settings_split_history_and_record(distilled_run):
    folder, record = distilled_run.folder, distilled_run.record
    assert {path.name for path in folder.iterdir()} == {
        "calibration.json", "config.json", "dataset.json", "history.csv", "images.npy", "logs", "operating_point.json",
        "run.json", "splits.json", "student.keras", "teacher.keras", "validation_predictions.csv",
    }  # fmt: skip
    assert set(distilled_run.student().input) == {"brightfield"}
    assert set(distilled_run.teacher().input) == {"brightfield", "dapi"}
    assert record["splits"] == distilled_run.splits.digest and set(record["best_epoch"]) == {"teacher", "student"}
    stages = Counter(row["stage"] for row in csv.DictReader((folder / "history.csv").read_text().splitlines()))
    assert stages == {"teacher": 1, "student": 1}


@pytest.mark.slow
def test_a_run_killed_in_every_stage_ends_bit_identical(tiny_dataset, tmp_path, monkeypatch):
    """A teacher of a fold, pretraining, the student: killed after an epoch of each, and resumed each time."""
    monkeypatch.setattr(checkpoint, "SAVE_EVERY", 0.0)
    settings = replace(
        config(tiny_dataset, epochs=2, steps_per_epoch=2, weight_average=0.5),
        student=ModelConfig("tiny"),
        teacher=ModelConfig("tiny", BOTH),
        pretrain=PretrainConfig(2, {"alignment": {}}),
        distill=DistillConfig(losses={"logits": {}, "feature": {"tap": "stage3"}}, schedule="fade-out", folds=2),
    )
    whole = fit(settings, tmp_path / "whole")
    ended = checkpoint.Checkpoint.on_epoch_end

    for stage in ("teacher-1", "pretraining", "student"):

        def die(self, epoch, logs=None, stage=stage):
            ended(self, epoch, logs)
            if epoch == 0 and self.folder.name == stage:
                raise KeyboardInterrupt

        with monkeypatch.context() as kill:
            kill.setattr(checkpoint.Checkpoint, "on_epoch_end", die)
            with pytest.raises(KeyboardInterrupt):
                fit(settings, tmp_path / "killed")
        with pytest.raises(RunError, match="--resume"):
            RunFolder.open(tmp_path / "killed")
    # Earlier sessions count, as far as they were saved.
    state = tmp_path / "killed/state/student/state.json"
    saved = json.loads(state.read_text())
    write_json(state, saved | {"seconds": saved["seconds"] + 5000})
    resumed = fit(settings, tmp_path / "killed")
    assert 0 < saved["seconds"] < 1000 and resumed.record["seconds"] > 5000
    assert weights(resumed) == weights(whole)
    assert (resumed.folder / "history.csv").read_bytes() == (whole.folder / "history.csv").read_bytes()
    assert not list(resumed.folder.rglob(".*"))


def test_the_same_settings_train_the_same_weights_also_where_no_dapi_is_read(tiny_dataset, brightfield_run, tmp_path):
    """Mode brightfield on a data set whose DAPI images are gone."""
    data = changed(tiny_dataset, tmp_path / "data", lambda rows: [row.update(dapi="") for row in rows])
    assert weights(fit(config(data, "brightfield"), tmp_path / "run")) == weights(brightfield_run)


def test_mixed_precision_leaves_a_float32_model(tiny_dataset, tmp_path):
    run = fit(config(tiny_dataset, "brightfield", precision="float16"), tmp_path / "run")
    assert {layer.compute_dtype for layer in run.student().layers} == {"float32"}
    assert keras.mixed_precision.dtype_policy().name == "float32"


def test_the_operating_point_is_the_best_on_validation_and_knows_nothing_of_the_test_cells(tiny_dataset, distilled_run):
    student, threshold, best = distilled_run.calibrated_student(), distilled_run.operating_point["threshold"], {}
    for split in ("validation", "test"):
        images, labels = read_cells(tiny_dataset, distilled_run.splits.assignment, split)
        logits = student.predict({"brightfield": images}, verbose=0).astype(np.float64)
        probabilities = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
        ordered = np.sort(probabilities)
        # Of several that are best alike, any will do here: which is taken is for the tests of the rule.
        halfway = (ordered + [0, *ordered[:-1]]) / 2
        f1 = np.array([f1_score(labels, probabilities >= between) for between in halfway])
        best[split] = halfway[np.isclose(f1, f1.max())]
    assert np.abs(best["validation"] - threshold).min() < 1e-5
    assert np.abs(best["test"] - threshold).min() > 1e-4, "the two splits cannot be told apart"


def test_the_calibrated_student_gives_the_saved_validation_predictions(tiny_dataset, distilled_run):
    """The calibration is an affine map of the log-odds, fitted on these cells, with the class weights taken back."""
    calibration = distilled_run.calibration
    images, labels = read_cells(tiny_dataset, distilled_run.splits.assignment, "validation")
    raw, calibrated = (
        np.diff(model.predict({"brightfield": images}, verbose=0).astype(np.float64))[:, 0]
        for model in (distilled_run.student(), distilled_run.calibrated_student())
    )
    np.testing.assert_allclose(calibrated, calibration.scale * raw + calibration.bias, atol=1e-5)
    with (distilled_run.folder / "validation_predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["truth"] for row in rows] == [["leukocyte", "ctc"][label] for label in labels]
    np.testing.assert_allclose([float(row["p_ctc"]) for row in rows], 1 / (1 + np.exp(-calibrated)), atol=1e-6)
    assert (calibration.cells, calibration.positives) == (len(labels), labels.sum())
    assert calibration.patients == len({row["patient_id"] for row in rows}) > 1
    fitted = fit_calibration(labels, raw, [row["patient_id"] for row in rows], 0.5)
    assert (calibration.scale, calibration.bias) == pytest.approx((fitted.scale, fitted.bias), rel=1e-4)


@pytest.mark.parametrize(("weights", "expected"), [("balanced", 0.5), ("none", None)])
def test_the_prevalence_that_a_network_learns_is_that_of_the_weighted_cells(tiny_dataset, weights, expected):
    planned = plan(config(tiny_dataset, "brightfield", class_weights=weights, label_budget=9))
    builder = build(planned.manifest, planned.splits)
    kept = np.array(label_counts(builder, "train", planned.recipe.stages[-1].cells[0])[:2])
    assert kept.sum() == 9
    share = kept[1] / 9 if expected is None else expected
    assert network_prior(planned.recipe, builder)[0] == pytest.approx(share)


def test_losses_are_built_once_and_the_manifest_is_read_once(tiny_dataset, tmp_path, monkeypatch, untrained):
    """In a default fit of the Python API, from settings to the last file."""
    import tfctc
    from tfctc.recipes import build

    counts = Counter()

    def counted(name, function):
        def call(*arguments):
            counts[name] += 1
            return function(*arguments)

        return call

    monkeypatch.setattr(build, "build_losses", counted("losses", build.build_losses))
    rows = manifests._rows
    monkeypatch.setattr(
        manifests,
        "_rows",
        lambda path: (counts.update(["read"]), (counts.update(["row"]) or row for row in rows(path)))[1],
    )
    data = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    tfctc.fit(data, output=tmp_path / "run", backbone="tiny")
    assert counts == {"losses": 1, "read": 1, "row": 48}


def test_auto_precision_is_decided_when_a_run_begins_and_kept_when_it_goes_on(
    tiny_dataset, tmp_path, monkeypatch, untrained, interrupted
):
    """By what the processor says of itself: here by a made-up one."""
    settings = replace(config(tiny_dataset, "brightfield", precision="auto"), student=ModelConfig("resnet50"))
    monkeypatch.setattr("tfctc.training.fit.processor_flags", lambda: frozenset({"amx_bf16"}))
    monkeypatch.setattr("tfctc.training.networks.build_classifier", lambda *_: keras.Sequential([keras.Input((1,))]))
    planned = plan(settings)
    assert planned.config.training.precision == planned.recipe.precision == "bfloat16"
    interrupted(settings, tmp_path / "run")
    monkeypatch.setattr("tfctc.training.fit.processor_flags", frozenset)
    assert plan(settings).recipe.precision == "float32"
    interrupted(settings, tmp_path / "run")  # no other settings than it began with
    assert json.loads((tmp_path / "run/config.json").read_text())["training"]["precision"] == "bfloat16"


def test_an_unfinished_run_is_not_continued_with_other_settings(tiny_dataset, tmp_path, interrupted):
    interrupted(config(tiny_dataset, "brightfield"), tmp_path / "run")
    with pytest.raises(RunError, match="unfinished run of other settings; choose another --output"):
        fit(config(tiny_dataset, "brightfield", epochs=3), tmp_path / "run")


def test_an_unfinished_run_does_not_go_on_with_patients_split_anew(tiny_dataset, tmp_path, interrupted):
    data = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    settings = config(data, "brightfield")
    interrupted(settings, tmp_path / "run")
    before = (tmp_path / "run" / "splits.json").read_text()
    manifest = (data / "manifest.csv").read_text()
    first = next(csv.DictReader(manifest.splitlines()))["patient_id"]
    (data / "manifest.csv").write_text(manifest.replace(f",{first},", ",somebody,"))
    with pytest.raises(RunError, match="other cells: the data set has changed since; begin a new run with another"):
        fit(settings, tmp_path / "run")
    assert (tmp_path / "run" / "splits.json").read_text() == before


def test_what_was_learnt_from_is_told_as_of_the_beginning(tiny_dataset, tmp_path, monkeypatch):
    """The manifest is edited while the run trains: a training cell goes to a patient of the test split."""
    data = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    settings = config(data, "brightfield")
    groups = plan(settings).splits.assignment

    def edit(self, stage):
        tested = next(patient for patient, split in groups.items() if split == "test")
        learnt = next(patient for patient, split in groups.items() if split == "train")
        edit_manifest(data, lambda rows: next(r for r in rows if r["patient_id"] == learnt).update(patient_id=tested))

    monkeypatch.setattr(Trainer, "train_stage", edit)
    run = fit(settings, tmp_path / "run")
    with pytest.raises(RunError, match="training cells are not those"):
        run.builder()


@pytest.mark.parametrize("mode", ["distilled", "dapi-augmented"])
def test_modes_with_dapi_say_so_where_there_is_none(tiny_dataset, tmp_path, mode):
    data = changed(tiny_dataset, tmp_path / "data", lambda rows: [row.update(dapi="") for row in rows])
    with pytest.raises(ManifestError, match="no labelled cell with DAPI.*--mode brightfield"):
        fit(config(data, mode), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "reader"),
    [
        ({"distill": DistillConfig(losses={"staining": {}})}, "distillation loss staining"),
        ({"mode": "dapi-augmented", "pretrain": PretrainConfig(1, {"alignment": {}})}, "pretraining loss alignment"),
        ({"distill": DistillConfig(losses={}), "pretrain": PretrainConfig(1)}, "pretraining loss staining"),
    ],
)
def test_what_reads_dapi_says_so_where_there_is_none(tiny_dataset, tmp_path, change, reader):
    data = changed(tiny_dataset, tmp_path / "data", lambda rows: [row.update(dapi="") for row in rows])
    with pytest.raises(ManifestError, match=f"{reader}.*--mode brightfield"):
        fit(replace(config(data), **change), tmp_path / "run")


def test_pretraining_needs_no_label(tiny_dataset, tmp_path, untrained):
    """Only cells of one class have DAPI."""

    def one_class(rows):
        for row in rows:
            if row["label"] == "ctc":
                row["dapi"] = ""

    data = changed(tiny_dataset, tmp_path / "data", one_class)
    settings = replace(config(data, distill=DistillConfig(losses={"staining": {}})), pretrain=PretrainConfig(1))
    fit(settings, tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"pretrain": PretrainConfig(1, {"logits": {}})},
            "pretrain.losses must be .* no teacher and no labels, got logits",
        ),
        ({"student": ModelConfig("compact", weights="nowhere.keras")}, "nowhere.keras: no such weights file"),
        ({"teacher": ModelConfig("compact", BOTH, weights="nowhere.h5")}, "nowhere.h5: no such weights file"),
        ({"distill": replace(LOGITS, teachers="nowhere")}, "nowhere: is not a run folder"),
        ({"distill": DistillConfig(losses={"feature": {"tap": "stage9"}})}, "has no tap 'stage9'"),
        (
            {"distill": replace(LOGITS, start="teacher"), "student": ModelConfig("compact")},
            "different networks.*one backbone",
        ),
        (
            {"distill": replace(LOGITS, start="teacher"), "teacher": ModelConfig("compact", ("dapi",))},
            "a teacher that reads dapi has no weights for brightfield",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_written(tiny_dataset, tmp_path, changes, message):
    with pytest.raises(TfctcError, match=message):
        fit(replace(config(tiny_dataset), **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("budget", [0, 1, 10_000])
def test_a_label_budget_that_cannot_be_kept_is_refused(tiny_dataset, tmp_path, budget):
    with pytest.raises(ConfigError, match=f"label_budget must leave both classes a label.*got {budget}"):
        fit(config(tiny_dataset, "brightfield", label_budget=budget), tmp_path / "run")


def test_runs_of_one_split_seed_share_patients_and_differ_in_labels(tiny_dataset):
    def planned(seed, split_seed):
        settings = config(tiny_dataset, "brightfield", label_budget=8)
        return plan(replace(settings, seed=seed, split=replace(settings.split, seed=split_seed))).splits

    one, other, apart = planned(0, 5), planned(1, 5), planned(0, 6)
    assert one.assignment == other.assignment != apart.assignment
    assert one.kept_labels != other.kept_labels and one.digest == other.digest != apart.digest


def test_a_training_that_diverges_ends_with_an_error(tiny_dataset, tmp_path):
    with pytest.raises(RunError, match="training of student diverged.*lower training.learning_rate"):
        fit(config(tiny_dataset, "brightfield", learning_rate=1e30, warmup=0.0), tmp_path / "run")


def test_a_folder_of_other_things_is_left_alone(tiny_dataset, tmp_path, brightfield_run):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match="exists already and is not a run folder; choose another --output"):
        fit(config(tiny_dataset, "brightfield"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    with pytest.raises(RunError, match="holds a finished run; choose another --output, or go on with tfctc evaluate"):
        fit(config(tiny_dataset, "brightfield"), brightfield_run.folder)
