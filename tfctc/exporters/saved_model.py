"""The model as a SavedModel: one signature for float images, one for PNG files."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfctc.cells import BRIGHTFIELD, DatasetFacts
from tfctc.models.classifier import probability

IMAGE_BYTES, PROBABILITY = "image_bytes", "probability"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def write_saved_model(model: keras.Model, facts: DatasetFacts, folder: str | Path) -> None:
    """Writes `model` (``brightfield`` -> logits) into `folder`, which may exist.

    Signatures, both giving ``probability`` float32 ``(B,)`` of the positive class:
        serving_default: ``brightfield`` float32 ``(B, H, W, 1)`` in [0, 1]; of another size or beyond that, or not a
            number, a request is an error.
        serving_bytes: ``image_bytes`` string ``(B,)``, grey PNG files of the declared bit depth. TensorFlow Serving
            takes them base64-encoded, as it does for every input whose name ends in ``_bytes``.
    """

    def from_images(brightfield):
        return predict(model, checked(brightfield, facts))

    def from_bytes(image_bytes):
        shape = tf.TensorSpec((*facts.image_size, 1), tf.float32)
        return predict(model, tf.map_fn(lambda data: decode(data, facts), image_bytes, fn_output_signature=shape))

    archive = keras.export.ExportArchive()
    # add_endpoint alone finds the weights. track(model), or model.export(), would store each of them twice.
    archive.add_endpoint("serving_default", from_images, [image_spec(facts, None)])
    archive.add_endpoint("serving_bytes", from_bytes, [tf.TensorSpec((None,), tf.string, name=IMAGE_BYTES)])
    archive.write_out(str(folder), verbose=False)


def image_spec(facts: DatasetFacts, batch: int | None) -> tf.TensorSpec:
    """The one image input of every artefact."""
    return tf.TensorSpec((batch, *facts.image_size, 1), tf.float32, name=BRIGHTFIELD)


def predict(model: keras.Model, brightfield: tf.Tensor) -> dict[str, tf.Tensor]:
    """``{"probability": (B,)}`` from float32 images ``(B, H, W, 1)`` in [0, 1]."""
    return {PROBABILITY: probability(model({BRIGHTFIELD: brightfield}, training=False))}


def checked(brightfield: tf.Tensor, facts: DatasetFacts) -> tf.Tensor:
    """Images ``(B, H, W, 1)`` as they are: the declared shape of a signature is no check of what a server is sent.

    Raises:
        tf.errors.InvalidArgumentError: another size than declared, a value outside [0, 1], or one that is no number.
    """
    height, width = facts.image_size
    size = f"tfctc: {height} x {width} px expected"
    checks = [
        tf.debugging.assert_equal(tf.shape(brightfield)[1:], (height, width, 1), size),
        # NaN is in no range.
        tf.debugging.Assert(
            tf.reduce_all((brightfield >= 0) & (brightfield <= 1)), ["tfctc: numbers from 0 to 1 expected"]
        ),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(brightfield)


def encode(images: np.ndarray, facts: DatasetFacts) -> np.ndarray:
    """Float32 images ``(N, H, W, 1)`` in [0, 1] as grey PNG files of the declared bit depth, bytes ``(N,)``."""
    counts = np.rint(images * facts.full_scale).astype(facts.dtype)
    return np.array([tf.io.encode_png(image).numpy() for image in counts], object)


def decode(data: tf.Tensor, facts: DatasetFacts) -> tf.Tensor:
    """One PNG file (scalar string) as float32 ``(H, W, 1)`` in [0, 1].

    The header is read by hand, because TensorFlow's decoder forgives too much: it scales 8 bits to 16 and back, and
    makes grey of colour. TensorFlow may divide by multiplying with the reciprocal: the last bit may differ from NumPy.

    Raises:
        tf.errors.InvalidArgumentError: not a PNG, colour, another size or bit depth than declared.
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
