"""One run of a comparison, trained for real."""

import csv
import json
import shutil
from dataclasses import replace

import pytest
from made_up import edit_manifest
from sklearn.metrics import roc_auc_score

from tfctc.comparison.worker import prepare_data, run_job
from tfctc.config import DistillConfig, ModelConfig, RunConfig, SplitConfig, TrainingConfig, to_dict
from tfctc.data.builder import TFRECORDS
from tfctc.data.manifest import Manifest
from tfctc.data.splits import Splits
from tfctc.errors import ConfigError, RunError, SplitError
from tfctc.runs.folder import RunFolder


def config(data, **training):
    options = {"epochs": 1, "steps_per_epoch": 1, "batch_size": 8, "precision": "float32", **training}
    return RunConfig(
        str(data), mode="brightfield", split=SplitConfig(validation=0.25, test=0.25), augment={},
        student=ModelConfig("tiny"), training=TrainingConfig(**options),
    )  # fmt: skip


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def trained(tiny_dataset, tmp_path_factory):
    """Settings, run folder and outcome of a run that has not been tested; its epoch is chosen by the loss."""
    settings = config(tiny_dataset, epochs=4, learning_rate=0.01, monitor="val_loss")
    folder = tmp_path_factory.mktemp("comparison") / "run"
    return settings, folder, run_job(settings, folder, test=False)


@pytest.fixture
def run(trained, tmp_path):
    """Settings and a copy of the run folder."""
    settings, folder, _ = trained
    return settings, shutil.copytree(folder, tmp_path / "run")


def test_an_untested_run_has_no_test_metrics(trained):
    _, folder, outcome = trained
    assert not outcome.tested and outcome.f1 is None and not (folder / "predictions.csv").exists()


def test_the_epoch_is_the_one_whose_weights_are_kept(trained):
    """The epoch with the lowest loss, which need not be the one with the best AUROC."""
    _, folder, outcome = trained
    history = rows(folder / "history.csv")
    lowest = min(history, key=lambda row: float(row["val_loss"]))
    assert outcome.epochs == len(history) == 4
    assert (outcome.epoch, outcome.validation) == (int(lowest["epoch"]), float(lowest["val_auroc"]))


def test_a_finished_run_is_tested_without_being_trained_again(trained, run):
    settings, folder = run
    weights = (folder / "student.keras").stat().st_mtime_ns
    tested, outcome = run_job(settings, folder, test=True), trained[2]
    assert (tested.validation, tested.epoch, tested.seconds) == (outcome.validation, outcome.epoch, outcome.seconds)
    assert (folder / "student.keras").stat().st_mtime_ns == weights
    found = rows(folder / "predictions.csv")
    expected = roc_auc_score([row["truth"] == "ctc" for row in found], [float(row["p_ctc"]) for row in found])
    assert tested.auroc == pytest.approx(expected) and tested.teacher_auroc is None


def test_a_finished_run_of_other_settings_is_refused(run):
    settings, folder = run
    other = replace(settings, training=replace(settings.training, epochs=3))
    with pytest.raises(RunError, match="run: holds a run of other settings; move it away"):
        run_job(other, folder, test=True)


def test_a_finished_run_on_other_labels_is_refused(run, tmp_path):
    settings, folder = run
    data = shutil.copytree(settings.data, tmp_path / "data", ignore=shutil.ignore_patterns(TFRECORDS))
    other = {"ctc": "leukocyte", "leukocyte": "ctc"}
    edit_manifest(data, lambda cells: [cell.update(label=other.get(cell["label"], "")) for cell in cells])
    saved = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(saved | {"data": str(data)}))
    with pytest.raises(RunError, match="run: holds a run on other cells; move it away"):
        run_job(replace(settings, data=str(data)), folder, test=False)


def test_a_finished_run_of_an_edited_table_of_splits_is_refused(run, tmp_path):
    settings, folder = run
    table, assignment = tmp_path / "splits.csv", dict(RunFolder.open(folder).splits.assignment)
    settings = replace(settings, split=replace(settings.split, file=str(table)))
    (folder / "config.json").write_text(json.dumps(to_dict(settings)))

    def write(splits):
        table.write_text("patient_id,split\n" + "".join(f"{name},{split}\n" for name, split in splits.items()))

    write(assignment)
    assert not run_job(settings, folder, test=False).tested
    moved = {"test": "train", "train": "train", "validation": "test"}
    write(assignment | {name: moved[split] for name, split in assignment.items() if split != "train"} | {
        next(name for name, split in assignment.items() if split == "train"): "validation",
        [name for name, split in assignment.items() if split == "train"][-1]: "validation",
    })  # fmt: skip
    with pytest.raises(RunError, match="run: holds a run with other splits: split.file has changed; move it away"):
        run_job(settings, folder, test=True)


def test_what_a_run_logs_is_kept_beside_its_folder(trained):
    _, folder, _ = trained
    text = folder.with_name("run.log").read_text()
    assert "Training student: tiny on brightfield" in text


@pytest.mark.slow
def test_a_teacher_that_can_see_no_test_cell_is_not_tested(tiny_dataset, tmp_path, caplog):
    data = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns(TFRECORDS))
    settings = replace(config(data), mode="distilled", teacher=ModelConfig("tiny", ("brightfield", "dapi")))
    held_out = Splits.make(Manifest.open(data), settings).assignment
    edit_manifest(data, lambda cells: [c.update(dapi="") for c in cells if held_out[c["patient_id"]] == "test"])
    found = run_job(settings, tmp_path / "run", test=True)
    assert found.auroc is not None and found.teacher_auroc is None and found.teacher_f1 is None
    # The log goes into a file alone.
    assert not [record for record in caplog.records if record.name.startswith("tfctc")]


def test_data_are_prepared_once_for_all_budgets(tiny_dataset, tmp_path):
    data = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns(TFRECORDS))
    prepare_data([config(data), config(data, label_budget=8)])
    assert len(list((data / TFRECORDS).glob("*/*/*"))) == 1


def test_budgets_and_folds_that_cannot_be_had_are_refused_before_anything_is_written(tiny_dataset, tmp_path):
    data = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns(TFRECORDS))
    with pytest.raises(ConfigError, match="training.label_budget must .* at most the 24 labelled training cells"):
        prepare_data([config(data), config(data, label_budget=99)])
    folds = replace(config(data), mode="self-training", distill=DistillConfig(losses={"logits": {}}, folds=7))
    with pytest.raises(SplitError, match=r"6 training patient\(s\) with labels cannot be split into 7 folds"):
        prepare_data([config(data), folds])
    assert not (data / TFRECORDS).exists()
