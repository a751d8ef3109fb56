"""A frozen model on another data set: from the run and from the exported file, with metrics counted again."""

import csv
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from made_up import edit_manifest
from PIL import Image
from sklearn.metrics import recall_score, roc_auc_score

import tfctc
from tfctc.cli import main


@pytest.fixture(scope="module")
def hospital(journey, tmp_path_factory):
    """Data of two other sites, with other patients and images than those that the model was trained on."""
    folder = tmp_path_factory.mktemp("external") / "B"
    shutil.copytree(journey.data, folder, ignore=shutil.ignore_patterns("tfrecords"))
    facts = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(facts | {"name": "hospital-b"}))

    def at_sites(rows):
        for i, row in enumerate(rows):
            row["site"] = "B1" if row["patient_id"] < "p06" else "B2"
            row["patient_id"] = row["patient_id"].replace("p", "q")
            path = folder / row["brightfield"]
            Image.fromarray(np.flipud(np.asarray(Image.open(path)))).save(path)
            if i % 12 == 5:
                row["label"] = ""

    return edit_manifest(folder, at_sites)


def command(*arguments, code=0):
    result = CliRunner().invoke(main, ["evaluate", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def evaluation(folder):
    return json.loads((folder / "evaluation.json").read_text())


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_run_and_file_give_the_same_table_at_the_models_threshold(journey, hospital, tmp_path):
    before = sorted(path.name for path in journey.version.iterdir())
    outputs = [command(path, "--data", hospital, "-o", tmp_path / name)
               for name, path in (("run", journey.run), ("version", journey.version),
                                  ("file", journey.version / "model_float32.tflite"))]  # fmt: skip
    run, version, file = (
        json.loads((tmp_path / name / "evaluation.json").read_text()) for name in ("run", "version", "file")
    )
    point = json.loads((journey.run / "operating_point.json").read_text())
    assert run["threshold"] == version["threshold"] == point["threshold"]
    for name, metric in run["metrics"].items():
        for key in ("value", "low", "high"):
            assert file["metrics"][name][key] == pytest.approx(metric[key], abs=1e-3), name
            assert version["metrics"][name][key] == file["metrics"][name][key]
    assert "44 external cells of hospital-b" in outputs[0] and "(the model's own, f1)" in outputs[0]
    assert run["origin"]["model"]["trained_on"] == "tiny" and run["origin"]["data"]["name"] == "hospital-b"
    assert version["origin"]["model"]["model_version"].startswith("tiny/1+")
    assert sorted(path.name for path in journey.version.iterdir()) == before, "a signed folder is not written to"
    assert json.loads((journey.run / "operating_point.json").read_text()) == point


def test_the_metrics_are_those_of_the_tables(journey, hospital, tmp_path):
    command(journey.version, "--data", hospital, "-o", tmp_path)
    rows = table(tmp_path / "predictions.csv")
    found = evaluation(tmp_path)
    assert len(rows) == 44 and {row["site"] for row in rows} == {"B1", "B2"}
    truth = [row["truth"] == "ctc" for row in rows]
    assert found["metrics"]["auroc"]["value"] == pytest.approx(
        roc_auc_score(truth, [float(row["p_ctc"]) for row in rows])
    )
    assert found["metrics"]["recall"]["value"] == recall_score(truth, [row["call"] == "ctc" for row in rows])
    assert [group["name"] for group in found["by_site"]] == ["B1", "B2"] and len(found["by_patient"]) == 12
    for count in table(tmp_path / "counts.csv"):
        own = [row for row in rows if row["patient_id"] == count["patient_id"]]
        assert (count["site"], int(count["cells"])) == (own[0]["site"], len(own))
        assert int(count["called_ctc"]) == sum(row["call"] == "ctc" for row in own)
        assert int(count["true_ctc"]) == sum(row["truth"] == "ctc" for row in own)


def test_a_given_threshold_changes_calls_and_nothing_of_the_model(journey, hospital, tmp_path):
    output = command(journey.run, "--data", hospital, "--threshold", "0.9999", "-o", tmp_path)
    assert "threshold 0.9999 (given)" in output and "no cell is called ctc" in output
    assert "Caution: The threshold is above every probability" in output
    for rule in ("f1", "1.5", "nan"):
        output = command(journey.run, "--data", hospital, "--threshold", rule, code=2)
        assert f"a threshold is a number between 0 and 1, got {rule}; leave out --threshold" in output


def test_an_image_that_cannot_be_used_is_in_no_metric_and_has_its_reason(journey, hospital, tmp_path):
    data = tmp_path / "B"
    shutil.copytree(hospital, data)
    bad = table(data / "manifest.csv")[0]
    path = data / bad["brightfield"]
    path.write_bytes(path.read_bytes()[:60])
    output = command(journey.version, "--data", data, "-o", tmp_path / "out")
    assert "1 images were refused and are in no metric" in output and "43 external cells" in output
    row = next(row for row in table(tmp_path / "out" / "predictions.csv") if row["cell_id"] == bad["cell_id"])
    assert row["p_ctc"] == row["call"] == "" and path.name in row["refused"]
    count = next(c for c in table(tmp_path / "out" / "counts.csv") if c["patient_id"] == bad["patient_id"])
    assert count["refused"] == "1" and count["cells"] == str(
        len([row for row in table(tmp_path / "out" / "predictions.csv") if row["patient_id"] == bad["patient_id"]])
    )


@pytest.mark.parametrize(
    ("facts", "problem"),
    [
        ({"classes": ["wbc", "tumor"]}, "import it again with --classes leukocyte,ctc --map YOUR_NAME=leukocyte"),
        ({"bit_depth": 14}, "has bright-field images of 14 bit, and the model takes 12 bit"),
        (
            {"image_size": [20, 16]},
            "has images of 20 x 16 px, and the model takes 16 x 16; import it again with --size 16x16",
        ),
    ],
)
def test_data_that_the_model_cannot_take_are_refused_before_any_image_is_read(
    journey, hospital, tmp_path, facts, problem
):
    data = tmp_path / "B"
    shutil.copytree(hospital, data)
    known = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps(known | facts))
    if "classes" in facts:
        names = {"ctc": "tumor", "leukocyte": "wbc", "": ""}
        edit_manifest(data, lambda rows: [row.update(label=names[row["label"]]) for row in rows])
    assert problem in command(journey.version, "--data", data, "-o", tmp_path / "out", code=2)
    assert not (tmp_path / "out").exists()


def test_other_order_of_classes_and_another_scale_are_told(journey, hospital, tmp_path):
    data = tmp_path / "B"
    shutil.copytree(hospital, data)
    known = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps(known | {"classes": ["ctc", "leukocyte"], "mpp": 0.5}))
    output = command(journey.version, "--data", data, "-o", tmp_path / "out")
    assert "Caution: The data set has the classes in another order (ctc, leukocyte); they were matched" in output
    assert "Caution: The images have 0.5 micrometres a pixel, and the model was trained at 0.64" in output
    command(journey.version, "--data", hospital, "-o", tmp_path / "same")
    one, other = (evaluation(tmp_path / name) for name in ("out", "same"))
    assert one["metrics"] == other["metrics"] and one["classes"] == ["leukocyte", "ctc"]
    rows = table(tmp_path / "out" / "predictions.csv")
    assert [row["call"] for row in rows] == [row["call"] for row in table(tmp_path / "same" / "predictions.csv")]
    assert "p_ctc" in rows[0]


