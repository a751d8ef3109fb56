"""`tfctc fit` as a user types it: how the command becomes settings. The training itself is tested in tests/training."""

import numpy as np
import pytest
from click.testing import CliRunner

from tfctc.cli import main
from tfctc.config import RunConfig, from_dict
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
    assert "best epoch is 2 of 3: AUROC 0.875 on the validation patients" in result.output
    assert f"Next: tfctc evaluate {folder}" in result.output


def test_a_dry_run_prints_the_recipe_and_writes_nothing(tiny_dataset, tmp_path, monkeypatch, fitted):
    monkeypatch.chdir(tmp_path)
    before = files_in(tiny_dataset)
    settings = ["--backbone", "compact", "--epochs", 3, "--set", "distill.folds=2", "--set", "training.batch_size=8"]
    result = tfctc(tiny_dataset, *settings, "-o", tmp_path / "run", "--dry-run")
    assert result.exit_code == 0, result.output
    tables = {name: {"backbone": "compact"} for name in ("student", "teacher")}
    tables |= {"training": {"epochs": 3, "batch_size": 8}, "distill": {"folds": 2}}
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
    first = tfctc(tiny_dataset, "--init", earlier)
    assert first.exit_code == 0 and "the teachers start anew" in first.output
    (earlier / "teacher.keras").touch()
    second = tfctc(tiny_dataset, "--init", earlier)
    assert second.exit_code == 0 and "anew" not in second.output
    (alone, _, _), (both, _, _) = fitted
    assert alone.student.weights == both.student.weights == str(earlier / "student.keras")
    assert alone.teacher.weights == "none" and both.teacher.weights == str(earlier / "teacher.keras")


def test_paths_of_settings_hold_in_every_folder(tiny_dataset, tmp_path, monkeypatch, fitted):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tfctc.training.checks.check_files", lambda recipe: None)  # nothing is there
    (tmp_path / "run.toml").write_text('distill.teachers = "runs/a"\nstudent.weights = "imagenet"\n')
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
