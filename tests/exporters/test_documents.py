"""The texts of a version folder: what the README tells people to run is run, and the model card holds the metrics."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version as version_of

import keras
import numpy as np
import pytest
import tensorflow as tf
from mean_model import write_mean_model
from PIL import Image

from tfctc import Predictor
from tfctc.cells import FileNaming
from tfctc.config import to_dict
from tfctc.exporters.documents import model_card, readme


@pytest.fixture
def manifest(version):
    return json.loads((version / "manifest.json").read_text())


@pytest.mark.parametrize("file", ["model_int8.tflite", "model_float32.tflite"])
def test_the_code_in_the_readme_predicts_as_the_predictor_does(version, manifest, counts, tmp_path, file):
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
        assert float(probability) == pytest.approx(expected.probability, abs=1e-7) and label == expected.call
    values = {}
    exec(
        with_tfctc.replace(f'"made-up/1/{file}"', repr(str(version / file))).replace('"cell.png"', "pixels"),
        values | {"pixels": count},
        values,
    )
    assert (values["probability"], values["call"]) == expected[:2]


@pytest.mark.parametrize("shape", [(30, 27), (9, 41), (7, 10), (1, 17), (17, 1), (1, 1), (24, 20)])
def test_the_code_in_the_readme_crops_and_pads_as_the_predictor_does(version, manifest, facts, tmp_path, shape):
    any_size = manifest | {"dataset": to_dict(replace(facts, crop_or_pad=True))}
    without = re.findall("```python\n(.+?)```", readme(any_size), re.DOTALL)[1]
    path = write_mean_model(tmp_path / "model.tflite", replace(facts, crop_or_pad=True))
    without = without.replace("made-up/1/model_int8.tflite", "model.tflite")
    without = re.sub(r"scale, zero = .*\n", "scale, zero = np.float32(1), 0\n", without)
    without = re.sub(r"np.clip\(.*\.astype\(np.int8\)", "image", without)
    pixels = np.random.default_rng(0).integers(0, 4096, shape).astype(np.uint16)
    Image.fromarray(pixels).save(tmp_path / "cell.png")
    found = subprocess.run([sys.executable, "-c", without], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float(found.stdout.split()[0]) == pytest.approx(Predictor(path)(pixels).probability, abs=1e-6)


def test_the_texts_tell_size_scale_and_naming(manifest, facts):
    fixed = manifest | {"dataset": to_dict(replace(facts, mpp=None))}
    any_size = manifest | {"dataset": to_dict(replace(facts, crop_or_pad=True, naming=FileNaming(("{cell}.tif",))))}
    texts = {name: readme(fixed) + model_card(fixed, None) for name, fixed in (("fixed", fixed), ("any", any_size))}
    for words in (
        "Images: any size, cropped or padded to 24 x 20 px, 12 bit, 0.64 µm a pixel",
        "Larger ones lose what is not in their middle",
        "Images must have 0.64 µm a pixel",
        "The images of one request of `serving_default` have one size",
        "the sides of a PNG file are 2047 px at most",
        "with sides of 2047 px at most",
        "send only images of 0.64 µm a pixel",
        "if its file declares one",
        "by the names of the training images (`dataset.naming` in `manifest.json`)",
    ):
        assert words in texts["any"] and words not in texts["fixed"], words
    for words in (
        "Images: 24 x 20 px, 12 bit, pixel size not known",
        "Images must have the size and bit depth above; others are refused.",
        "does not know its micrometres per pixel",
        "or images of another size, are an error",
        "an image of another size or bit depth.",
    ):
        assert words in texts["fixed"] and words not in texts["any"], words


def test_the_readme_names_the_file_for_an_instrument_and_only_what_is_there(version, manifest):
    text = (version / "README.md").read_text()
    assert "model_int8.tflite" in text and "model_float32" not in text and "/v1/models/made-up:predict" in text
    without = readme(manifest | {"files": {}, "parity": {}})
    assert "python" not in without and "On a server" not in without and "--verify" in without


def test_the_model_card_says_simulated_and_not_evaluated(version):
    card, installed = (version / "MODEL_CARD.md").read_text(), version_of("ai-edge-litert")
    for words in (
        "SIMULATED",
        "Not evaluated",
        "bright-field only",
        "No clinical claim",
        "0.4000",
        "tfctc predict",
        "train (5 ctc, 6 leukocyte)",
        "no patient is in two splits",
        f"Measured with tensorflow {tf.__version__}, keras {keras.__version__}, ai-edge-litert {installed},",
        "Another microscope, magnification or preparation than that of `made-up` is noticed by `quality` alone",
    ):
        assert words in card


def test_the_model_card_says_what_the_probability_means(manifest):
    calibration = {"fitted_on": "validation", "cells": 800, "positives": 8, "patients": 11, "prevalence": 0.01}
    card = model_card(manifest | {"calibration": calibration}, None)
    for words in (
        "Calibrated on 800 validation cells (8 ctc) of 11 groups by patient",
        "This holds where 1 % of the cells are ctc",
        "`tfctc predict --prevalence SHARE`",
        "On another instrument, or with cells that look otherwise, the probability is not calibrated any more.",
    ):
        assert words in card
    early = {key: value for key, value in manifest.items() if key != "calibration"}
    for uncalibrated in (manifest, early):
        card = model_card(uncalibrated, None)
        assert "Not calibrated" in card and "0.9 does not mean" in card and "--prevalence" not in card


def test_the_model_card_holds_the_metrics_of_an_evaluated_model(manifest):
    evaluation = {
        "simulated": False, "cells": 90, "positives": 40, "classes": ["leukocyte", "ctc"], "patients": 12,
        "interval_by": "patient", "threshold": 0.25, "level": 0.95,
        "metrics": {"average_precision": {"value": 0.8125, "low": 0.7, "high": None}},
    }  # fmt: skip
    card = model_card(manifest | {"simulated": False}, evaluation)
    assert "SIMULATED" not in card and "Not evaluated" not in card
    assert "| average precision | 0.812 | 0.700 to n/a |" in card and "90 test cells (40 ctc)" in card


def test_the_model_card_says_what_quality_finds_and_who_computes_it(manifest):
    server = {"files": {}}
    cards = {
        "learnt": model_card(manifest | {"quality": {"density": {}}}, None),
        "none": model_card(manifest | {"quality": {}} | server, None),
    }
    for words in ("`quality` flags what looks unlike", "Only `tfctc predict` and `Predictor` compute `quality`"):
        assert words in cards["learnt"] and words not in cards["none"]
    for words in ("`quality` finds images of one grey level alone", "A server does not compute `quality`."):
        assert words in cards["none"] and words not in cards["learnt"]