def test_results_on_another_data_set_are_not_overwritten(journey, hospital, tmp_path):
    command(journey.version, "--data", hospital, "-o", tmp_path)
    command(journey.version, "--data", hospital, "-o", tmp_path)
    before = (tmp_path / "evaluation.json").read_bytes()
    other = tmp_path / "C"
    shutil.copytree(hospital, other)
    edit_manifest(other, list.reverse)
    output = command(journey.version, "--data", other, "-o", tmp_path, code=2)
    assert "holds an evaluation of another model or data set; choose another --output" in output
    assert (tmp_path / "evaluation.json").read_bytes() == before


def test_mistakes_are_one_line(journey, hospital, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "is neither a run folder nor an exported version" in command(tmp_path / "empty", "--data", hospital, code=2)
    assert "holds no manifest.csv" in command(journey.run, "--data", tmp_path / "empty", code=2)
    assert "leave out --teacher" in command(journey.run, "--data", hospital, "--teacher", code=2)
    assert "--output is for the results on --data" in command(journey.run, "-o", tmp_path, code=2)


def test_the_python_call_gives_the_same(journey, hospital, tmp_path):
    found = tfctc.evaluate(journey.version, data=hospital, output=tmp_path)
    saved = evaluation(tmp_path)
    assert json.loads(json.dumps(found.to_dict())) == saved


def test_a_file_is_evaluated_without_tensorflow(journey, hospital, tmp_path):
    program = (
        "import sys; sys.modules.update(tensorflow=None, keras=None, tensorflow_datasets=None)\n"
        "from tfctc.cli import main; main()"
    )
    words = ["evaluate", journey.version, "--data", hospital, "-o", tmp_path / "out"]
    done = subprocess.run([sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert np.isfinite(evaluation(tmp_path / "out")["metrics"]["auroc"]["value"])


def test_without_scikit_learn_the_extra_is_named(journey, hospital, tmp_path):
    program = "import sys; sys.modules['sklearn'] = None\nfrom tfctc.cli import main; main()"
    words = ["evaluate", journey.version, "--data", hospital, "-o", tmp_path / "out"]
    done = subprocess.run([sys.executable, "-c", program, *map(str, words)], capture_output=True, text=True)
    assert done.returncode == 2 and "pip install 'tfctc[evaluate]'" in done.stderr and "Traceback" not in done.stderr


def test_training_patients_and_training_images_are_found_by_run_and_version(journey, hospital, tmp_path):
    for model in (journey.run, journey.version):
        output = command(model, "--data", journey.data, "-o", tmp_path / "out", code=2)
        assert "the model was trained on 9 patients of it: " in output and "leave out their cells" in output
    renamed = tmp_path / "renamed"
    shutil.copytree(journey.data, renamed, ignore=shutil.ignore_patterns("tfrecords"))
    edit_manifest(renamed, lambda rows: [row.update(patient_id=f"other {row['patient_id']}") for row in rows])
    for model in (journey.run, journey.version):
        output = command(model, "--data", renamed, "-o", tmp_path / "out", code=2)
        assert "the model was trained on the images of 36 cells of it: " in output
    assert not (tmp_path / "out").exists()
    output = command(journey.version, "--data", hospital, "-o", tmp_path / "out")
    assert "leak check: no patient and no image of it in training" in output


def test_a_file_alone_says_that_it_cannot_be_checked(journey, hospital, tmp_path):
    shutil.copy(journey.version / "model_float32.tflite", tmp_path / "alone.tflite")
    output = command(tmp_path / "alone.tflite", "--data", hospital, "-o", tmp_path / "out")
    assert "leak check: not possible: the model does not tell its training patients" in output


def test_the_difference_of_two_models_is_paired_and_needs_the_same_cells(journey, hospital, tmp_path):
    command(journey.version, "--data", hospital, "-o", tmp_path / "float32")
    output = command(journey.version / "model_int8.tflite", "--data", hospital, "-o", tmp_path / "int8",
                     "--against", tmp_path / "float32")  # fmt: skip
    one, other = (evaluation(tmp_path / name)["metrics"]["auroc"]["value"] for name in ("int8", "float32"))
    assert "difference from tiny/1 (model_float32) in " in output
    line = next(line for line in output.split("difference from")[1].splitlines() if line.startswith("auroc"))
    assert line.split()[1] == f"{one - other:+.3f}"
    output = command(journey.run, "--against", tmp_path / "float32", code=2)
    assert "predictions for 44 cells, which are not the 12 cells of this evaluation; evaluate both models" in output
    assert "holds no evaluation" in command(journey.run, "--against", tmp_path, code=2)
