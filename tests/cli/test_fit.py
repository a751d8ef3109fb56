"""`tfctc fit` as a user types it: how the command becomes settings. The training itself is tested in tests/training."""

import shlex
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from tfctc.cli import main
from tfctc.config import CrossValidationConfig, RunConfig, from_dict
from tfctc.io.files import write_json
from tfctc.recipes import resolve
from tfctc.runs.folder import RunFolder
from tfctc.runs.history import write_history


@pytest.fixture
def fitted(monkeypatch):
    """Trainings that the command would have done, as (config, folder, recipe)."""
    calls = []

    def fit(config, folder, manifest, recipe, progress):
        calls.append((config, folder, recipe))
        write_json(folder / "run.json", {"best_epoch": {"student": 2}})
        write_history(folder / "history.csv", {"student": [{"val_auroc": value} for value in (0.5, 0.875, 0.75)]})
        return RunFolder(folder, config, manifest.facts)

    monkeypatch.setattr("tfctc.training.fit.fit", fit)
    return calls


def tfctc(*arguments):
    return CliRunner().invoke(main, ["fit", *map(str, arguments)])


def files_in(*folders):
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def test_options_win_over_settings_and_settings_over_the_file(tiny_dataset, tmp_path, fitted):
    (tmp_path / "run.toml").write_text('mode = "brightfield"\nseed = 3\n[training]\nepochs = 5\nbatch_size = 4\n')
    result = tfctc(
        tiny_dataset, "--config", tmp_path / "run.toml", "--set", "seed=4", "--set", "training.epochs=6",
        "--epochs", 7, "--mode", "self-training", "-o", tmp_path / "run",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    ((config, folder, recipe),) = fitted
    assert (config.seed, config.training.epochs, config.training.batch_size) == (4, 7, 4)
    assert config.mode == recipe.mode == "self-training" and config.data == str(tiny_dataset.resolve())
    assert folder == tmp_path / "run"
    assert "weights of epoch 2 of 3.\nIts AUROC on the validation patients is 0.875.\n" in result.output
    assert f"Next: tfctc evaluate {folder}" in result.output


def test_a_dry_run_prints_the_recipe_and_writes_nothing(tiny_dataset, tmp_path, monkeypatch, fitted):
    monkeypatch.chdir(tmp_path)
    before = files_in(tiny_dataset)
    settings = ["--backbone", "compact", "--epochs", 3, "--set", "distill.folds=2", "--set", "training.batch_size=8"]
    settings += ["--set", 'distill.teacher_kinds=["network"]']
    result = tfctc(tiny_dataset, *settings, "-o", tmp_path / "run", "--dry-run")
    assert result.exit_code == 0, result.output
    tables = {name: {"backbone": "compact"} for name in ("student", "teacher")}
    tables |= {"distill": {"folds": 2, "teacher_kinds": ["network"]}}
    tables |= {"training": {"epochs": 3, "batch_size": 8, "learning_rate": 0.01}}
    recipe = f"{resolve(from_dict(RunConfig, tables))}\n"
    assert result.stdout.startswith(recipe)
    counts = [line.split() for line in result.stdout.removeprefix(recipe).splitlines() if line]
    assert counts[0] == ["split", "patients", "leukocyte", "ctc", "unlabelled"]
    assert [row[0] for row in counts[1:]] == ["train", "validation", "test"]
    assert np.array([row[1:] for row in counts[1:]], int).sum(axis=0).tolist() == [12, 24, 24, 0]
    lines = result.stdout.splitlines()
    assert lines[0].startswith("recipe distilled, ") and "brightfield + dapi" in lines[0]
    for name in ("teacher-0", "teacher-1", "student"):
        assert any(line.split()[:2] == [name, "compact"] for line in lines)
    stages = [line.split() for line in lines if line.split()[:1] in (["1"], ["2"], ["3"])]
    assert stages == [["1", "teacher-0"], ["2", "teacher-1"], ["3", "student"]]
    assert not fitted and not list(tmp_path.iterdir()) and files_in(tiny_dataset) == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["--mode", "magic"], "unknown mode 'magic'"),
        (["--set", "training.epoch=3"], "unknown key training.epoch"),
        (["--set", "student.weights=nowhere.keras"], "nowhere.keras"),
    ],
)
def test_a_dry_run_finds_the_mistakes_of_a_training(tiny_dataset, settings, message):
    result = tfctc(tiny_dataset, *settings, "--dry-run")
    assert result.exit_code == 2 and message in result.output and result.stdout == ""


