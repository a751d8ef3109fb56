"""fit as a library: going on after a kill, unlabelled cells, what it refuses."""

import csv
import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from made_up import edit_manifest, read_cells
from sklearn.metrics import f1_score

from tfctc.config import DistillConfig, ModelConfig, PretrainConfig, RunConfig, TrainingConfig
from tfctc.errors import RunError
from tfctc.files import write_json
from tfctc.training import checkpoints
from tfctc.training.fit import fit
from tfctc.training.run import Run
from tfctc.training.stage import Stage

#: Little of the policy: all of it takes seconds to compile, in every stream of batches.
AUGMENT = {"gain": {}, "read": {}}
COMPACT = {"student": ModelConfig("compact"), "teacher": ModelConfig("compact", ("brightfield", "dapi"))}


def config(data, **training):
    options = {"epochs": 2, "batch_size": 8, **training}
    losses = {"logits": {}, "feature": {"tap": "stage3"}}
    return RunConfig(
        str(data), augment=AUGMENT, training=TrainingConfig(**options), distill=DistillConfig(1.0, losses), **COMPACT
    )


def quiet(_):
    pass


@pytest.mark.parametrize("killed_in", ["teacher-1", "pretraining", "student"])
def test_a_killed_run_goes_on_and_ends_bit_identical(tiny_dataset, tmp_path, monkeypatch, killed_in):
    monkeypatch.setattr(checkpoints, "SAVE_EVERY", 0.0)
    settings = replace(
        config(tiny_dataset, steps_per_epoch=2, weight_average=0.5),
        pretrain=PretrainConfig(2, {"alignment": {}}),
        distill=DistillConfig(losses={"logits": {}, "feature": {"tap": "stage3"}}, schedule="fade-out", folds=2),
    )
    whole = fit(settings, tmp_path / "whole", quiet)

    ended = checkpoints.Checkpoint.on_epoch_end

    def die(self, epoch, logs=None):
        ended(self, epoch, logs)
        if epoch == 0 and self.folder.name == killed_in:
            raise KeyboardInterrupt

    with monkeypatch.context() as kill:
        kill.setattr(checkpoints.Checkpoint, "on_epoch_end", die)
        with pytest.raises(KeyboardInterrupt):
            fit(settings, tmp_path / "killed", quiet)
    with pytest.raises(RunError, match="--resume"):
        Run.open(tmp_path / "killed")
    state = json.loads((tmp_path / "killed/state" / killed_in / "state.json").read_text())
    write_json(tmp_path / "killed/state" / killed_in / "state.json", state | {"seconds": state["seconds"] + 5000})
    resumed = fit(settings, tmp_path / "killed", quiet)
    assert 0 < state["seconds"] < 1000 and resumed.record["seconds"] > 5000 + whole.record["seconds"] / 10
    assert resumed.record["weights_sha256"] == whole.record["weights_sha256"]
    assert (resumed.folder / "history.csv").read_bytes() == (whole.folder / "history.csv").read_bytes()


