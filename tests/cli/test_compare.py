"""`tfctc compare` as a user types it, on runs that are really trained."""

import csv
import json

import pytest
from at_once import AtOnce
from click.testing import CliRunner

from tfctc.cli import main

PLAN = """
budgets = [8]
seeds = [3]
learning_rates = [0.003]
[base]
student.backbone = "tiny"
teacher = {backbone = "tiny", channels = ["dapi"]}
augment = {gain = {}}
training = {epochs = 2, steps_per_epoch = 2, batch_size = 8, precision = "float32"}
[arms.brightfield.settings]
mode = "brightfield"
[arms.distilled]
"""


@pytest.fixture
def tfctc(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tfctc.system.pool.process_pool", lambda workers, runs_each: AtOnce())
    (tmp_path / "plan.toml").write_text(PLAN)
    return lambda *arguments: CliRunner().invoke(main, ["compare", *map(str, arguments)])


@pytest.mark.slow
def test_two_ways_of_training_are_compared(tiny_dataset, tfctc, tmp_path):
    result = tfctc(tiny_dataset, "--plan", "plan.toml", "-o", "out")
    assert result.exit_code == 0, result.output
    assert (
        "distilled, 8 labels, seed 3, rate 0.003: test AUROC" in result.output
        and "Next: python -m webbrowser out" in result.output
    )
    arms = json.loads((tmp_path / "out/summary.json").read_text())["arms"]
    assert [(arm["arm"], arm["budget"], arm["seeds"]) for arm in arms] == [
        ("brightfield", 8, [3]),
        ("distilled", 8, [3]),
    ]
    assert arms[0]["auroc"]["teacher"] is None and 0 <= arms[1]["auroc"]["teacher"] <= 1
    # `tfctc evaluate` has the same metrics of the same run.
    folder = "out/runs/distilled/8-labels/seed-3-rate-0.003"
    evaluated = CliRunner().invoke(main, ["evaluate", folder, "--json"])
    metrics = json.loads(evaluated.stdout)["metrics"]
    assert {name: arms[1][name]["mean"] for name in ("auroc", "f1")} == pytest.approx(
        {name: metrics[name]["value"] for name in ("auroc", "f1")}
    )
    before = (tmp_path / "out/results.csv").read_bytes()
    again = tfctc(tiny_dataset, "--plan", "plan.toml", "-o", "out")
    assert again.exit_code == 0 and "test AUROC" not in again.output
    assert (tmp_path / "out/results.csv").read_bytes() == before
    rows = csv.DictReader(before.decode().splitlines())
    (row,) = (row for row in rows if row["arm"] == "distilled")
    assert float(row["auroc"]) == pytest.approx(arms[1]["auroc"]["mean"]) and row["epochs"] == "2"


def test_a_report_without_a_finished_run_is_a_mistake(tiny_dataset, tfctc, tmp_path):
    result = tfctc(tiny_dataset, "--plan", "plan.toml", "-o", "out", "--report-only")
    assert result.exit_code == 2 and "out: holds no finished run to report" in result.output
    assert not (tmp_path / "out").exists()


def test_more_labels_than_there_are_is_a_mistake_before_the_first_run(tiny_dataset, tfctc, tmp_path):
    (tmp_path / "plan.toml").write_text(PLAN.replace("[8]", "[8, 800]"))
    result = tfctc(tiny_dataset, "--plan", "plan.toml", "-o", "out")
    assert result.exit_code == 2 and "training.label_budget must leave both classes a label" in result.output
    assert "got 800" in result.output and not (tmp_path / "out/runs").exists()


def test_a_folder_of_other_things_is_left_alone(tiny_dataset, tfctc, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/index.html").write_text("mine")
    result = tfctc(tiny_dataset, "--plan", "plan.toml", "-o", "out")
    assert result.exit_code == 2 and "out: exists already and holds no comparison" in result.output
    assert (tmp_path / "out/index.html").read_text() == "mine" and len(list((tmp_path / "out").iterdir())) == 1


def test_interrupted_it_says_how_to_go_on(tiny_dataset, tfctc, monkeypatch):
    monkeypatch.setattr("tfctc.comparison.scheduler.run_jobs", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    result = tfctc(tiny_dataset, "--plan", "plan.toml", "-o", "out")
    assert result.exit_code == 1 and "Next: the same command goes on where this one ended" in result.output


def test_tensorflow_is_started_for_training_unless_there_is_only_a_report(tfctc, monkeypatch):
    started = []
    monkeypatch.setattr("tfctc.api.comparing.start_tensorflow", lambda training=False: started.append(training))
    for options in ([], ["--report-only"]):
        result = tfctc("none", "--plan", "none.toml", "-o", "out", *options)
        assert result.exit_code == 2 and "none.toml" in result.output
    assert started == [True, False]
