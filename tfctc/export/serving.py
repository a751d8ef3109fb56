"""What TensorFlow Serving wants beside the SavedModel: warm-up requests, and configuration files to start from."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog

from tfctc.cells import BRIGHTFIELD, DatasetFacts
from tfctc.export.saved_model import IMAGE_BYTES, encode

#: Where TensorFlow Serving looks for requests to answer before it calls a model ready, at most 1000 of them.
WARMUP = "assets.extra/tf_serving_warmup_requests"
CONFIGS = "serving"
#: Of the images in a warm-up request: a first request of another size would be slow too.
WARM_BATCHES = (1, 8, 32)
#: The newest release; its TensorFlow is older than the one that writes, and reads it (docs/serving.md).
IMAGE = "tensorflow/serving:2.20.0"

MODELS = """\
model_config_list {{
  config {{
    name: "{name}"
    base_path: "/models/{name}"
    model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: {version} }} }}
  }}
}}
"""
#: Not used unless asked for: docs/serving.md has what it costs.
BATCHING = """\
max_batch_size { value: 32 }
batch_timeout_micros { value: 2000 }
max_enqueued_batches { value: 100 }
num_batch_threads { value: 2 }
"""
MONITORING = """\
prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }
"""
COMPOSE = """\
# docker compose up: REST on port 8501, gRPC on port 8500, figures for Prometheus on REST's port.
services:
  {name}:
    image: {image}
    command:
      - --model_config_file=/serving/models.config
      - --monitoring_config_file=/serving/monitoring.config
    ports: ["8500:8500", "8501:8501"]
    volumes:
      - ../..:/models/{name}:ro
      - .:/serving:ro
    read_only: true
    restart: unless-stopped
"""


def write_serving(folder: Path, name: str, version: int, facts: DatasetFacts, images: np.ndarray) -> None:
    """Writes `WARMUP` and the files of `CONFIGS` into the version folder of a SavedModel.

    Args:
        name: of the model; `version` is the folder's name in the end.
        images: of real cells, float32 ``(N, H, W, 1)`` in [0, 1].
    """
    path = folder / WARMUP
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in _requests(name, facts, images):
            log = PredictionLog(predict_log=PredictLog(request=request))
            writer.write(log.SerializeToString(deterministic=True))
    configs = folder / CONFIGS
    configs.mkdir()
    for file, text in {
        "models.config": MODELS.format(name=name, version=version),
        "batching.config": BATCHING,
        "monitoring.config": MONITORING,
        "compose.yaml": COMPOSE.format(name=name, image=IMAGE),
    }.items():
        (configs / file).write_text(text, encoding="utf-8")


def _requests(name: str, facts: DatasetFacts, images: np.ndarray) -> Iterator[PredictRequest]:
    signatures = {"serving_default": (BRIGHTFIELD, images), "serving_bytes": (IMAGE_BYTES, encode(images, facts))}
    for signature, (tensor, values) in signatures.items():
        for size in WARM_BATCHES:
            request = PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = name, signature
            # Of fewer images than that, some come twice.
            request.inputs[tensor].CopyFrom(tf.make_tensor_proto(values[np.arange(size) % len(values)]))
            yield request
