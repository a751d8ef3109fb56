"""What tfctc export writes for which options. That it is right is shown in tests/export and test_end_to_end.py."""

import json
import runpy
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from made_up import edit_manifest, read_cells

from tfctc.cli import main
from tfctc.config import ModelConfig, RunConfig, SplitConfig, to_dict
from tfctc.data.manifest import Manifest
from tfctc.data.splits import deal
from tfctc.export.litert import PRECISIONS
from tfctc.models.classifier import build_classifier
from tfctc.models.fast import stock
from tfctc.models.weights import weights_sha256
from tfctc.quality import limits

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def run(tiny_dataset, tmp_path_factory):
    """A run folder as `fit` leaves it, of an untrained student."""
    folder = tmp_path_factory.mktemp("runs") / "untrained"
    folder.mkdir()
    manifest = Manifest.open(tiny_dataset)
    facts = manifest.facts
    groups = deal(manifest.groups("patient_id"), facts, SplitConfig(), 0)
    keras.utils.set_random_seed(0)
    scale = {"brightfield": (0.3, 0.1)}
    student = stock(build_classifier(ModelConfig("compact"), tuple(facts.image_size), scale, "student"))
    student.save(folder / "student.keras")
    record = {"weights_sha256": {"student": weights_sha256(student)}, "cells": 48}
    for name, content in {
        "config": to_dict(RunConfig(str(tiny_dataset), student=ModelConfig("compact"))),
        "dataset": to_dict(facts),
        "splits": {"by": "patient_id", "groups": groups},
        "operating_point": {"threshold": 0.5, "rule": "f1", "chosen_on": "validation"},
        "run": record,
    }.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def asked(monkeypatch):
    """What the command asks of `write_version`, which writes the files' names alone."""
    calls = []

    def write(subject, base, images, calibration, saved_model, precisions, optional, say, choice):
        calls.append((subject, images, calibration, saved_model, precisions, optional))
        version = base / "1"
        version.mkdir(parents=True)
        for precision in precisions:
            (version / f"model_{PRECISIONS[precision]}.tflite").touch()
        return version

    monkeypatch.setattr("tfctc.export.version.write_version", write)
    return calls


@pytest.mark.parametrize(
    ("split", "options"), [("train", []), ("validation", []), ("validation", ["--quantize", "auto"])]
)
def test_a_split_that_has_lost_its_labels_is_told(run, tiny_dataset, tmp_path, asked, split, options):
    groups = json.loads((run / "splits.json").read_text())["groups"]
    changed = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    edit_manifest(changed, lambda rows: [r.update(label="") for r in rows if groups[r["patient_id"]] == split])
    other = shutil.copytree(run, tmp_path / "run")
    settings = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(settings | {"data": str(changed)}))
    result = CliRunner().invoke(main, ["export", str(other), *options, "--output", str(tmp_path / "out")])
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit), result.output
    assert f"data: holds no labelled cell of the {split} split; put it back" in result.output and not asked


