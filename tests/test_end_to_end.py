"""The whole journey on a handful of cells: what each user of tfctc does, in order."""

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from made_up import edit_manifest
from PIL import Image

from tfctc.cli import main
from tfctc.data.manifest import Manifest
from tfctc.data.pipeline import labelled_records
from tfctc.evaluation.predictions import predict
from tfctc.training.run import Run

QUICK = ["--backbone", "compact", "--epochs", "2", "--set", "training.batch_size=8"]


def tfctc(*arguments):
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    return result.output


@dataclass
class Journey:
    data: Path
    run: Path
    version: Path
    says: str


@pytest.fixture(scope="module")
def journey(tmp_path_factory, tiny_dataset):
    """fit, evaluate and export, once for all tests here."""
    room = tmp_path_factory.mktemp("journey")
    data = room / "data"
    shutil.copytree(tiny_dataset, data)
    run, exports = room / "run", room / "exports"
    says = tfctc("fit", data, *QUICK, "-o", run)
    says += tfctc("evaluate", run)
    says += tfctc("evaluate", run, "--teacher")
    says += tfctc("export", run, "--name", "tiny", "--output", exports)
    return Journey(data, run, exports / "tiny" / "1", says)


def figures(run, name="evaluation.json"):
    return json.loads((run / name).read_text())


def test_a_run_folder_holds_everything_it_promises(journey):
    names = {p.name for p in journey.run.iterdir()}
    assert names >= {
        "config.json", "dataset.json", "splits.json", "run.json", "operating_point.json", "evaluation.json",
        "student.keras", "teacher.keras", "history.csv", "logs", "predictions.csv",
    }  # fmt: skip
    record = Run.open(journey.run).record
    assert record["seed"] == 0 and set(record["libraries"]) >= {"tensorflow", "keras"}
    with (journey.run / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["stage"], row["epoch"]) for row in rows] == [(s, e) for s in ("teacher", "student") for e in "12"]
    assert all(0 <= float(row["val_auroc"]) <= 1 for row in rows)
    assert list((journey.run / "logs" / "student").rglob("events*"))


def test_every_command_says_where_and_what_next(journey):
    for word in (str(journey.run), "Next: tfctc evaluate", "Next: tfctc export", "Next: tfctc predict"):
        assert word in journey.says


def test_no_patient_is_in_two_splits_and_every_figure_has_an_interval(journey):
    groups = json.loads((journey.run / "splits.json").read_text())["groups"]
    assert set(groups.values()) == {"train", "validation", "test"}
    test_patients = {row["patient_id"] for row in csv.DictReader((journey.run / "predictions.csv").open())}
    assert {groups[p] for p in test_patients} == {"test"}
    for name, figure in figures(journey.run)["figures"].items():
        assert figure["low"] <= figure["value"] <= figure["high"], name


def test_the_figures_are_those_of_the_predictions(journey):
    """Counted again from the table of cells."""
    report = figures(journey.run)
    rows = list(csv.DictReader((journey.run / "predictions.csv").open()))
    positive = report["classes"][1]
    called = [float(row[f"p_{positive}"]) >= report["threshold"] for row in rows]
    truth = [row["label"] == positive for row in rows]
    tp = sum(c and t for c, t in zip(called, truth, strict=True))
    assert report["figures"]["recall"]["value"] == pytest.approx(tp / sum(truth))
    assert report["cells"] == len(rows)


def test_the_table_of_cells_holds_each_probability_to_the_last_bit(journey):
    run = Run.open(journey.run)
    answers = predict(run.student(), labelled_records(run.builder(), "test", ("brightfield",), 64))
    rows = csv.DictReader((journey.run / "predictions.csv").open())
    found = {row["cell_id"]: np.float32(row[f"p_{run.facts.positive}"]) for row in rows}
    assert found == dict(zip(answers.cell_id.tolist(), answers.probability, strict=True))


def test_a_given_threshold_is_not_said_to_be_chosen_on_validation(journey, tmp_path):
    run = shutil.copytree(journey.run, tmp_path / "run")
    assert figures(run, "operating_point.json")["chosen_on"] == "validation"
    assert "threshold 0.7000 (given)" in tfctc("evaluate", run, "--threshold", "0.7")
    assert figures(run, "operating_point.json") == {"threshold": 0.7, "rule": "0.7"}


@pytest.mark.parametrize(("file", "mean_difference"), [("model_float32.tflite", 1e-4), ("model_int8.tflite", 0.02)])
def test_predict_without_tensorflow_agrees_with_keras(journey, tmp_path, file, mean_difference):
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'sklearn', 'scipy', 'tensorflow_datasets'): sys.modules[name] = None\n"
        "from tfctc.cli import main; main(sys.argv[1:])"
    )
    out = tmp_path / "answers.csv"
    arguments = ["predict", journey.version / file, journey.run / "predictions.csv", "--output", out]
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, capture_output=True)
    rows, positive = list(csv.DictReader(out.open())), Run.open(journey.run).facts.positive
    assert list(rows[0]) == ["cell_id", f"p_{positive}", "label", "quality", "threshold", "model_version"]
    found = {row["cell_id"]: float(row[f"p_{positive}"]) for row in rows}
    expected = {row["cell_id"]: row for row in csv.DictReader((journey.run / "predictions.csv").open())}
    assert found.keys() == expected.keys()
    differences = [abs(found[cell] - float(expected[cell][f"p_{positive}"])) for cell in found]
    assert np.mean(differences) <= mean_difference
    if file == "model_float32.tflite":
        assert max(differences) <= mean_difference


