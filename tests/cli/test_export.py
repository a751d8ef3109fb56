"""`tfctc export`: what it writes for which options. That it is right is tested in tests/exporters."""

import json
import runpy
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from made_up import edit_manifest, read_cells
from small_models import make_compact_shallow

from tfctc.cli import main
from tfctc.config import ModelConfig, RunConfig, SplitConfig, to_dict
from tfctc.data.assignment import assign_groups
from tfctc.data.manifest import Manifest
from tfctc.exporters.litert import PRECISIONS
from tfctc.io.record import read_record
from tfctc.models.classifier import build_classifier
from tfctc.models.fast import to_stock
from tfctc.models.weights import weights_sha256

TOOLS = Path(__file__).parents[2] / "tools"


def export(*arguments):
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


@pytest.fixture(scope="module")
def run(tiny_dataset, tmp_path_factory):
    """A run folder as `fit` leaves it, with an untrained student. Copy it before you change it."""
    folder = tmp_path_factory.mktemp("runs") / "untrained"
    folder.mkdir()
    manifest = Manifest.open(tiny_dataset)
    facts = manifest.facts
    groups = assign_groups(manifest.groups("patient_id"), facts, SplitConfig(), 0)
    keras.utils.set_random_seed(0)
    scale = {"brightfield": (0.3, 0.1)}
    with pytest.MonkeyPatch.context() as patch:
        make_compact_shallow(patch)
        student = to_stock(build_classifier(ModelConfig("compact"), tuple(facts.image_size), scale, "student"))
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


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """Folder with version 1 of model "m": SavedModel and float32. Copy it before you change it."""
    output = tmp_path_factory.mktemp("exports")
    result = export(run, "--saved-model", "--quantize", "none", "--output", output, "--name", "m")
    assert result.exit_code == 0, result.output
    return output


def groups_of(run):
    return json.loads((run / "splits.json").read_text())["groups"]


def on_other_data(run, data, folder, **settings):
    """A copy of the run that was trained on other data, by other settings."""
    shutil.copytree(run, folder)
    config = json.loads((folder / "config.json").read_text()) | {"data": str(data)} | settings
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def asked(monkeypatch):
    """Arguments with which the command calls `write_version`, which here writes the file names alone."""
    calls = []

    def write(trained, base, images, calibration, saved_model, precisions, optional, choice):
        calls.append((trained, images, calibration, saved_model, precisions, optional))
        version = base / "1"
        version.mkdir(parents=True)
        for precision in precisions:
            (version / f"model_{PRECISIONS[precision]}.tflite").touch()
        return version

    monkeypatch.setattr("tfctc.exporters.version.write_version", write)
    return calls


@pytest.mark.parametrize(
    ("split", "options"), [("train", []), ("validation", []), ("validation", ["--quantize", "auto"])]
)
def test_a_split_that_has_lost_its_labels_is_a_mistake(run, tiny_dataset, tmp_path, asked, split, options):
    groups = groups_of(run)
    changed = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    edit_manifest(changed, lambda rows: [r.update(label="") for r in rows if groups[r["patient_id"]] == split])
    other = on_other_data(run, changed, tmp_path / "run")
    result = export(other, *options, "--output", tmp_path / "out")
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit), result.output
    assert f"data: holds no labelled cell of the {split} split; put the labels" in result.output and not asked


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
    result = export(run, *options, "--output", tmp_path)
    assert result.exit_code == 0, result.output
    # A precision that is named must be written; int8 by default may be left out.
    assert asked[0][3:] == (saved_model, precisions, () if "--quantize" in options else ("int8",))
    for words in (
        f"to {tmp_path / 'untrained' / '1'}",
        "Next: tfctc predict" if precisions else "Next: saved_model_cli",
    ):
        assert words in result.output


def test_auto_writes_what_is_chosen_on_validation(run, tiny_dataset, tmp_path, asked, monkeypatch):
    expected, _ = read_cells(tiny_dataset, groups_of(run), "validation")

    def choose(trained, images, calibration, loss, bound):
        # Sorted lists, not sets: each cell counts once.
        assert sorted(i.tobytes() for i in images) == sorted(i.tobytes() for i in expected)
        lost = loss(np.linspace(0, 1, len(images)), np.linspace(1, 0, len(images)))
        assert bound == 0.05 and len(calibration) and set(lost) == {"value", "low", "high"}
        return "float16", {"chosen": "float16"}

    monkeypatch.setattr("tfctc.exporters.quantization.smallest.smallest_precision", choose)
    result = export(run, "--quantize", "none", "--quantize", "auto", "--f1-bound", 0.05, "--output", tmp_path)
    assert result.exit_code == 0, result.output
    assert asked[0][4] == ("none", "float16")


def test_calibration_is_of_the_training_split_and_parity_of_validation(run, tiny_dataset, tmp_path, asked):
    """Read again from the files, by the groups of splits.json. Bright-field, never DAPI."""
    assert export(run, "--output", tmp_path).exit_code == 0
    groups = groups_of(run)
    _, images, calibration, *_ = asked[0]
    assert images.shape[1:] == calibration.shape[1:] == (16, 16, 1)
    for split, given in (("validation", images), ("train", calibration)):
        expected, _ = read_cells(tiny_dataset, groups, split)
        assert {image.tobytes() for image in given} == {image.tobytes() for image in expected}


