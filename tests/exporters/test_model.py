"""The model that is exported, and what is refused before anything is written."""

import json
from dataclasses import fields, replace

import keras
import pytest

from tfctc.cells import DatasetFacts, FileNaming
from tfctc.config import from_dict
from tfctc.errors import ConfigError
from tfctc.exporters.model import TrainedModel, preprocessing
from tfctc.models.calibrated import fold_calibration


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a b"])
def test_a_name_is_one_part_of_a_path(trained, name):
    with pytest.raises(ConfigError, match="model name"):
        TrainedModel(trained.model, name, trained.facts, {"threshold": 0.5})


def test_the_record_names_every_fact_also_those_that_a_file_leaves_out(trained):
    said = {"name": "made-up", "image_size": [24, 20], "naming": {"files": ["{cell}.tif"]}}
    dataset = replace(trained, facts=from_dict(DatasetFacts, said)).record(1)["dataset"]
    assert set(dataset) == {fact.name for fact in fields(DatasetFacts)}
    assert (dataset["crop_or_pad"], dataset["mpp"]) == (False, None)
    assert set(dataset["naming"]) == {part.name for part in fields(FileNaming)}
    assert from_dict(DatasetFacts, json.loads(json.dumps(dataset))) == from_dict(DatasetFacts, said)


def test_a_model_that_reads_dapi_cannot_be_exported():
    inputs = {name: keras.Input((8, 8, 1), name=name) for name in ("brightfield", "dapi")}
    pooled = [keras.layers.Flatten()(x) for x in inputs.values()]
    teacher = keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Concatenate()(pooled)))
    with pytest.raises(ConfigError, match="brightfield-only"):
        TrainedModel(teacher, "teacher", DatasetFacts("made-up", image_size=(8, 8)), {"threshold": 0.5})


def test_the_preprocessing_tells_size_and_scale():
    facts = DatasetFacts("made-up", bit_depth=12, image_size=(24, 20))
    assert preprocessing(facts) == (
        "grey uint16 pixels / 4095 as float32, 24 x 20 px, never scaled by an image's own range"
    )
    said = preprocessing(DatasetFacts("made-up", bit_depth=8, image_size=(24, 20), mpp=0.5, crop_or_pad=True))
    assert said == (
        "grey uint8 pixels / 255 as float32, any size, cropped or padded around its middle to 24 x 20 px with the "
        "lower median of its outermost pixels, never resized, at 0.5 micrometres per pixel, never scaled by an image's "
        "own range"
    )


def test_the_record_holds_the_calibration_and_names_the_weights_as_they_were_trained(trained):
    assert trained.record(1)["calibration"] is None
    calibration = {"scale": 0.7, "bias": -4.0, "fitted_on": "validation", "prevalence": 0.01}
    folded = fold_calibration(trained.model, 0.7, (0.0, -4.0))
    record = replace(trained, model=folded, calibration=calibration, trained_sha256=trained.weights_sha256).record(1)
    assert record["calibration"] == calibration and record["weights_sha256"] == trained.weights_sha256
    assert record["model_version"] == trained.record(1)["model_version"]
