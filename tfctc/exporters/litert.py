"""Export as TFLite flatbuffers, for LiteRT on the instrument."""

import tempfile
import warnings
from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf
from tensorflow.lite.python.convert import ConverterError  # has no public name

from tfctc.cells import BRIGHTFIELD, DatasetFacts
from tfctc.errors import ExportError
from tfctc.exporters.quantization.calibration import without_outliers
from tfctc.exporters.quantization.head import append_probability, with_scores
from tfctc.exporters.quantization.normalisation import fold_normalisation
from tfctc.exporters.quantization.tensor_errors import convert_mixed, largest_values
from tfctc.exporters.saved_model import PROBABILITY, image_spec
from tfctc.io.files import temporary_file_errors, tensorflow_disk_errors

SIGNATURE = "serving_default"
#: Value of ``--quantize`` -> kind of file, which is part of the file's name.
PRECISIONS = {"none": "float32", "float16": "float16", "dynamic": "dynamic", "mixed": "mixed", "int8": "int8"}
#: Precisions that need calibration images.
CALIBRATED = ("mixed", "int8")
#: Largest mean difference in probability of "mixed" from float32, over the calibration images.
MIXED_BOUND = 0.005


def convert(model: keras.Model, facts: DatasetFacts, precision: str, calibration: Iterable[np.ndarray] = ()) -> bytes:
    """Converts a model to a TFLite flatbuffer of built-in operations: image ``(1, H, W, 1)`` -> `probability`.

    The output is that of `tfctc.models.classifier.outputs`: ``(1,)``, or ``(1, 3)`` with a class other.

    Args:
        model: ``brightfield`` float32 ``(B, H, W, 1)`` in [0, 1] -> logits ``(B, K)``.
        facts: facts of the data set: size of the images.
        precision: "none" is float32. "float16" stores weights in float16 and computes in float32. "dynamic" stores
            weights in int8. "int8" is integer from its input, whose scale and zero point are in the file, to the
            scores; its output is float32. "mixed" is integer except for the first layers, as few as keep it within
            `MIXED_BOUND`; its input and output are float32.
        calibration: float32 images ``(H, W, 1)`` in [0, 1] from the training split, for "mixed" and "int8". The ranges
            of the tensors are taken from these images without outliers.

    Raises:
        ExportError: an operation that is not built into TFLite, or no calibration images for "mixed" or "int8".
    """
    images = list(calibration)
    if precision in CALIBRATED and not images:
        raise ExportError(f"{precision} needs calibration images, got none")
    archive, scored = keras.export.ExportArchive(), with_scores(fold_normalisation(model))

    def scores(brightfield):
        found = scored({BRIGHTFIELD: brightfield}, training=False)
        # Under the name of what `append_probability` makes of it.
        return {PROBABILITY: found[:, 0] if found.shape[-1] == 1 else found}

    archive.add_endpoint(SIGNATURE, scores, [image_spec(facts, 1)])
    # By way of a SavedModel: from_concrete_functions loses the weights of a Keras 3 model without an error.
    with temporary_file_errors(), tensorflow_disk_errors(), tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        try:
            with warnings.catch_warnings():
                # The converter itself uses tf.lite.Interpreter for calibration, which a user cannot change.
                warnings.filterwarnings("ignore", message=".*tf.lite.Interpreter is deprecated")
                if precision not in CALIBRATED:
                    return append_probability(_converter(folder, precision).convert())
                float32 = append_probability(_converter(folder, "none").convert())
                usual = without_outliers(images, largest_values(float32, images))
                if precision == "int8":
                    return append_probability(_converter(folder, "int8", usual).convert())
                return convert_mixed(
                    float32,
                    lambda names: append_probability(_keep_float32(_converter(folder, "int8", usual), names)),
                    images,
                    MIXED_BOUND,
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


def _keep_float32(converter: tf.lite.TFLiteConverter, names: list[str]) -> bytes:
    """Converts with some layers kept in float32, which only TensorFlow's quantization debugger can do."""
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_nodes=names)
    debugger = tf.lite.experimental.QuantizationDebugger(converter=converter, debug_options=options)
    return debugger.get_nondebug_quantized_model()