@pytest.mark.parametrize(("mode", "labelled_alone"), [("distilled", False), ("brightfield", True)])
def test_quality_is_learnt_from_the_images_learnt_from_and_their_patients(
    run, tiny_dataset, tmp_path, asked, monkeypatch, mode, labelled_alone
):
    """Images without a label are among them if the student was taught through them."""
    changed = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    edit_manifest(changed, lambda rows: [row.update(label="") for row in rows if row["cell_id"][-1] in "23"])
    other = on_other_data(run, changed, tmp_path / "run", mode=mode)
    given = []
    monkeypatch.setattr(
        "tfctc.exporters.quality_model.learn_quality", lambda *arguments: given.append(arguments) or {"learnt": 1.0}
    )
    assert export(other, "--output", tmp_path / "out").exit_code == 0
    images, patients = given[0]
    learnt, _ = read_cells(changed if labelled_alone else tiny_dataset, groups_of(run), "train")
    assert sorted(image.tobytes() for image in images) == sorted(image.tobytes() for image in learnt)
    assert asked[0][0].record(1)["quality"] == {"learnt": 1.0}
    for patient in np.unique(patients):
        one = {name: "train" if name == patient.decode() else "none" for name in groups_of(run)}
        own, _ = read_cells(changed if labelled_alone else tiny_dataset, one, "train")
        assert sorted(i.tobytes() for i in images[patients == patient]) == sorted(i.tobytes() for i in own)


def test_the_record_is_that_of_the_run(run, tmp_path, asked):
    assert export(run, "--name", "other", "--output", tmp_path).exit_code == 0
    record = asked[0][0].record(1)
    assert record["name"] == "other" and record["training"]["run"] == "untrained" and record["training"]["seed"] == 0
    assert record["operating_point"]["threshold"] == 0.5 and record["dataset"]["bit_depth"] == 12


@pytest.mark.parametrize(("folder", "name"), [("my run (2)", "my-run-2"), ("прогон", "model"), ("run_", "run_")])
def test_a_run_folder_of_any_name_exports(run, tmp_path, asked, folder, name):
    shutil.copytree(run, tmp_path / folder)
    result = export(tmp_path / folder, "--output", tmp_path / "exports")
    assert result.exit_code == 0 and asked[0][0].name == name, result.output


@pytest.mark.parametrize(
    ("tool", "expected"), [("export_saved_model", (True, ())), ("export_tflite", (False, ("none", "int8")))]
)
def test_the_two_tools_are_the_command_with_options(run, tmp_path, asked, monkeypatch, tool, expected):
    monkeypatch.setattr("sys.argv", [tool, str(run), "--output", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOLS / f"{tool}.py"), run_name="__main__")
    assert ended.value.code == 0 and asked[0][3:5] == expected


def test_an_evaluation_with_cautions_is_exported_with_accept_only(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    values = {"metrics": {}, "cautions": ["One patient holds 90% of the ctc cells."]}
    (copy / "evaluation.json").write_text(json.dumps(values))
    result = export(copy, "--quantize", "none", "--output", tmp_path / "out")
    assert result.exit_code == 2 and not (tmp_path / "out").exists()
    assert "its evaluation has 1 caution: One patient holds 90% of the ctc cells; to export it" in result.output
    assert "add --accept" in result.output


def test_a_second_export_is_the_next_version_and_leaves_the_first(run, exported, tmp_path, monkeypatch):
    base = shutil.copytree(exported / "m", tmp_path / "m")
    before = {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    flatbuffer, _ = read_record(base / "1" / "model_float32.tflite")
    monkeypatch.setattr("tfctc.exporters.version.convert", lambda *_: flatbuffer)
    result = export(run, "--quantize", "none", "--output", tmp_path, "--name", "m")
    assert result.exit_code == 0, result.output
    versions = [json.loads((base / n / "manifest.json").read_text())["model_version"] for n in "12"]
    assert [v.split("+")[0] for v in versions] == ["m/1", "m/2"]
    assert versions[0].split("+")[1] == versions[1].split("+")[1]
    assert all(path.read_bytes() == content for path, content in before.items())


def test_a_version_is_verified_and_a_changed_one_refused(exported, tmp_path):
    version = shutil.copytree(exported / "m" / "1", tmp_path / "m" / "1")
    result = export("--verify", version)
    assert result.exit_code == 0 and "Verified m/1+" in result.output, result.output
    for artefact in ("float32", "saved_model", "serving_bytes"):
        assert f"{artefact}: max_abs " in result.output
    result = export("--verify", "--runtime", "openvino", version)
    assert result.exit_code == 0 and "float32: max_abs " in result.output, result.output
    manifest = version / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"threshold": 0.5', '"threshold": 0.6'))
    result = export("--verify", version)
    assert result.exit_code == 2 and "manifest.json: is not the file that SHA256SUMS lists" in result.output


@pytest.mark.parametrize("option", [["--quantize", "int8"], ["--name", "m"], ["--tflite"]])
def test_a_verification_refuses_the_options_of_an_export(tmp_path, option):
    result = export("--verify", tmp_path, *option)
    assert result.exit_code == 2 and f"--verify writes nothing: leave out {option[0]}" in result.output


def test_a_student_that_is_not_the_trained_one_is_refused(run, tmp_path):
    other = shutil.copytree(run, tmp_path / "run")
    (other / "run.json").write_text(json.dumps({"weights_sha256": {"student": "0" * 64}, "cells": 48}))
    result = export(other, "--output", tmp_path / "out")
    assert result.exit_code == 2 and "does not hold the student" in result.output and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["nowhere"], "is not a run folder"), (["{run}", "--name", "a/b"], "model name")],
)
def test_a_mistake_ends_with_one_line(run, tmp_path, arguments, message):
    result = export(*(argument.replace("{run}", str(run)) for argument in arguments), "--output", tmp_path)
    assert result.exit_code == 2 and result.output.count("tfctc: error:") == 1 and message in result.output
    assert not list(tmp_path.iterdir())
