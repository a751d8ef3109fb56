"""A network whose probability is known, images for it, and watchers of a folder."""

import numpy as np
import pytest
from PIL import Image

from tfctc.cells import DatasetFacts
from tfctc.config import to_dict
from tfctc.inference.batch import columns
from tfctc.inference.journal import Journal
from tfctc.inference.predictor import Predictor
from tfctc.inference.sources import compile_pattern
from tfctc.inference.watch import Watcher
from tfctc.io.record import append_record

HEIGHT, WIDTH = 12, 10


def mean_network(facts, integer=False):
    """A .tflite network of known probability: the mean of the image's [0, 1] pixels, rounded to 1/256 if `integer`."""
    import tensorflow as tf

    shape = (1, *facts.image_size, 1)

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="brightfield")])
    def mean(brightfield):
        return {"probability": tf.reduce_mean(brightfield, axis=(1, 2, 3))}

    module = tf.Module()
    module.mean = mean
    converter = tf.lite.TFLiteConverter.from_concrete_functions([mean.get_concrete_function()], module)
    if integer:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        # Black to white: scale 1/255 in and out.
        converter.representative_dataset = lambda: ([np.full(shape, v, np.float32)] for v in (0.0, 1.0))
    return converter.convert()


@pytest.fixture(scope="session")
def facts():
    return DatasetFacts("made-up", bit_depth=12, image_size=(HEIGHT, WIDTH))


@pytest.fixture(scope="session")
def networks(facts):
    return {integer: mean_network(facts, integer) for integer in (False, True)}


@pytest.fixture
def write_model(facts, networks, tmp_path):
    def write(integer=False, **changes):
        path = tmp_path / f"mean_{'int8' if integer else 'float32'}.tflite"
        path.write_bytes(networks[integer])
        record = {
            "schema": 1,
            "model_version": "mean/1+abc",
            "operating_point": {"threshold": 0.5},
            "quality": {"brightness": [0.1, 0.95]},
        }
        append_record(path, record | {"dataset": to_dict(facts)} | changes)
        return path

    return write


@pytest.fixture
def write_image(facts, tmp_path):
    """Writes an even image of the given share of the full scale."""

    def write(name, share=0.5, size=(HEIGHT, WIDTH), dtype=np.uint16):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full(size, round(share * facts.full_scale)).astype(dtype)).save(path)
        return path

    return write


@pytest.fixture
def begin(write_model, tmp_path):
    """Starts a watcher as a new process would; the one before has ended."""
    open_journals = []

    def start(pattern=None, settle=0.0, **changes):
        for journal in open_journals:
            journal.close()
        predictor = Predictor(write_model(**changes))
        journal = Journal(tmp_path / "predictions.csv", columns(predictor), predictor.model_version)
        open_journals.append(journal)
        return Watcher(predictor, tmp_path / "cells", journal, compile_pattern(pattern), settle=settle)

    (tmp_path / "cells").mkdir()
    yield start
    for journal in open_journals:
        journal.close()