def test_trainings_started_together_have_a_folder_each(tiny_dataset, tmp_path, monkeypatch, fitted):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert tfctc(tiny_dataset).exit_code == 0
    assert [str(folder) for _, folder, _ in fitted] == ["runs/tiny-1", "runs/tiny-2"]


def test_a_runs_folder_that_cannot_be_made_is_a_mistake(tiny_dataset, tmp_path, monkeypatch, fitted):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to("nowhere/else")
    result = tfctc(tiny_dataset)
    assert result.exit_code == 2 and "runs: cannot be written" in result.output and not fitted


def test_no_cells_are_simulated_for_a_mistake(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = tfctc("--backbone", "nonsense")
    assert result.exit_code == 2 and "choose one of" in result.output and not list(tmp_path.iterdir())


def test_init_takes_the_networks_that_the_earlier_run_has(tiny_dataset, tmp_path, monkeypatch, fitted):
    monkeypatch.chdir(tmp_path)
    earlier = tmp_path / "earlier"
    for name, content in (("config.json", {}), ("dataset.json", {"name": "cells"}), ("run.json", {})):
        write_json(earlier / name, content)
    (earlier / "student.keras").touch()
    forests = tfctc(tiny_dataset, "--init", earlier)
    assert forests.exit_code == 0 and "anew" not in forests.output
    network = ["--set", 'distill.teacher_kinds=["network"]']
    first = tfctc(tiny_dataset, "--init", earlier, *network)
    assert first.exit_code == 0 and "the teachers start anew" in first.output
    (earlier / "teacher.keras").touch()
    second = tfctc(tiny_dataset, "--init", earlier, *network)
    assert second.exit_code == 0 and "anew" not in second.output
    _, (alone, _, _), (both, _, _) = fitted
    assert alone.student.weights == both.student.weights == str(earlier / "student.keras")
    assert alone.teacher.weights == "none" and both.teacher.weights == str(earlier / "teacher.keras")
    # Its networks too, though images of this size have the compact one.
    assert {alone.student.backbone, both.student.backbone, both.teacher.backbone} == {"resnet50"}
    assert "Default: student.backbone = resnet50 (that of the earlier run)" in forests.output
    tfctc(tiny_dataset, "--init", earlier, "--set", "student.backbone=compact")
    assert fitted[-1][0].student.backbone == "compact", "what is given is not changed"


def test_a_table_that_is_none_is_a_mistake(tiny_dataset, fitted):
    for setting in ("student=compact", "training=3", "student.weights=5"):
        result = tfctc(tiny_dataset, "--set", setting)
        assert result.exit_code == 2 and setting.partition("=")[0] in result.output, result.output
    assert not fitted


def test_what_is_not_set_is_chosen_by_the_images_and_told(tiny_dataset, tmp_path, fitted):
    """In the file, on the command line or nowhere."""
    (tmp_path / "run.toml").write_text("[student]\ndropout = 0.1\n")
    result = tfctc(tiny_dataset, "--config", tmp_path / "run.toml", "-o", tmp_path / "1")
    assert (
        "Default: student.backbone = compact (for images of 16 x 16 px; at 40 and 64 px no ResNet50 was better)"
        in result.output
    )
    assert "Default: training.learning_rate = 0.01 (for compact)" in result.output
    assert "teacher.backbone" not in result.output, "no teacher is a network"
    (tmp_path / "run.toml").write_text('[student]\nbackbone = "resnet50"\n')
    result = tfctc(tiny_dataset, "--config", tmp_path / "run.toml", "-o", tmp_path / "2")
    assert "Default: training.learning_rate = 0.001 (for resnet50)" in result.output
    result = tfctc(
        tiny_dataset, "--backbone", "resnet34", "--set", "training.learning_rate=0.002", "-o", tmp_path / "3"
    )
    assert "Default" not in result.output
    result = tfctc(tiny_dataset, "--set", "training.patience=5", "--dry-run")
    assert "training.patience is not used: set training.monitor" in result.output
    stops = ["--set", "training.patience=5", "--set", "training.monitor=val_auroc"]
    assert "not used" not in tfctc(tiny_dataset, *stops, "--dry-run").output
    chosen = [(config.student.backbone, config.student.dropout, config.training.learning_rate) for config, *_ in fitted]
    assert chosen == [("compact", 0.1, 0.01), ("resnet50", 0.0, 0.001), ("resnet34", 0.0, 0.002)]


def test_paths_of_settings_hold_in_every_folder(tiny_dataset, tmp_path, monkeypatch, fitted):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tfctc.training.checks.check_files", lambda recipe: None)  # nothing is there
    network = 'distill.teacher_kinds = ["network"]\n'
    (tmp_path / "run.toml").write_text(f'{network}distill.teachers = "runs/a"\nstudent.weights = "imagenet"\n')
    result = tfctc(tiny_dataset, "--config", "run.toml", "--set", "teacher.weights=my/weights.h5")
    assert result.exit_code == 0, result.output
    ((config, _, _),) = fitted
    assert config.distill.teachers == str(tmp_path / "runs/a") and config.student.weights == "imagenet"
    assert config.teacher.weights == str(tmp_path / "my/weights.h5")


def test_resuming_a_run_whose_cells_have_moved_says_where_to_put_their_new_place(tmp_path, fitted):
    write_json(tmp_path / "config.json", {"data": "gone/cells"})
    result = tfctc("--resume", tmp_path)
    assert result.exit_code == 2 and "begun with the cells in gone/cells, which are not there" in result.output
    assert f"or change data in {tmp_path / 'config.json'} to where they are now" in result.output and not fitted


def test_a_name_too_long_to_resume_is_one_line(fitted):
    result = tfctc("--resume", "x" * 300)
    assert result.exit_code == 2 and "config.json: cannot be read (File name too long); check path" in result.output


@pytest.mark.parametrize("more", [["data"], ["--epochs", 3], ["--set", "seed=1"], ["--seed", 0], ["-o", "run"]])
def test_resume_takes_no_other_setting(tmp_path, fitted, more):
    result = tfctc("--resume", tmp_path, *more)
    assert result.exit_code == 2 and "give nothing else" in result.output and not fitted


def test_interrupted_it_says_how_to_go_on(tiny_dataset, tmp_path, monkeypatch):
    def begin(config, folder, manifest, recipe, progress):
        progress("student, epoch 1 of 30", 1, 10)
        write_json(folder / "config.json", {})
        raise KeyboardInterrupt

    folder = tmp_path / "my run"
    monkeypatch.setattr("tfctc.training.fit.fit", begin)
    result = tfctc(tiny_dataset, "-o", folder)
    assert result.exit_code == 1 and f"Next: tfctc fit --resume '{folder}'" in result.output
    # Before anything is kept, there is nothing to go on with.
    monkeypatch.setattr("tfctc.training.fit.fit", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    result = tfctc(tiny_dataset, "-o", tmp_path / "other")
    assert result.exit_code == 1 and "--resume" not in result.output


def test_options_of_folds_become_settings(tiny_dataset, tmp_path, monkeypatch):
    calls = []

    def cross_validate(config, folder, manifest, recipe, workers, progress):
        calls.append((config.cross_validation, workers))
        return RunFolder(folder, config, manifest.facts)

    monkeypatch.setattr("tfctc.training.cross_validation.cross_validate", cross_validate)
    monkeypatch.setattr("tfctc.cli.fit.evaluate_run", lambda run: SimpleNamespace(evaluation="TABLE"))
    for number, options in enumerate((["--folds", 5, "--repeats", 2, "--workers", 3], ["--folds", "site"])):
        result = tfctc(tiny_dataset, *options, "-o", tmp_path / f"run{number}")
        assert result.exit_code == 0 and "TABLE" in result.output and "Next: tfctc export" in result.output
        assert "To test each of them" not in result.output
    assert calls == [(CrossValidationConfig(5, 2), 3), (CrossValidationConfig("site"), None)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--folds", "1"], 'whole number of 2 or more, "patient" or "site", got 1'),
        (["--folds", "blocks"], "got 'blocks'"),
        (["--workers", 2], "--workers is about folds, and one run is trained; give --folds too, or leave it out"),
        (["--folds", 3, "--test-site", "site1"], "split.test_site says whom to test"),
        (["--test-site", "Oslo", "--dry-run"], "has no site 'Oslo'; its sites are site0, site1, site2"),
        (["--folds", 13, "--dry-run"], "cannot be split into 13 folds; lower --folds to 12 or less"),
        (["--set", "split.file=nowhere.csv", "--dry-run"], "nowhere.csv: cannot be read"),
        (["--set", "init=runs/1"], "--set cannot set init; give it as --init"),
        (["--set", "data=cells"], "--set cannot set data; give the folder as the argument DATA"),
    ],
)
def test_folds_and_splits_that_cannot_be_are_refused(tiny_dataset, fitted, options, message):
    result = tfctc(tiny_dataset, *options)
    assert result.exit_code == 2 and message in result.output and not fitted


def test_a_dry_run_prints_the_folds(tiny_dataset, tmp_path):
    result = tfctc(tiny_dataset, "--backbone", "compact", "--folds", 4, "--dry-run")
    lines = [line for line in result.stdout.splitlines() if line.startswith("fold 0-")]
    assert result.exit_code == 0 and len(lines) == 4
    assert all("tests 3 patients (6 leukocyte, 6 ctc): p" in line for line in lines)


def test_a_small_cohort_is_told_of_leaving_one_out_by_the_literal_command(tiny_dataset, tmp_path, fitted):
    (tmp_path / "run.toml").write_text("seed = 3")
    given = [
        tiny_dataset, "--config", tmp_path / "run.toml", "--backbone", "compact", "--set", "training.epochs=4",
        "--set", "training.batch_size=8", "--mode", "brightfield",
    ]  # fmt: skip
    result = tfctc(*given, "-o", tmp_path / "run")
    assert result.exit_code == 0, result.output
    (line,) = (line for line in result.output.splitlines() if "12 patients" in line)
    command = shlex.split(line.partition("To test each of them: tfctc fit ")[2])
    again = tfctc(*command, "--dry-run")
    assert again.exit_code == 0, again.output
    assert sum("tests 1 patient " in row for row in again.stdout.splitlines()) == 12
    ((config, _, recipe),) = fitted
    assert again.stdout.startswith(str(recipe)) and config.training.batch_size == 8


def test_more_patients_are_not_told_of_it(tmp_path, monkeypatch, tiny_dataset, fitted):
    monkeypatch.setattr("tfctc.api.fitting.SMALL_COHORT", 11)
    result = tfctc(tiny_dataset, "-o", tmp_path / "run")
    assert result.exit_code == 0 and "To test each of them" not in result.output
    given = tfctc(tiny_dataset, "-o", tmp_path / "given", "--test-site", "site1")
    assert given.exit_code == 0 and "To test each of them" not in given.output
