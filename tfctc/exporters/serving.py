"""Files for TensorFlow Serving beside a SavedModel: warm-up requests, and configuration to start from."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog

from tfctc.cells import BRIGHTFIELD, DatasetFacts
from tfctc.exporters.documents import serving_files
from tfctc.exporters.saved_model import IMAGE_BYTES, encode

#: File with the requests that TensorFlow Serving runs before it reports a model as ready; at most 1000.
WARMUP = "assets.extra/tf_serving_warmup_requests"
CONFIGS = "serving"
#: Numbers of images in the warm-up requests, because the first request of each size is slow.
WARM_BATCHES = (1, 8, 32)


def write_serving(folder: Path, name: str, version: int, facts: DatasetFacts, images: np.ndarray) -> None:
    """Writes `WARMUP` and the files of `CONFIGS` into the version folder of a SavedModel.

    Args:
        folder: the version folder.
        name: name of the model.
        version: number of the version, the later name of the folder.
        facts: facts of the data set.
        images: images of real cells, float32 ``(N, H, W, 1)`` in [0, 1].
    """
    path = folder / WARMUP
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in _requests(name, facts, images):
            log = PredictionLog(predict_log=PredictLog(request=request))
            writer.write(log.SerializeToString(deterministic=True))
    configs = folder / CONFIGS
    configs.mkdir()
    for file, text in serving_files(name, version, facts).items():
        (configs / file).write_text(text, encoding="utf-8")


def _requests(name: str, facts: DatasetFacts, images: np.ndarray) -> Iterator[PredictRequest]:
    signatures = {"serving_default": (BRIGHTFIELD, images), "serving_bytes": (IMAGE_BYTES, encode(images, facts))}
    for signature, (tensor, values) in signatures.items():
        for size in WARM_BATCHES:
            request = PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = name, signature
            # If there are fewer images than that, some are repeated.
            request.inputs[tensor].CopyFrom(tf.make_tensor_proto(values[np.arange(size) % len(values)]))
            yield request
