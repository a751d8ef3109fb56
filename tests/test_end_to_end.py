"""The whole journey on a handful of cells, by the commands that users type, in order."""

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from journey import QUICK, tfctc
from made_up import edit_manifest
from PIL import Image
from small_models import make_compact_shallow

from tfctc.cli import main
from tfctc.data.manifest import Manifest
from tfctc.data.pipeline import labelled_batches
from tfctc.evaluation.keras_predictions import predict
from tfctc.runs.folder import RunFolder


def read_json(run, name="evaluation.json"):
    return json.loads((run / name).read_text())


def read_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_folder_holds_everything_it_promises(journey):
    names = {p.name for p in journey.run.iterdir()}
    assert names >= {
        "config.json", "dataset.json", "splits.json", "run.json", "operating_point.json", "evaluation.json",
        "student.keras", "teacher.keras", "history.csv", "logs", "predictions.csv",
    }  # fmt: skip
    record = RunFolder.open(journey.run).record
    assert record["seed"] == 0 and set(record["libraries"]) >= {"tensorflow", "keras"}
    rows = read_rows(journey.run / "history.csv")
    assert [(row["stage"], row["epoch"]) for row in rows] == [(s, e) for s in ("teacher", "student") for e in "12"]
    assert all(0 <= float(row["val_auroc"]) <= 1 for row in rows)
    assert list((journey.run / "logs" / "student").rglob("events*"))


def test_every_command_says_where_it_wrote_and_what_comes_next(journey):
    for word in (str(journey.run), "Next: tfctc evaluate", "Next: tfctc export", "Next: tfctc predict"):
        assert word in journey.output


def test_no_patient_is_in_two_splits_and_every_metric_has_an_interval(journey):
    groups = json.loads((journey.run / "splits.json").read_text())["groups"]
    assert set(groups.values()) == {"train", "validation", "test"}
    test_patients = {row["patient_id"] for row in read_rows(journey.run / "predictions.csv")}
    assert {groups[p] for p in test_patients} == {"test"}
    for name, metric in read_json(journey.run)["metrics"].items():
        assert metric["low"] <= metric["value"] <= metric["high"], name


def test_the_metrics_are_those_of_the_predictions(journey):
    """Recall, counted again from the table of cells."""
    report = read_json(journey.run)
    rows = read_rows(journey.run / "predictions.csv")
    positive = report["classes"][1]
    called = [float(row[f"p_{positive}"]) >= report["threshold"] for row in rows]
    truth = [row["truth"] == positive for row in rows]
    tp = sum(c and t for c, t in zip(called, truth, strict=True))
    assert report["metrics"]["recall"]["value"] == pytest.approx(tp / sum(truth))
    assert report["cells"] == len(rows)


def test_the_table_of_cells_holds_each_probability_to_the_last_bit(journey):
    run = RunFolder.open(journey.run)
    predictions = predict(run.calibrated_student(), labelled_batches(run.builder(), "test", ("brightfield",), 64))
    rows = read_rows(journey.run / "predictions.csv")
    found = {row["cell_id"]: np.float32(row[f"p_{run.facts.positive}"]) for row in rows}
    assert found == dict(zip(predictions.cell_id.tolist(), predictions.probability, strict=True))


def test_a_given_threshold_is_not_said_to_be_chosen_on_validation(journey, tmp_path):
    run = shutil.copytree(journey.run, tmp_path / "run")
    assert read_json(run, "operating_point.json")["chosen_on"] == "validation"
    assert "threshold 0.7000 (given)" in tfctc("evaluate", run, "--operating-point", "0.7")
    assert read_json(run, "operating_point.json") == {"threshold": 0.7, "rule": "0.7"}


@pytest.mark.parametrize(("file", "mean_difference"), [("model_float32.tflite", 1e-4), ("model_int8.tflite", 0.02)])
def test_predict_without_tensorflow_agrees_with_keras(journey, tmp_path, file, mean_difference):
    code = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'sklearn', 'scipy', 'tensorflow_datasets'): sys.modules[name] = None\n"
        "from tfctc.cli import main; main(sys.argv[1:])"
    )
    out = tmp_path / "out.csv"
    arguments = ["predict", journey.version / file, journey.run / "predictions.csv", "--output", out]
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, capture_output=True)
    rows, positive = read_rows(out), RunFolder.open(journey.run).facts.positive
    assert list(rows[0]) == [
        "cell_id",
        "patient_id",
        "site",
        "truth",
        f"p_{positive}",
        "call",
        "quality",
        "threshold",
        "model_version",
    ]
    found = {row["cell_id"]: float(row[f"p_{positive}"]) for row in rows}
    expected = {row["cell_id"]: row for row in read_rows(journey.run / "predictions.csv")}
    assert found.keys() == expected.keys()
    differences = [abs(found[cell] - float(expected[cell][f"p_{positive}"])) for cell in found]
    assert np.mean(differences) <= mean_difference
    if file == "model_float32.tflite":
        assert max(differences) <= mean_difference


