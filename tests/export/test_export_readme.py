"""The README of a version: what it tells people to run is run."""

import json
import re
import subprocess
import sys

import pytest
from PIL import Image

from tfctc import Predictor
from tfctc.export.readme import readme


@pytest.fixture
def manifest(version):
    return json.loads((version / "manifest.json").read_text())


@pytest.mark.parametrize("file", ["model_int8.tflite", "model_float32.tflite"])
def test_its_ten_lines_answer_as_the_predictor_does(version, manifest, counts, tmp_path, file):
    only = manifest | {"files": {file: manifest["files"][file]}}
    with_tfctc, without = re.findall("```python\n(.+?)```", readme(only), re.DOTALL)
    folder = tmp_path / manifest["name"] / str(manifest["version"])
    folder.mkdir(parents=True)
    (folder / file).write_bytes((version / file).read_bytes())
    for count in counts[::16]:
        Image.fromarray(count[..., 0]).save(tmp_path / "cell.png")
        expected = Predictor(version / file)(tmp_path / "cell.png")
        found = subprocess.run(
            [sys.executable, "-c", without], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        probability, label = found.stdout.split()
        assert float(probability) == pytest.approx(expected.probability, abs=1e-7) and label == expected.label
    values = {}
    exec(
        with_tfctc.replace(f'"made-up/1/{file}"', repr(str(version / file))).replace('"cell.png"', "pixels"),
        values | {"pixels": count},
        values,
    )
    assert (values["probability"], values["label"]) == expected[:2]


def test_it_names_the_file_for_an_instrument_and_what_is_there(version, manifest):
    text = (version / "README.md").read_text()
    assert "model_int8.tflite" in text and "model_float32" not in text and "/v1/models/made-up:predict" in text
    without = readme(manifest | {"files": {}, "parity": {}})
    assert "python" not in without and "On a server" not in without and "--verify" in without
