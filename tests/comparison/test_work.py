"""One run of a grid, really trained."""

import csv
import json
import shutil
from dataclasses import replace

import pytest
from made_up import edit_manifest
from sklearn.metrics import roc_auc_score

from tfctc.comparison.work import do, prepare
from tfctc.config import ModelConfig, RunConfig, SplitConfig, TrainingConfig
from tfctc.errors import RunError


def test_a_finished_run_is_judged_as_it_is_and_never_taken_for_another(tiny_dataset, tmp_path):
    training = TrainingConfig(epochs=2, steps_per_epoch=2, batch_size=8, precision="float32")
    config = RunConfig(
        str(tiny_dataset), mode="brightfield", split=SplitConfig(validation=0.25, test=0.25),
        student=ModelConfig("compact"), training=training,
    )  # fmt: skip
    trained = do(config, tmp_path / "run", judge=False)
    assert not trained.judged and not (tmp_path / "run" / "predictions.csv").exists()
    judged = do(config, tmp_path / "run", judge=True)
    assert (judged.validation, judged.epoch, judged.seconds) == (trained.validation, trained.epoch, trained.seconds)
    with (tmp_path / "run" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = roc_auc_score([row["label"] == "ctc" for row in rows], [float(row["p_ctc"]) for row in rows])
    assert judged.auroc == pytest.approx(expected)
    with pytest.raises(RunError, match="holds a run of other settings; move it away"):
        do(replace(config, training=replace(training, epochs=3)), tmp_path / "run", judge=True)


def test_a_finished_run_on_other_labels_is_not_taken_over(tiny_dataset, tmp_path):
    data = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    training = TrainingConfig(epochs=1, steps_per_epoch=1, batch_size=8, precision="float32")
    config = RunConfig(
        str(data), mode="brightfield", split=SplitConfig(validation=0.25, test=0.25), augment={},
        student=ModelConfig("compact"), training=training,
    )  # fmt: skip
    do(config, tmp_path / "run", judge=False)
    other = {"ctc": "leukocyte", "leukocyte": "ctc"}
    edit_manifest(data, lambda rows: [row.update(label=other.get(row["label"], "")) for row in rows])
    with pytest.raises(RunError, match="run: holds a run on other cells; move it away"):
        do(config, tmp_path / "run", judge=False)


def test_the_epoch_is_the_one_that_is_kept(tiny_dataset, tmp_path):
    """By the loss: it need not be the one with the best AUROC."""
    training = TrainingConfig(
        epochs=6, steps_per_epoch=2, batch_size=8, precision="float32", learning_rate=0.01, monitor="val_loss"
    )
    config = RunConfig(
        str(tiny_dataset), mode="brightfield", split=SplitConfig(validation=0.25, test=0.25), augment={},
        student=ModelConfig("compact"), training=training,
    )  # fmt: skip
    found = do(config, tmp_path / "run", judge=False)
    with (tmp_path / "run" / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    least = min(rows, key=lambda row: float(row["val_loss"]))
    assert (found.epoch, found.validation) == (int(least["epoch"]), float(least["val_auroc"]))


def test_a_teacher_that_can_see_no_test_cell_is_not_judged(tiny_dataset, tmp_path):
    both = ("brightfield", "dapi")
    config = RunConfig(
        str(tiny_dataset), split=SplitConfig(validation=0.25, test=0.25), augment={}, student=ModelConfig("compact"),
        teacher=ModelConfig("compact", both),
        training=TrainingConfig(epochs=1, steps_per_epoch=1, batch_size=8, precision="float32"),
    )  # fmt: skip
    data = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    config = replace(config, data=str(data))
    prepare([config])
    do(config, tmp_path / "before", judge=False)
    held_out = json.loads((tmp_path / "before/splits.json").read_text())["groups"]
    edit_manifest(data, lambda rows: [row.update(dapi="") for row in rows if held_out[row["patient_id"]] == "test"])
    found = do(config, tmp_path / "run", judge=True)
    assert found.auroc is not None and found.teacher_auroc is None and found.teacher_f1 is None
