"""A version folder made by hand, of a network whose probability is known: the mean of the image."""

import hashlib
import json
import shutil
import subprocess

import numpy as np
import pytest
from click.testing import CliRunner

from tfctc.cli import main
from tfctc.errors import ArtefactError
from tfctc.inference.predictor import Predictor
from tfctc.inference.verify import check_files, check_tflite

GATE = {"gate": "max_abs", "bound": 1e-4}


def seal_folder(folder):
    names = sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS"
    )
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / "SHA256SUMS").write_text("".join(lines))


@pytest.fixture
def version(write_model, facts, tmp_path):
    def make(expected_offset=0.0, **changes):
        folder = tmp_path / "1"
        (folder / "variables").mkdir(parents=True)
        (folder / "variables" / "data").write_bytes(b"weights")
        shutil.copy(write_model(name="m"), folder / "model_float32.tflite")
        record = Predictor(folder / "model_float32.tflite").record
        manifest = {key: value for key, value in record.items() if key != "flatbuffer"} | changes
        (folder / "manifest.json").write_text(json.dumps(manifest | {"parity": {"float32": GATE}}))
        counts = np.random.default_rng(0).integers(0, facts.full_scale, (5, *facts.image_size, 1)).astype(np.uint16)
        means = (counts / facts.full_scale).mean(axis=(1, 2, 3)) + expected_offset
        np.savez(folder / "reference.npz", brightfield=counts, probability=means)
        seal_folder(folder)
        return folder

    return make


def test_a_whole_version_passes_and_sha256sum_agrees(version):
    folder = version()
    assert check_tflite(folder, check_files(folder))["float32"] < 1e-6
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, check=True)


@pytest.mark.parametrize("name", ["model_float32.tflite", "manifest.json", "reference.npz", "variables/data"])
def test_one_flipped_bit_is_found_wherever_it_is(version, name):
    folder = version()
    whole = (folder / name).read_bytes()
    for place in (0, len(whole) // 2, len(whole) - 1):
        (folder / name).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ArtefactError, match=f"{name}: is not the file that SHA256SUMS lists"):
            check_files(folder)
        if name in ("model_float32.tflite", "manifest.json"):
            with pytest.raises(ArtefactError, match=r"; .*(copy|export|give)"):
                Predictor(folder / "model_float32.tflite")
    (folder / name).unlink()
    with pytest.raises(ArtefactError, match=f"{name}: is missing"):
        check_files(folder)


def test_a_bit_flipped_in_the_list_itself_is_found(version):
    folder = version()
    whole = (folder / "SHA256SUMS").read_bytes()
    for place in range(0, len(whole), 7):
        (folder / "SHA256SUMS").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ArtefactError):
            check_files(folder)
    (folder / "SHA256SUMS").unlink()
    for other in (folder, folder.parent, folder / "model_float32.tflite"):
        with pytest.raises(ArtefactError, match="SHA256SUMS: cannot be read .*; give the folder NAME/VERSION"):
            check_files(other)


def test_what_is_next_is_a_file_that_is_there(version):
    folder = version()
    result = CliRunner().invoke(main, ["export", "--verify", str(folder)])
    assert result.exit_code == 0 and f"Next: tfctc predict {folder}/model_float32.tflite IMAGES" in result.output
    (folder / "model_float32.tflite").unlink()
    seal_folder(folder)
    result = CliRunner().invoke(main, ["export", "--verify", str(folder)])
    assert result.exit_code == 0 and "Verified" in result.output and "Next: " not in result.output


def test_what_was_put_there_is_found(version):
    folder = version()
    (folder / "variables" / "more").write_bytes(b"")
    with pytest.raises(ArtefactError, match="variables/more: is not listed"):
        check_files(folder)


def test_a_manifest_that_says_something_else_than_the_file_is_refused(version):
    with pytest.raises(ArtefactError, match="model_float32.tflite: has another operating_point than manifest.json"):
        check_files(version(operating_point={"threshold": 0.1}))


def test_other_predictions_than_those_kept_are_refused(version):
    folder = version(expected_offset=0.01)
    with pytest.raises(ArtefactError, match="on this machine: max_abs 0.01, at most 0.0001 allowed; install .*ai-edge"):
        check_tflite(folder, check_files(folder))