def test_dapi_is_never_needed_after_training(journey, tmp_path):
    """With noise for every DAPI image, metrics and predictions of the student stay bit-identical, and only its."""
    before, teacher_before = read_json(journey.run), read_json(journey.run, "teacher_evaluation.json")
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
        tfctc(
            "export", journey.run, "--tflite", "--quantize", "none", "--name", "noise", "--output", tmp_path, "--accept"
        )
        predictions = []
        for model in (journey.version / "model_float32.tflite", tmp_path / "noise" / "1" / "model_float32.tflite"):
            tfctc("predict", model, journey.run / "predictions.csv", "--output", tmp_path / "out.csv")
            predictions.append([list(row.values())[:4] for row in read_rows(tmp_path / "out.csv")])
        assert read_json(journey.run) == before
        assert (journey.run / "predictions.csv").read_bytes() == cells_before
        assert predictions[0] == predictions[1]
        assert read_json(journey.run, "teacher_evaluation.json") != teacher_before
    finally:
        for path, content in kept.items():
            Path(path).write_bytes(content)


def test_predict_exits_with_1_if_images_are_refused_and_with_2_for_a_mistake(journey, tmp_path):
    """Of two images one is of another size: its row has no probability, the other is predicted all the same."""
    cell = next(Manifest.open(journey.data).cells())
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    shutil.copy(cell.brightfield, good)
    Image.fromarray(np.zeros((5, 5), np.uint16)).save(bad)
    model, out = str(journey.version / "model_float32.tflite"), tmp_path / "out.csv"
    result = CliRunner().invoke(main, ["predict", model, str(good), str(bad), "-o", str(out)])
    assert result.exit_code == 1 and "1 of 2 images were refused" in result.output, result.output
    rows = {row["cell_id"]: row for row in read_rows(out)}
    assert rows["bad"]["call"] == "refused" and rows["bad"]["p_ctc"] == ""
    assert rows["good"]["call"] in ("leukocyte", "ctc") and 0 <= float(rows["good"]["p_ctc"]) <= 1
    out.unlink()
    for arguments in ([model, str(tmp_path / "nowhere.png")], [str(good), str(good)], [model, str(good), "-o", model]):
        result = CliRunner().invoke(main, ["predict", *arguments, *([] if "-o" in arguments else ["-o", str(out)])])
        assert result.exit_code == 2 and result.output.count("tfctc: error:") == 1, result.output
    assert not out.exists()


def test_bright_field_mode_reads_no_dapi_and_needs_none(journey, tmp_path, monkeypatch):
    """The baseline, on a data set without a single DAPI image."""
    make_compact_shallow(monkeypatch)
    data = tmp_path / "data"
    shutil.copytree(journey.data, data, ignore=shutil.ignore_patterns("tfrecords"))
    for cell in Manifest.open(data).cells():
        Path(cell.dapi).unlink(missing_ok=True)
    edit_manifest(data, lambda rows: [row.update(dapi="") for row in rows])
    tfctc("fit", data, *QUICK, "--mode", "brightfield", "--set", "augment={}", "-o", tmp_path / "run")
    assert not (tmp_path / "run" / "teacher.keras").exists()
    tfctc("evaluate", tmp_path / "run")
    result = CliRunner().invoke(main, ["fit", str(data), *QUICK, "-o", str(tmp_path / "taught")])
    assert result.exit_code == 2 and "no labelled cell with DAPI" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["evaluate", "nowhere"], "is not a run folder"),
        (["fit", "nowhere"], "nowhere"),
        (["fit", "{data}", "--mode", "magic"], "unknown mode 'magic'; choose one of"),
        (["fit", "{data}", "--set", "training.epoch=3"], "unknown key training.epoch"),
        (["fit", "{data}", "--backbone", "resnet51", "-o", "{tmp}/x"], "choose one of: compact"),
        (["fit", "{data}", "--set", 'distill.losses={"magic": {}}', "-o", "{tmp}/x"], "unknown distillation loss"),
        (["fit", "{data}", "--set", 'augment={"magic": {}}', "-o", "{tmp}/x"], "unknown augmentation"),
        (["fit", "{data}", "--set", "split.by=ward", "-o", "{tmp}/x"], "ward"),
        (["fit", "{data}", "-o", "{run}"], "holds a finished run"),
        (["fit", "{data}", "-o", "{data}"], "is not a run folder"),
        (["fit", "{data}", "-o", "{data}/manifest.csv/below"], "cannot be written"),
        (["fit", "--resume", "{tmp}"], "is not a run folder"),
        (["evaluate", "{run}", "--operating-point", "best"], "unknown operating point"),
    ],
)
def test_a_mistake_ends_with_one_line_and_exit_code_2(journey, tmp_path, arguments, message):
    for place, path in {"{data}": journey.data, "{run}": journey.run, "{tmp}": tmp_path}.items():
        arguments = [argument.replace(place, str(path)) for argument in arguments]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2, result.output
    assert result.output.count("tfctc: error:") == 1 and message in result.output
    assert "Traceback" not in result.output and not list(tmp_path.iterdir())