def test_dapi_is_never_needed_again(journey, tmp_path):
    """Every DAPI image turned to noise: the student's figures and answers stay bit-identical, the teacher's do not."""
    before, teacher_before = figures(journey.run), figures(journey.run, "teacher_evaluation.json")
    cells_before = (journey.run / "predictions.csv").read_bytes()
    rng, kept = np.random.default_rng(0), {}
    manifest = Manifest.open(journey.data)
    for cell in manifest.cells():
        if cell.dapi:
            kept[cell.dapi] = Path(cell.dapi).read_bytes()
            noise = rng.integers(0, manifest.facts.full_scale + 1, manifest.facts.image_size)
            Image.fromarray(noise.astype(manifest.facts.dtype)).save(cell.dapi)
    try:
        tfctc("evaluate", journey.run)
        tfctc("evaluate", journey.run, "--teacher")
        tfctc("export", journey.run, "--tflite", "--quantize", "none", "--name", "noise", "--output", tmp_path)
        answers = []
        for model in (journey.version / "model_float32.tflite", tmp_path / "noise" / "1" / "model_float32.tflite"):
            tfctc("predict", model, journey.run / "predictions.csv", "--output", tmp_path / "answers.csv")
            answers.append([row[:4] for row in csv.reader((tmp_path / "answers.csv").open())])
        assert figures(journey.run) == before
        assert (journey.run / "predictions.csv").read_bytes() == cells_before
        assert answers[0] == answers[1]
        assert figures(journey.run, "teacher_evaluation.json") != teacher_before
    finally:
        for path, content in kept.items():
            Path(path).write_bytes(content)


def test_the_same_command_twice_gives_the_same_run(journey, tmp_path):
    tfctc("fit", journey.data, *QUICK, "-o", tmp_path / "again")
    assert Run.open(tmp_path / "again").record["weights_sha256"] == Run.open(journey.run).record["weights_sha256"]


def test_bright_field_mode_reads_no_dapi_and_needs_none(journey, tmp_path):
    """The baseline on a data set whose DAPI images are gone altogether."""
    data = tmp_path / "data"
    shutil.copytree(journey.data, data, ignore=shutil.ignore_patterns("tfrecords"))
    for cell in Manifest.open(data).cells():
        Path(cell.dapi).unlink(missing_ok=True)
    edit_manifest(data, lambda rows: [row.update(dapi="") for row in rows])
    tfctc("fit", data, *QUICK, "--mode", "brightfield", "-o", tmp_path / "run")
    assert not (tmp_path / "run" / "teacher.keras").exists()
    tfctc("evaluate", tmp_path / "run")
    result = CliRunner().invoke(main, ["fit", str(data), *QUICK, "-o", str(tmp_path / "taught")])
    assert result.exit_code == 2 and "no labelled cell with DAPI" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "nowhere"], "is not a run folder"),
        (["fit", "nowhere"], "nowhere"),
        (["fit", "{data}", "--mode", "magic"], "mode must be"),
        (["fit", "{data}", "--set", "training.epoch=3"], "unknown key training.epoch"),
        (["fit", "{data}", "--backbone", "resnet51", "-o", "{tmp}/x"], "choose one of: compact"),
        (["fit", "{data}", "--set", 'distill.losses={"magic": {}}', "-o", "{tmp}/x"], "unknown distillation loss"),
        (["fit", "{data}", "--set", 'augment={"magic": {}}', "-o", "{tmp}/x"], "unknown augmentation"),
        (["fit", "{data}", "--set", "split.by=ward", "-o", "{tmp}/x"], "ward"),
        (["fit", "{data}", "-o", "{run}"], "holds a finished run"),
        (["fit", "{data}", "-o", "{data}"], "is not a run folder"),
        (["fit", "{data}", "-o", "{data}/manifest.csv/below"], "cannot be written"),
        (["fit", "--resume", "{tmp}"], "is not a run folder"),
        (["evaluate", "{run}", "--threshold", "best"], "unknown threshold rule"),
    ],
)
def test_a_mistake_ends_with_one_line_and_exit_code_2(journey, tmp_path, arguments, message):
    for place, path in {"{data}": journey.data, "{run}": journey.run, "{tmp}": tmp_path}.items():
        arguments = [argument.replace(place, str(path)) for argument in arguments]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    assert result.output.count("tfctc: error:") == 1 and message in result.output
    assert "Traceback" not in result.output and not list(tmp_path.iterdir())
