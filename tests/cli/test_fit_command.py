"""tfctc fit: how the command line becomes a configuration. What fit then does is tested in tests/training."""

import pytest
from click.testing import CliRunner

from tfctc.cli import main
from tfctc.files import write_json


@pytest.fixture
def fitted(monkeypatch):
    """Calls of `fit` that the command would have made, as (config, output)."""
    calls = []

    def fit(config, output, say):
        calls.append((config, output))
        return type("Run", (), {"folder": output})

    monkeypatch.setattr("tfctc.training.fit.fit", fit)
    return calls


def tfctc(*arguments):
    return CliRunner().invoke(main, ["fit", *map(str, arguments)])


def test_options_win_over_settings_and_settings_over_the_file(tiny_dataset, tmp_path, fitted):
    (tmp_path / "run.toml").write_text('mode = "brightfield"\nseed = 3\n[training]\nepochs = 5\nbatch_size = 4\n')
    result = tfctc(
        tiny_dataset, "--config", tmp_path / "run.toml", "--set", "seed=4", "--set", "training.epochs=6",
        "--epochs", 7, "--mode", "self-training", "-o", tmp_path / "run",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    ((config, output),) = fitted
    assert (config.seed, config.training.epochs, config.training.batch_size) == (4, 7, 4)
    assert config.mode == "self-training" and config.data == str(tiny_dataset.resolve())
    assert output == tmp_path / "run"


def test_runs_started_together_have_a_folder_each(tiny_dataset, tmp_path, monkeypatch, fitted):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert tfctc(tiny_dataset).exit_code == 0
    assert [str(output) for _, output in fitted] == ["runs/tiny-1", "runs/tiny-2"]


def test_where_no_folder_can_be_made_is_told(tiny_dataset, tmp_path, monkeypatch, fitted):
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
    (alone, _), (both, _) = fitted
    assert alone.student.weights == both.student.weights == str(earlier / "student.keras")
    assert alone.teacher.weights == "none" and both.teacher.weights == str(earlier / "teacher.keras")


def test_paths_of_settings_hold_in_every_folder(tiny_dataset, tmp_path, monkeypatch, fitted):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tfctc.training.checks.check_names", lambda config: None)  # nothing is there
    (tmp_path / "run.toml").write_text('distill.teachers = "runs/a"\nstudent.weights = "imagenet"\n')
    result = tfctc(tiny_dataset, "--config", "run.toml", "--set", "teacher.weights=my/weights.h5")
    assert result.exit_code == 0, result.output
    ((config, _),) = fitted
    assert config.distill.teachers == str(tmp_path / "runs/a") and config.student.weights == "imagenet"
    assert config.teacher.weights == str(tmp_path / "my/weights.h5")


def test_cells_that_have_been_moved_are_told_to_who_resumes(tmp_path, fitted):
    write_json(tmp_path / "config.json", {"data": "gone/cells"})
    result = tfctc("--resume", tmp_path)
    assert result.exit_code == 2 and "begun with the cells in gone/cells, which are not there" in result.output
    assert f"or have data in {tmp_path / 'config.json'} say where it is now" in result.output and not fitted


def test_a_run_to_resume_that_cannot_be_asked_for_is_one_line(fitted):
    result = tfctc("--resume", "x" * 300)
    assert result.exit_code == 2 and "config.json: cannot be read (File name too long); check path" in result.output


@pytest.mark.parametrize("more", [["data"], ["--epochs", 3], ["--set", "seed=1"], ["--seed", 0], ["-o", "run"]])
def test_resume_takes_no_other_setting(tmp_path, fitted, more):
    result = tfctc("--resume", tmp_path, *more)
    assert result.exit_code == 2 and "give nothing else" in result.output and not fitted


def test_interrupted_it_says_how_to_go_on(tiny_dataset, tmp_path, monkeypatch):
    def begin(config, output, say):
        write_json(output / "config.json", {})
        raise KeyboardInterrupt

    folder = tmp_path / "my run"
    monkeypatch.setattr("tfctc.training.fit.fit", begin)
    result = tfctc(tiny_dataset, "-o", folder)
    assert result.exit_code == 1 and f"Next: tfctc fit --resume '{folder}'" in result.output
    # Before anything is kept, there is nothing to go on with.
    monkeypatch.setattr("tfctc.training.fit.fit", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    result = tfctc(tiny_dataset, "-o", tmp_path / "other")
    assert result.exit_code == 1 and "--resume" not in result.output
