"""The files that TensorFlow Serving reads beside the SavedModel. The server itself is not run here."""

import re
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from tfctc.exporters.documents import serving_files
from tfctc.exporters.saved_model import write_saved_model
from tfctc.exporters.serving import WARMUP, write_serving


@pytest.fixture(scope="module")
def requests(version):
    path = version / "assets.extra" / "tf_serving_warmup_requests"
    logs = [PredictionLog.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]
    assert {log.WhichOneof("log_type") for log in logs} == {"predict_log"}
    return [log.predict_log.request for log in logs]


def test_every_warm_up_request_is_answered_as_keras_predicts(version, requests, keras_probability):
    signatures = tf.saved_model.load(str(version)).signatures
    sizes = {}
    for request in requests:
        assert request.model_spec.name == "made-up"
        inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        found = signatures[request.model_spec.signature_name](**inputs)["probability"]
        np.testing.assert_allclose(found, keras_probability[: len(found)], atol=1e-5)
        sizes.setdefault(request.model_spec.signature_name, []).append(len(found))
    assert sizes == {"serving_default": [1, 8, 32], "serving_bytes": [1, 8, 32]}


def test_the_model_config_names_this_version_alone(version):
    config = text_format.Parse((version / "serving" / "models.config").read_text(), ModelServerConfig())
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == ("made-up", "/models/made-up", "tensorflow")
    assert list(model.model_version_policy.specific.versions) == [1]


def test_batches_of_images_of_different_sizes_are_neither_padded_nor_silently_mixed(version, facts):
    """With padding, TensorFlow Serving would append pixels to the smaller images, before the model crops them."""
    any_size = serving_files("made-up", 1, replace(facts, crop_or_pad=True))["batching.config"]
    plain = (version / "serving" / "batching.config").read_text()
    assert "pad_variable" not in plain and any_size.startswith(plain)
    assert re.sub("#.*", "", any_size[len(plain) :]).split() == ["pad_variable_length_inputs:", "false"]


def test_the_warm_up_of_a_model_for_any_size_is_answered(model, facts, images, keras_probability, tmp_path):
    any_size = replace(facts, crop_or_pad=True)
    write_saved_model(model, any_size, tmp_path)
    write_serving(tmp_path, "made-up", 1, any_size, images[:5])
    signatures = tf.saved_model.load(str(tmp_path)).signatures
    records = tf.data.TFRecordDataset(str(tmp_path / WARMUP))
    requests = [PredictionLog.FromString(record.numpy()).predict_log.request for record in records]
    assert len(requests) == 6
    for request in requests:
        inputs = {name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()}
        found = signatures[request.model_spec.signature_name](**inputs)["probability"]
        np.testing.assert_allclose(found, keras_probability[np.arange(len(found)) % 5], atol=1e-5)


def test_compose_mounts_what_the_configuration_names(version):
    text = (version / "serving" / "compose.yaml").read_text()
    mounts = dict(re.findall(r"- (\S+):(/\S+):ro", text))
    assert mounts == {"../..": "/models/made-up", ".": "/serving"}
    assert (version / "serving" / ".." / ".." / "1" / "saved_model.pb").exists()
    for file in re.findall(r"/serving/(\S+)", text):
        assert (version / "serving" / file).read_text()
    # A batch would carry the error of one client's image to the others.
    assert "batching" not in text and "max_batch_size" in (version / "serving" / "batching.config").read_text()
    assert re.search(r"image: tensorflow/serving:\d+\.\d+\.\d+\n", text)
