"""The student as TFLite flatbuffers, for LiteRT on the instrument."""

import tempfile
import warnings
from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError  # has no public name

from tfctc.cells import BRIGHTFIELD, DatasetFacts
from tfctc.errors import ExportError
from tfctc.export.calibration import without_outliers
from tfctc.export.layers import fewest_real, reach
from tfctc.export.saved_model import answer, image_spec
from tfctc.export.undivided import undivided
from tfctc.files import temporary_files, tensorflow_disk_errors

SIGNATURE = "serving_default"
#: Value of ``--quantize`` -> name of the artefact.
PRECISIONS = {"none": "float32", "float16": "float16", "dynamic": "dynamic", "mixed": "mixed", "int8": "int8"}
#: Those that need calibration images.
CALIBRATED = ("mixed", "int8")
#: Of "mixed": the mean difference in probability from float32, over the calibration images.
MIXED_BOUND = 0.005


def convert(model: keras.Model, facts: DatasetFacts, precision: str, calibration: Iterable[np.ndarray] = ()) -> bytes:
    """A flatbuffer of built-in operations: one image ``(1, H, W, 1)`` -> probability of the positive class ``(1,)``.

    Args:
        precision: "none" and "float16" keep float32 arithmetic, "dynamic" stores int8 weights, "int8" is integer
            throughout, input and output included; their scale and zero point are in the file. "mixed" is integer but
            for its first layers, as few as keep it within `MIXED_BOUND`; input and output are float32.
        calibration: for "mixed" and "int8": float32 images ``(H, W, 1)`` in [0, 1], from the training split. Ranges
            are taken from them, but for outliers.

    Raises:
        ExportError: an operation that TFLite does not build in, or no calibration images where they are needed.
    """
    images = list(calibration)
    if precision in CALIBRATED and not images:
        raise ExportError(f"{precision} needs calibration images, got none")
    archive, model = keras.export.ExportArchive(), undivided(model)
    archive.add_endpoint(SIGNATURE, lambda brightfield: answer(model, brightfield), [image_spec(facts, 1)])
    # Through a SavedModel: from_concrete_functions loses a Keras 3 model's weights and says nothing.
    with temporary_files(), tensorflow_disk_errors(), tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        try:
            with warnings.catch_warnings():
                # The converter's own use of tf.lite.Interpreter, for calibration; nothing a user could change.
                warnings.filterwarnings("ignore", message=".*tf.lite.Interpreter is deprecated")
                if precision not in CALIBRATED:
                    return _converter(folder, precision).convert()
                float32 = _converter(folder, "none").convert()
                usual = without_outliers(images, reach(float32, images))
                if precision == "int8":
                    return _converter(folder, "int8", usual).convert()
                return fewest_real(
                    float32, lambda names: _with_real(_converter(folder, "int8", usual), names), images, MIXED_BOUND
                )
        except ConverterError as error:
            raise ExportError(f"TFLite {precision} cannot be converted ({str(error)[:300]})") from None


def _converter(folder: str, precision: str, images: Sequence[np.ndarray] = ()) -> tf.lite.TFLiteConverter:
    converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=[SIGNATURE])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if precision != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        converter.representative_dataset = lambda: ((SIGNATURE, {BRIGHTFIELD: image[np.newaxis]}) for image in images)
    return converter


def _with_real(converter: tf.lite.TFLiteConverter, names: list[str]) -> bytes:
    """Only TensorFlow's quantisation debugger knows how to leave layers out."""
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_nodes=names)
    debugger = tf.lite.experimental.QuantizationDebugger(converter=converter, debug_options=options)
    return debugger.get_nondebug_quantized_model()
