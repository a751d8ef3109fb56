"""A third class, other, from the labels of a source to the calls of an exported file."""

import csv
import json
import shlex
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from c_example import COMPILER, compile_example, pgm
from click.testing import CliRunner
from PIL import Image

from tfctc.api.exporting import _images
from tfctc.cells import DatasetFacts
from tfctc.cli import main
from tfctc.data.manifest import Manifest
from tfctc.evaluation.keras_predictions import predict_splits
from tfctc.evaluation.predictions import Predictions
from tfctc.inference.predictor import Predictor
from tfctc.runs.folder import RunFolder
from tfctc.runs.predictions import read_predictions

#: Label of the cells of a patient in turn -> class that it becomes.
KINDS = {"WBC": "leukocyte", "CTC": "ctc", "CTC-mesenchymal": "ctc", "debris": "other", "doublet": "other"}
RULES = "--other debris,doublet --map WBC=leukocyte --map CTC=ctc --map CTC-mesenchymal=ctc"
TINY = (
    "--set student.backbone=tiny --set training.epochs=2 --set training.steps_per_epoch=4 --set training.batch_size=10"
)


def run(words):
    done = CliRunner().invoke(main, shlex.split(words))
    assert done.exit_code == 0, done.output
    return done.output


def scans(folder, patients, seed=1):
    """Bright-field images of five cells of each patient, one of each kind, and their label table."""
    folder.mkdir()
    rng, rows = np.random.default_rng(seed), ["cell,label,patient"]
    for patient in (f"{folder.name}{number:02}" for number in range(patients)):
        for i, kind in enumerate(KINDS):
            image = rng.normal(900 + 500 * i, 150, (16, 16)).clip(0, 4095).astype(np.uint16)
            Image.fromarray(image).save(folder / f"{patient}x{i}_BF.png")
            rows.append(f"{patient}x{i},{kind},{patient}")
    (folder.parent / f"{folder.name}.csv").write_text("\n".join(rows))
    return folder