def test_an_unfinished_run_is_not_taken_over_by_another_configuration(tiny_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(Stage, "train", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        fit(config(tiny_dataset), tmp_path / "run", quiet)
    with pytest.raises(RunError, match="another configuration"):
        fit(config(tiny_dataset, epochs=3), tmp_path / "run", quiet)


def test_unlabelled_cells_reach_the_student_and_not_the_teacher(tiny_dataset, tmp_path):
    """Half the labels of every patient are taken away: the counts say where the cells went."""
    data = tmp_path / "data"
    shutil.copytree(tiny_dataset, data, ignore=shutil.ignore_patterns("tfrecords"))

    def halve(rows):
        seen: dict = {}
        for row in rows:
            key = row["patient_id"], row["label"]
            seen[key] = seen.get(key, 0) + 1
            if seen[key] % 2 == 0:
                row["label"] = ""

    edit_manifest(data, halve)
    steps = {}

    class Recorded(Stage):
        def train(self, model, keep, *arguments, **options):
            kept = super().train(model, keep, *arguments, **options)
            steps[self.name] = int(model.optimizer.iterations)
            return kept

    import tfctc.training.course as module

    original, module.Stage = module.Stage, Recorded
    try:
        run = fit(config(data, epochs=1), tmp_path / "run", quiet)
    finally:
        module.Stage = original
    train = run.record["cells"]["train"]
    labelled = sum(n for name, n in train.items() if name != "unlabelled")
    assert train["unlabelled"] > 0
    assert steps == {"teacher": int(np.ceil(labelled / 8)), "student": int(np.ceil(sum(train.values()) / 8))}


def test_mixed_precision_leaves_a_float32_model(tiny_dataset, tmp_path):
    run = fit(config(tiny_dataset, epochs=1, precision="float16"), tmp_path / "run", quiet)
    for model in (run.student(), run.teacher()):
        assert {layer.compute_dtype for layer in model.layers} == {"float32"}


@pytest.fixture(scope="module")
def finished(tiny_dataset, tmp_path_factory):
    """A finished run, and what its stages said to Keras of XLA."""
    asked, compiled = [], keras.Model.compile
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "compile", lambda *a, **k: asked.append(k["jit_compile"]) or compiled(*a, **k))
        settings = config(tiny_dataset, epochs=1, precision="float32")
        run = fit(settings, tmp_path_factory.mktemp("finished") / "run", quiet)
    return run, asked


def test_no_stage_leaves_it_to_keras_whether_to_use_xla(finished):
    """On a GPU Keras would, and XLA's failed check ends the process; here there is none, so the question is caught."""
    assert finished[1] == [False, False]


def test_the_operating_point_is_the_best_on_validation_and_knows_nothing_of_the_test_cells(tiny_dataset, finished):
    run, _ = finished
    student, threshold, best = run.student(), run.operating_point["threshold"], {}
    for split in ("validation", "test"):
        images, labels = read_cells(tiny_dataset, run.dealt["groups"], split)
        logits = student.predict({"brightfield": images}, verbose=0).astype(np.float64)
        probabilities = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
        ordered = np.sort(probabilities)
        # Of several that are best alike, any will do here: which is taken is for the tests of the rule.
        halfway = (ordered + [0, *ordered[:-1]]) / 2
        f1 = np.array([f1_score(labels, probabilities >= between) for between in halfway])
        best[split] = halfway[np.isclose(f1, f1.max())]
    assert np.abs(best["validation"] - threshold).min() < 1e-5
    assert np.abs(best["test"] - threshold).min() > 1e-4, "the two splits cannot be told apart"


def test_auto_is_settled_when_a_run_begins_and_kept_when_it_goes_on(tiny_dataset, tmp_path, monkeypatch):
    settings = config(tiny_dataset, epochs=1)
    assert settings.training.precision == "auto"
    choose = "tfctc.training.fit.choose_precision"
    monkeypatch.setattr(choose, lambda *_: "bfloat16")
    with monkeypatch.context() as kill:
        kill.setattr("tfctc.training.fit._train", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fit(settings, tmp_path / "run", quiet)
    monkeypatch.setattr(choose, lambda *_: "float32")
    run = fit(settings, tmp_path / "run", quiet)
    assert run.config.training.precision == "bfloat16"
    assert {layer.compute_dtype for layer in run.student().layers} == {"float32"}


def test_an_unfinished_run_does_not_go_on_with_patients_dealt_anew(tiny_dataset, tmp_path, monkeypatch):
    data = tmp_path / "data"
    shutil.copytree(tiny_dataset, data, ignore=shutil.ignore_patterns("tfrecords"))
    settings = config(data, epochs=1, precision="float32")
    with monkeypatch.context() as kill:
        kill.setattr("tfctc.training.fit._train", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            fit(settings, tmp_path / "run", quiet)
    before = (tmp_path / "run" / "splits.json").read_text()
    manifest = (data / "manifest.csv").read_text()
    first = next(csv.DictReader(manifest.splitlines()))["patient_id"]
    (data / "manifest.csv").write_text(manifest.replace(f",{first},", ",somebody,"))
    with pytest.raises(RunError, match="other cells.*put the manifest back"):
        fit(settings, tmp_path / "run", quiet)
    assert (tmp_path / "run" / "splits.json").read_text() == before


def test_what_was_learnt_from_is_told_as_of_the_beginning(tiny_dataset, tmp_path, monkeypatch):
    """The manifest is edited while the run trains: a training cell goes to a patient of the test split."""
    data = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    train = "tfctc.training.fit._train"

    def edited(course):
        groups = course.dealt["groups"]
        tested = next(patient for patient, split in groups.items() if split == "test")
        learnt = next(patient for patient, split in groups.items() if split == "train")
        edit_manifest(data, lambda rows: next(r for r in rows if r["patient_id"] == learnt).update(patient_id=tested))
        return {"seconds": 0.0}

    monkeypatch.setattr(train, edited)
    run = fit(config(data, epochs=1, precision="float32"), tmp_path / "run", quiet)
    with pytest.raises(RunError, match="training cells are not those"):
        run.builder()
