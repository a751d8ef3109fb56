"""A .tflite file whose probability is known: the mean of the image's [0, 1] pixels."""

from functools import lru_cache

import numpy as np

from tfctc.config import to_dict
from tfctc.io.record import append_record


@lru_cache(maxsize=8)
def mean_network(height, width, integer=False):
    """The network for images of this size; rounded to 1/256 if `integer`."""
    import tensorflow as tf

    shape = (1, height, width, 1)

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


#: Columns of a table of predictions of this model.
COLUMNS = ["cell_id", "patient_id", "site", "truth", "p_ctc", "call", "quality", "threshold", "model_version"]


def write_mean_model(path, facts, integer=False, **changes):
    """Writes the file with its record, in which `changes` replace entries; returns its path."""
    path.write_bytes(mean_network(*facts.image_size, integer))
    record = {
        "schema": 1,
        "model_version": "mean/1+abc",
        "operating_point": {"threshold": 0.5},
        "quality": {"brightness": [0.1, 0.95]},
    }
    append_record(path, record | {"dataset": to_dict(facts)} | changes)
    return path
