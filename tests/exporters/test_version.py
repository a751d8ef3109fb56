"""A version folder: complete and described, or not there."""

import hashlib
import json
import tempfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfctc.errors import ExportError, OutputError
from tfctc.exporters import parity, saved_model
from tfctc.exporters import version as versions
from tfctc.exporters.litert import convert
from tfctc.exporters.saved_model import decode
from tfctc.exporters.version import next_version, write_version
from tfctc.inference.verify import check_files, check_tflite, reference
from tfctc.io.record import read_record
from tfctc.runtime import RUNTIMES, load_network

TFLITE = {f"model_{name}.tflite" for name in ("float32", "float16", "dynamic", "int8")}


@pytest.fixture
def manifest(version):
    return json.loads((version / "manifest.json").read_text())


def test_it_is_the_first_version_and_holds_what_was_asked_for(version):
    assert version.name == "1"
    names = {path.name for path in version.iterdir()}
    assert names >= TFLITE | {
        "saved_model.pb",
        "variables",
        "manifest.json",
        "MODEL_CARD.md",
        "README.md",
        "SHA256SUMS",
    }
    assert [path.name for path in version.parent.iterdir()] == ["1"]


def test_the_manifest_lists_every_other_file_with_size_and_hash(version, manifest):
    files = {str(p.relative_to(version)): p for p in version.rglob("*") if p.is_file()}
    del files["manifest.json"], files["SHA256SUMS"]
    assert manifest["files"].keys() == files.keys()
    for name, path in files.items():
        content = path.read_bytes()
        assert manifest["files"][name] == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_the_manifest_describes_the_model(manifest, trained):
    digest = hashlib.sha256(b"".join(w.tobytes() for w in trained.model.get_weights())).hexdigest()
    assert manifest["weights_sha256"] == digest
    assert manifest["model_version"] == f"made-up/1+{digest[:12]}"
    assert manifest["classes"] == ["leukocyte", "ctc"] and manifest["positive"] == "ctc"
    assert manifest["operating_point"] == {"threshold": 0.4, "rule": "f1", "chosen_on": "validation"}
    assert manifest["dataset"]["bit_depth"] == 12 and manifest["dataset"]["image_size"] == [24, 20]
    assert "4095" in manifest["preprocessing"] and manifest["simulated"] is True and manifest["training"]["seed"] == 7
    assert set(manifest["parity"]) == set(parity.GATES) - {"mixed"}


def test_it_passes_its_own_check_and_the_reference_is_what_keras_predicts(version, counts, keras_probability):
    assert set(check_tflite(version, check_files(version))) == {"float32", "float16", "dynamic", "int8"}
    pixels, expected = reference(version)
    np.testing.assert_array_equal(pixels, counts)
    np.testing.assert_allclose(expected, keras_probability, atol=1e-5)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", sorted(TFLITE))
def test_a_file_with_its_record_predicts_as_keras(version, images, keras_probability, name, runtime):
    """The whole file is given to the runtime, appended record and all."""
    runtime = load_network((version / name).read_bytes(), runtime=runtime)
    found = np.concatenate([runtime(image[np.newaxis]) for image in images])
    difference = np.abs(found - keras_probability)
    assert difference.mean() <= (1e-5 if "float32" in name else 1e-3 if "float16" in name else 0.02)
    flatbuffer, record = read_record(version / name)
    parity = record["parity"][name.removeprefix("model_").removesuffix(".tflite")]
    if runtime == "litert":
        assert parity["max_abs"] == pytest.approx(difference.max(), abs=1e-6)
    assert len(flatbuffer) < (version / name).stat().st_size


def test_int8_takes_integers_and_every_file_gives_float32_and_names_its_tensors(version):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(version / "model_int8.tflite"))
    assert interpreter.get_input_details()[0]["dtype"] == np.int8
    for name in TFLITE:
        other = Interpreter(model_path=str(version / name))
        assert name == "model_int8.tflite" or other.get_input_details()[0]["dtype"] == np.float32
        assert other.get_output_details()[0]["dtype"] == np.float32
        assert list(other.get_signature_list().values()) == [{"inputs": ["brightfield"], "outputs": ["probability"]}]


@pytest.mark.parametrize(("artefact", "before"), [("saved_model", ()), ("float32", ("1", "7", "notes"))])
def test_a_file_that_fails_its_gate_leaves_the_folder_as_it_was(
    trained, images, tmp_path, monkeypatch, written_once, artefact, before
):
    base = tmp_path / "made-up"
    for name in before:
        (base / name).mkdir(parents=True)
    monkeypatch.setitem(parity.GATES, artefact, parity.Gate("max_abs", -1.0, 4))
    with pytest.raises(ExportError, match=f"{artefact} differs from Keras: max_abs"):
        write_version(trained, base, images[:2], precisions=("none",))
    assert sorted(p.name for p in base.iterdir()) == sorted(before) if before else not base.exists()


