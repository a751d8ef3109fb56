"""Export as a SavedModel, with one signature for float images and one for PNG files."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfctc.cells import BRIGHTFIELD, DatasetFacts
from tfctc.models.classifier import probability

IMAGE_BYTES, PROBABILITY = "image_bytes", "probability"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def write_saved_model(model: keras.Model, facts: DatasetFacts, folder: str | Path) -> None:
    """Writes a SavedModel with two signatures; both return ``probability``, float32 ``(B,)``, of the positive class.

    serving_default takes ``brightfield``, float32 ``(B, H, W, 1)`` in [0, 1]. A request with images of another size,
    values outside [0, 1] or NaN is an error.

    serving_bytes takes ``image_bytes``, string ``(B,)``: grey PNG files of the declared bit depth. TensorFlow Serving
    expects them base64-encoded, as for every input whose name ends in ``_bytes``.

    Args:
        model: ``brightfield`` -> logits ``(B, 2)``.
        facts: facts of the data set: size and bit depth of the images.
        folder: folder to write into; it may exist.
    """

    def from_images(brightfield):
        return predict(model, checked(brightfield, facts))

    def from_bytes(image_bytes):
        shape = tf.TensorSpec((*facts.image_size, 1), tf.float32)
        return predict(model, tf.map_fn(lambda data: decode(data, facts), image_bytes, fn_output_signature=shape))

    archive = keras.export.ExportArchive()
    # add_endpoint finds the weights without track(model), which would store each of them twice, as model.export() does.
    archive.add_endpoint("serving_default", from_images, [image_spec(facts, None)])
    archive.add_endpoint("serving_bytes", from_bytes, [tf.TensorSpec((None,), tf.string, name=IMAGE_BYTES)])
    archive.write_out(str(folder), verbose=False)


def image_spec(facts: DatasetFacts, batch: int | None) -> tf.TensorSpec:
    """Description of the only input of every artefact; `batch` is None for any number of images."""
    return tf.TensorSpec((batch, *facts.image_size, 1), tf.float32, name=BRIGHTFIELD)


def predict(model: keras.Model, brightfield: tf.Tensor) -> dict[str, tf.Tensor]:
    """``{"probability": (B,)}`` for float32 images ``(B, H, W, 1)`` in [0, 1]."""
    return {PROBABILITY: probability(model({BRIGHTFIELD: brightfield}, training=False))}


def checked(brightfield: tf.Tensor, facts: DatasetFacts) -> tf.Tensor:
    """Images ``(B, H, W, 1)`` unchanged, with checks in the graph: a signature's shape does not restrict requests.

    Raises:
        tf.errors.InvalidArgumentError: images of another size than declared, a value outside [0, 1], or NaN.
    """
    height, width = facts.image_size
    size = f"tfctc: {height} x {width} px expected"
    checks = [
        tf.debugging.assert_equal(tf.shape(brightfield)[1:], (height, width, 1), size),
        # Written so that NaN fails.
        tf.debugging.Assert(
            tf.reduce_all((brightfield >= 0) & (brightfield <= 1)), ["tfctc: numbers from 0 to 1 expected"]
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(brightfield)


def encode(images: np.ndarray, facts: DatasetFacts) -> np.ndarray:
    """Grey PNG files of the declared bit depth, bytes ``(N,)``, from float32 images ``(N, H, W, 1)`` in [0, 1]."""
    counts = np.rint(images * facts.full_scale).astype(facts.dtype)
    return np.array([tf.io.encode_png(image).numpy() for image in counts], object)


def decode(data: tf.Tensor, facts: DatasetFacts) -> tf.Tensor:
    """Image float32 ``(H, W, 1)`` in [0, 1] from one PNG file (scalar string).

    The PNG header is parsed here, because TensorFlow's decoder accepts too much: it converts between 8 and 16 bits, and
    turns colour into grey. The last bit may differ from NumPy's, because TensorFlow may multiply by the reciprocal
    instead of dividing.

    Raises:
        tf.errors.InvalidArgumentError: a file that is not a PNG, is not grey, or has another size or bit depth than
            declared.
    """
    bits = 8 if facts.bit_depth == 8 else 16
    height, width = facts.image_size
    size = list(width.to_bytes(4, "big") + height.to_bytes(4, "big"))
    whole = (tf.strings.length(data) > 33) & (tf.strings.substr(data, 0, 8) == PNG_SIGNATURE)
    with tf.control_dependencies([tf.debugging.Assert(whole, ["tfctc: not a PNG file"])]):
        header = tf.cast(tf.io.decode_raw(tf.strings.substr(data, 16, 10), tf.uint8), tf.int32)
    checks = [
        tf.debugging.assert_equal(header[9], 0, "tfctc: one grey channel expected, got a colour PNG"),
        tf.debugging.assert_equal(header[8], bits, f"tfctc: {bits}-bit PNG expected (bit depth {facts.bit_depth})"),
        tf.debugging.assert_equal(header[:8], size, f"tfctc: {height} x {width} px expected"),
    ]
    with tf.control_dependencies(checks):
        pixels = tf.io.decode_png(data, channels=1, dtype=tf.uint8 if bits == 8 else tf.uint16)
    pixels = tf.cast(tf.ensure_shape(pixels, (height, width, 1)), tf.int32)
    above = f"tfctc: a pixel is above {facts.full_scale} (bit depth {facts.bit_depth})"
    with tf.control_dependencies([tf.debugging.assert_less_equal(tf.reduce_max(pixels), facts.full_scale, above)]):
        return tf.cast(pixels, tf.float32) / facts.full_scale