def imported(folder, rules=RULES):
    table = folder.parent / f"{folder.name}.csv"
    output = folder.parent / f"{folder.name}-cells"
    columns = "--id-column cell --patient-column patient --bit-depth 12"
    run(f"import {folder} --files '{{cell}}_{{channel}}.png' --labels {table} {columns} {rules} -o {output}")
    return output


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a data set "a-cells", a run on it, and its export."""
    folder = tmp_path_factory.mktemp("other")
    data = imported(scans(folder / "a", 10, seed=0))
    run(f"fit {data} --mode brightfield {TINY} --output {folder}/run")
    run(f"evaluate {folder}/run")
    run(f"export {folder}/run --quantize none --quantize int8 --saved-model --accept --output {folder}/exports")
    return folder


pytestmark = pytest.mark.slow


def test_labels_become_three_classes_and_are_kept(trained):
    manifest = Manifest.open(trained / "a-cells")
    assert manifest.facts.labels == ("leukocyte", "ctc", "other") and manifest.facts.other
    assert {(cell.original_label, cell.label) for cell in manifest.index} == set(KINDS.items())


def test_recall_is_told_by_each_label_and_is_what_the_table_says(trained):
    report = json.loads((trained / "run/evaluation.json").read_text())
    with (trained / "run/predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert report["classes"] == ["leukocyte or other", "ctc"] and len(report["by_label"]) == 5
    for one in report["by_label"]:
        own = [row for row in rows if row["original_label"] == one["name"]]
        assert {row["truth"] for row in own} == {one["truth"]} == {KINDS[one["name"]]}
        assert one["calls"] == {name: sum(row["call"] == name for row in own) for name in one["calls"]}
        assert one["recall"]["value"] == pytest.approx(one["calls"][one["truth"]] / len(own))
    (_, false_positive), (_, true_positive) = report["confusion"]
    assert false_positive + true_positive == sum(row["call"] == "ctc" for row in rows)
    for row in rows:
        is_positive = float(row["p_ctc"]) >= report["threshold"]
        assert row["call"] == ("ctc" if is_positive else row["below_threshold"])
    assert "label debris (other): recall" in run(f"evaluate {trained}/run")
    assert "debris" in (trained / "run/report.html").read_text()


def test_the_validation_table_is_of_the_calibrated_network(trained):
    run = RunFolder.open(trained / "run")
    found = predict_splits(run.calibrated_student(), run.builder())["validation"]
    table = read_predictions(trained / "run/validation_predictions.csv", run.facts)
    expected = dict(zip(found.cell_id.tolist(), found.calls(0.5, run.facts).tolist(), strict=True))
    assert dict(zip(table.cell_id.tolist(), table.calls(0.5, run.facts).tolist(), strict=True)) == expected
    below = dict(zip(found.cell_id.tolist(), found.below(run.facts).tolist(), strict=True))
    assert dict(zip(table.cell_id.tolist(), table.below(run.facts).tolist(), strict=True)) == below
    assert run.calibration.other_bias == pytest.approx(np.log((1 / 1) / (1 / 2)))


def test_every_exported_file_gives_the_three_probabilities_of_keras(trained):
    version = trained / "exports/run/1"
    manifest = json.loads((version / "manifest.json").read_text())
    assert manifest["classes"] == ["leukocyte", "ctc", "other"]
    assert set(manifest["parity"]) == {"saved_model", "serving_bytes", "float32", "int8"}
    with np.load(version / "reference.npz") as saved:
        pixels, expected = saved["brightfield"], saved["probability"]
    assert expected.shape == (len(pixels), 3)
    np.testing.assert_allclose(expected.sum(axis=1), 1, atol=1e-5)
    assert "Verified" in run(f"export --verify {version}")
    for kind, most in (("float32", 1e-4), ("int8", 0.1)):
        predictor = Predictor(version / f"model_{kind}.tflite")
        found = np.stack([predictor.probabilities(np.float32(one / 4095)) for one in pixels])
        np.testing.assert_allclose(found, expected, atol=most)
        for one, row in zip(pixels, found, strict=True):
            below = "other" if row[2] > row[0] else "leukocyte"
            assert predictor(one).call == ("ctc" if row[1] >= predictor.threshold else below)
            assert predictor(one).probability == row[1]
    assert "leukocyte, ctc, other" in (version / "README.md").read_text()


@pytest.mark.skipif(COMPILER is None, reason="no C compiler on this machine")
def test_the_c_example_calls_as_the_predictor(trained, tmp_path):
    program = compile_example(tmp_path / "predict")
    for kind in ("float32", "int8"):
        model = trained / f"exports/run/1/model_{kind}.tflite"
        predictor = Predictor(model)
        for path in sorted((trained / "a").glob("a00x*_BF.png")):
            pixels = np.array(Image.open(path))
            (tmp_path / "a.pgm").write_bytes(pgm(pixels))
            done = subprocess.run([program, model, tmp_path / "a.pgm"], capture_output=True, text=True, check=True)
            p, call = done.stdout.split()
            expected = predictor(pixels)
            assert float(p) == pytest.approx(expected.probability, abs=1e-6)
            assert {"positive": "ctc", "negative": "leukocyte"}.get(call, call) == expected.call


def test_another_data_set_is_judged_alike_from_keras_and_from_a_file(trained, tmp_path):
    data = imported(scans(tmp_path / "b", 6))
    found = {}
    for name, model in (("run", trained / "run"), ("file", trained / "exports/run/1/model_float32.tflite")):
        run(f"evaluate {model} --data {data} --output {tmp_path}/{name}")
        found[name] = json.loads((tmp_path / name / "evaluation.json").read_text())
    assert len(found["run"]["by_label"]) == 5
    for one, other in zip(found["run"]["by_label"], found["file"]["by_label"], strict=True):
        assert one["calls"] == other["calls"] and sum(one["calls"].values()) == 6
    # The same images without such a class: debris counts as not positive all the same.
    plain = imported(scans(tmp_path / "c", 6), "--map WBC=leukocyte --map CTC=ctc --map CTC-mesenchymal=ctc "
                     "--map debris=leukocyte --map doublet=leukocyte")  # fmt: skip
    run(f"evaluate {trained}/run --data {plain} --output {tmp_path}/plain")
    report = json.loads((tmp_path / "plain/evaluation.json").read_text())
    assert "difference from" in run(
        f"evaluate {trained}/run --data {data} --output {tmp_path}/again --against {tmp_path}/file"
    )
    for name in ("recall", "specificity", "auroc"):
        assert report["metrics"][name]["value"] == pytest.approx(found["run"]["metrics"][name]["value"])


def test_predict_counts_the_third_call(trained, tmp_path):
    output = run(f"predict {trained}/exports/run/1/model_float32.tflite {trained}/a-cells/manifest.csv "
                 f"--output {tmp_path}/p.csv")  # fmt: skip
    with (tmp_path / "p.csv").open(newline="") as file:
        calls = [row["call"] for row in csv.DictReader(file)]
    counts = ", ".join(f"{calls.count(name)} {name}" for name in ("leukocyte", "ctc", "other"))
    assert counts in output and calls.count("other")


def test_quality_is_learnt_from_images_of_the_two_classes():
    cells = {
        "brightfield": np.zeros((6, 2, 2, 1)),
        "patient_id": np.array(list("abcdef")),
        "label": [0, 2, 1, -1, 2, 0],
    }
    batches = tf.data.Dataset.from_tensor_slices(cells).batch(4)
    assert b"".join(_images(batches, 3)[1]) == b"acd" and b"".join(_images(batches, 9)[1]) == b"acdf"


def test_calls_need_no_probability_of_other():
    facts = DatasetFacts("few", other=True)
    found = Predictions(
        *(np.array(list("abc")),) * 2,
        np.zeros(3, int),
        np.array([0.5, 0.49, 0.1]),
        is_other=np.array([True, True, False]),
    )
    assert found.calls(0.5, facts).tolist() == ["ctc", "other", "leukocyte"]
    assert found.of(np.array([1])).calls(0.5, facts).tolist() == ["other"]