@pytest.mark.parametrize(
    ("options", "saved_model", "precisions"),
    [
        ([], True, ("none", "int8")),
        (["--tflite"], False, ("none", "int8")),
        (["--saved-model"], True, ()),
        (["--quantize", "float16", "--quantize", "float16"], False, ("float16",)),
        (["--saved-model", "--quantize", "none"], True, ("none",)),
    ],
)
def test_options_decide_what_is_written(run, tmp_path, asked, options, saved_model, precisions):
    result = CliRunner().invoke(main, ["export", str(run), *options, "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    # What is named is a must; int8 unnamed is not.
    assert asked[0][3:] == (saved_model, precisions, () if "--quantize" in options else ("int8",))
    for words in (
        f"to {tmp_path / 'untrained' / '1'}",
        "Next: tfctc predict" if precisions else "Next: saved_model_cli",
    ):
        assert words in result.output


def test_auto_writes_what_is_chosen_on_validation(run, tiny_dataset, tmp_path, asked, monkeypatch):
    groups = json.loads((run / "splits.json").read_text())["groups"]
    expected, _ = read_cells(tiny_dataset, groups, "validation")

    def choose(subject, images, calibration, loss, bound, say):
        # Sorted lists, not sets: each cell counts once.
        assert sorted(i.tobytes() for i in images) == sorted(i.tobytes() for i in expected)
        lost = loss(np.linspace(0, 1, len(images)), np.linspace(1, 0, len(images)))
        assert bound == 0.05 and len(calibration) and set(lost) == {"value", "low", "high"}
        return "float16", {"chosen": "float16"}

    monkeypatch.setattr("tfctc.export.choice.smallest_precision", choose)
    options = ["--quantize", "none", "--quantize", "auto", "--f1-bound", "0.05", "--output", str(tmp_path)]
    result = CliRunner().invoke(main, ["export", str(run), *options])
    assert result.exit_code == 0, result.output
    assert asked[0][4] == ("none", "float16")


def test_calibration_is_of_the_training_split_and_parity_of_validation(run, tiny_dataset, tmp_path, asked):
    """Read again from the files, by the groups as they were dealt. Bright-field, never DAPI."""
    assert CliRunner().invoke(main, ["export", str(run), "--output", str(tmp_path)]).exit_code == 0
    groups = json.loads((run / "splits.json").read_text())["groups"]
    _, images, calibration, *_ = asked[0]
    assert images.shape[1:] == calibration.shape[1:] == (16, 16, 1)
    for split, given in (("validation", images), ("train", calibration)):
        expected, _ = read_cells(tiny_dataset, groups, split)
        assert {image.tobytes() for image in given} == {image.tobytes() for image in expected}


@pytest.mark.parametrize(("mode", "labelled_alone"), [("distilled", False), ("brightfield", True)])
def test_quality_is_held_against_the_images_learnt_from(run, tiny_dataset, tmp_path, asked, mode, labelled_alone):
    """Those without a label too, where the student was taught through them."""
    groups = json.loads((run / "splits.json").read_text())["groups"]
    changed = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    edit_manifest(changed, lambda rows: [row.update(label="") for row in rows if row["cell_id"][-1] in "23"])
    other = shutil.copytree(run, tmp_path / "run")
    settings = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps(settings | {"data": str(changed), "mode": mode}))
    assert CliRunner().invoke(main, ["export", str(other), "--output", str(tmp_path / "out")]).exit_code == 0
    learnt, _ = read_cells(changed if labelled_alone else tiny_dataset, groups, "train")
    expected = limits(learnt)
    assert asked[0][0].quality.keys() == expected.keys()
    for name, values in asked[0][0].quality.items():
        assert values == pytest.approx(expected[name], rel=1e-9)


def test_the_run_is_what_is_exported(run, tmp_path, asked):
    CliRunner().invoke(main, ["export", str(run), "--name", "other", "--output", str(tmp_path)])
    record = asked[0][0].record(1)
    assert record["name"] == "other" and record["training"]["run"] == "untrained" and record["training"]["seed"] == 0
    assert record["operating_point"]["threshold"] == 0.5 and record["dataset"]["bit_depth"] == 12


@pytest.mark.parametrize(("folder", "name"), [("my run (2)", "my-run-2"), ("прогон", "model"), ("run_", "run_")])
def test_a_run_folder_of_any_name_exports(run, tmp_path, asked, folder, name):
    shutil.copytree(run, tmp_path / folder)
    arguments = ["export", str(tmp_path / folder), "--output", str(tmp_path / "exports")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0 and asked[0][0].name == name, result.output


@pytest.mark.parametrize(
    ("tool", "expected"), [("export_saved_model", (True, ())), ("export_tflite", (False, ("none", "int8")))]
)
def test_the_tools_are_the_command(run, tmp_path, asked, monkeypatch, tool, expected):
    monkeypatch.setattr("sys.argv", [tool, str(run), "--output", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOLS / f"{tool}.py"), run_name="__main__")
    assert ended.value.code == 0 and asked[0][3:5] == expected


def test_a_second_export_is_the_next_version_and_leaves_the_first(run, tmp_path):
    arguments = ["export", str(run), "--quantize", "none", "--output", str(tmp_path), "--name", "twice"]
    for _ in range(2):
        assert CliRunner().invoke(main, arguments).exit_code == 0
    versions = [json.loads((tmp_path / "twice" / n / "manifest.json").read_text())["model_version"] for n in "12"]
    assert [v.split("+")[0] for v in versions] == ["twice/1", "twice/2"]
    assert versions[0].split("+")[1] == versions[1].split("+")[1]


def test_a_version_is_verified_and_a_changed_one_refused(run, tmp_path):
    arguments = ["export", str(run), "--saved-model", "--quantize", "none", "--output", str(tmp_path), "--name", "m"]
    assert CliRunner().invoke(main, arguments).exit_code == 0
    result = CliRunner().invoke(main, ["export", "--verify", str(tmp_path / "m" / "1")])
    assert result.exit_code == 0 and "Verified m/1+" in result.output, result.output
    for artefact in ("float32", "saved_model", "serving_bytes"):
        assert f"{artefact}: max_abs " in result.output
    result = CliRunner().invoke(main, ["export", "--verify", "--runtime", "openvino", str(tmp_path / "m" / "1")])
    assert result.exit_code == 0 and "float32: max_abs " in result.output, result.output
    manifest = tmp_path / "m" / "1" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"threshold": 0.5', '"threshold": 0.6'))
    result = CliRunner().invoke(main, ["export", "--verify", str(tmp_path / "m" / "1")])
    assert result.exit_code == 2 and "manifest.json: is not the file that SHA256SUMS lists" in result.output


def test_a_student_that_is_not_the_trained_one_is_refused(run, tmp_path):
    record = run / "run.json"
    kept = record.read_text()
    try:
        record.write_text(json.dumps({"weights_sha256": {"student": "0" * 64}, "cells": 48}))
        result = CliRunner().invoke(main, ["export", str(run), "--output", str(tmp_path)])
    finally:
        record.write_text(kept)
    assert result.exit_code == 2 and "does not hold the student" in result.output and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["nowhere"], "is not a run folder"), (["{run}", "--name", "a/b"], "model name")],
)
def test_a_mistake_ends_with_one_line(run, tmp_path, arguments, message):
    arguments = [argument.replace("{run}", str(run)) for argument in arguments]
    result = CliRunner().invoke(main, ["export", *arguments, "--output", str(tmp_path)])
    assert result.exit_code == 2 and result.output.count("tfctc: error:") == 1 and message in result.output
    assert not list(tmp_path.iterdir())