def test_an_optional_file_that_cannot_be_converted_is_left_out(trained, images, tmp_path, monkeypatch, flatbuffers):
    def failing(model, facts, precision, calibration):
        if precision == "int8":
            raise ExportError("int8 cannot be converted")
        return flatbuffers[precision]

    monkeypatch.setattr(versions, "convert", failing)
    version = write_version(trained, tmp_path / "m", images[:4], images[:4], saved_model=False, optional=("int8",))
    assert json.loads((version / "manifest.json").read_text())["left_out"] == {"int8": "int8 cannot be converted"}


def test_an_optional_file_that_fails_its_gate_is_left_out_and_its_worst_tensors_are_named(
    trained, images, tmp_path, monkeypatch, written_once, messages
):
    monkeypatch.setitem(parity.GATES, "int8", parity.Gate("mean_abs", -1.0, 1))
    version = write_version(trained, tmp_path / "m", images[:4], images[:4], saved_model=False, optional=("int8",))
    assert [p.name for p in version.glob("*.tflite")] == ["model_float32.tflite"]
    assert any("int8 falls short" in line for line in messages)
    assert len([line for line in messages if " dB  " in line]) == 5
    problem = json.loads((version / "manifest.json").read_text())["left_out"]["int8"]
    assert "int8 differs from Keras: mean_abs" in problem and f"  left out: {problem}" in messages
    assert f"int8 was left out: {problem}" in (version / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize("writer", ["write_saved_model", "write_serving"])
def test_a_full_disk_that_tensorflow_reports_is_one_line(trained, images, tmp_path, monkeypatch, written_once, writer):
    def full(*arguments):
        raise tf.errors.ResourceExhaustedError(None, None, "/x/variables; No space left on device")

    monkeypatch.setattr(versions, writer, full)
    with pytest.raises(OutputError, match=f"^{tmp_path}/m/1: cannot be written .No space left on device.; choose"):
        write_version(trained, tmp_path / "m", images[:4], precisions=())
    assert not list(tmp_path.iterdir())


def test_no_room_for_the_converters_files_is_one_line(trained, images, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(OutputError, match="^temporary files cannot be written .No such file.*; set TMPDIR to a folder"):
        write_version(trained, tmp_path / "m", images[:4], saved_model=False, precisions=("none",))
    assert not list(tmp_path.iterdir())


def test_lost_weights_are_noticed(trained, images, tmp_path, monkeypatch):
    """The trap that the gates are for: a converter that writes a network without its weights."""

    def forgetful(model, facts, precision, calibration):
        blank = keras.models.clone_model(model)
        blank.set_weights([np.zeros_like(w) for w in model.get_weights()])
        return convert(blank, facts, precision, calibration)

    monkeypatch.setattr(versions, "convert", forgetful)
    with pytest.raises(ExportError, match="float32"):
        write_version(trained, tmp_path / "m", images[:4], saved_model=False, precisions=("none",))
    assert not list(tmp_path.iterdir())


def test_a_signature_that_reads_png_files_wrongly_is_noticed(trained, images, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "decode", lambda data, facts: decode(data, facts) * facts.full_scale / 65535)
    with pytest.raises(ExportError, match="serving_bytes differs from Keras: max_abs"):
        write_version(trained, tmp_path / "m", images[:4], precisions=())
    assert not list(tmp_path.iterdir())


def test_versions_count_up_and_never_reuse_a_gap(tmp_path):
    assert next_version(tmp_path / "nowhere") == 1
    for name in ("1", "3", "notes", ".4.x.tmp"):
        (tmp_path / name).mkdir()
    assert next_version(tmp_path) == 4


def test_nothing_is_exported_without_images(trained, images, tmp_path):
    with pytest.raises(ExportError, match="parity needs"):
        write_version(trained, tmp_path / "m", images[:0])
    with pytest.raises(ExportError, match="calibration"):
        write_version(trained, tmp_path / "m", images[:2], saved_model=False, precisions=("int8",))
    assert not list(tmp_path.iterdir())


def test_the_log_announces_each_file_and_its_differences(exported, manifest):
    _, messages = exported
    kinds = {"the SavedModel": "saved_model"} | {name: name for name in ("float32", "float16", "dynamic", "int8")}
    assert messages[0] == "Writing the SavedModel ..." and len(messages) == 2 * len(kinds)
    for announced, measured, (title, kind) in zip(messages[::2], messages[1::2], kinds.items(), strict=True):
        entry = manifest["parity"][kind]
        assert title in announced and f"{entry['labels_changed']} of 48 labels change" in measured
        assert f"largest difference {entry['max_abs']:.1e}, mean {entry['mean_abs']:.1e}" in measured
