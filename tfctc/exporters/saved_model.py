"""Export as a SavedModel, with one signature for float images and one for PNG files."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfctc.cells import BRIGHTFIELD, DatasetFacts
from tfctc.models.classifier import outputs

IMAGE_BYTES, PROBABILITY = "image_bytes", "probability"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Longest side in pixels of a PNG file of any size, a multiple of 256 less 1. A PNG file of a few kilobytes may hold an
#: image that fills the memory of a server.
MOST_SIDE = 2047


def write_saved_model(model: keras.Model, facts: DatasetFacts, folder: str | Path) -> None:
    """Writes a SavedModel with two signatures; both return ``probability``, float32 ``(B,)``, of the positive class.

    Of a model with a class other it is ``(B, 3)``: the probability of each class, in the order of the class indices.

    serving_default takes ``brightfield``, float32 ``(B, H, W, 1)`` in [0, 1]. A request with images of another size,
    values outside [0, 1] or NaN is an error.

    serving_bytes takes ``image_bytes``, string ``(B,)``: grey PNG files of the declared bit depth. TensorFlow Serving
    expects them base64-encoded, as for every input whose name ends in ``_bytes``.

    If the facts say `crop_or_pad`, both take images of any size, and crop or pad them as in training. The images of one
    request of serving_default have one size. The sides of a PNG file are at most `MOST_SIDE`.

    Args:
        model: ``brightfield`` -> logits ``(B, K)``.
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
    spec = image_spec(facts, None)
    if facts.crop_or_pad:
        spec = tf.TensorSpec((None, None, None, 1), tf.float32, name=BRIGHTFIELD)
    archive.add_endpoint("serving_default", from_images, [spec])
    archive.add_endpoint("serving_bytes", from_bytes, [tf.TensorSpec((None,), tf.string, name=IMAGE_BYTES)])
    archive.write_out(str(folder), verbose=False)


def image_spec(facts: DatasetFacts, batch: int | None) -> tf.TensorSpec:
    """Description of the only input of every artefact; `batch` is None for any number of images."""
    return tf.TensorSpec((batch, *facts.image_size, 1), tf.float32, name=BRIGHTFIELD)


def predict(model: keras.Model, brightfield: tf.Tensor) -> dict[str, tf.Tensor]:
    """``{"probability": (B,) or (B, 3)}`` for float32 images ``(B, H, W, 1)`` in [0, 1]."""
    return {PROBABILITY: outputs(model({BRIGHTFIELD: brightfield}, training=False))}


def checked(brightfield: tf.Tensor, facts: DatasetFacts) -> tf.Tensor:
    """Images ``(B, H, W, 1)`` of the declared size, with checks in the graph: a signature does not restrict requests.

    Raises:
        tf.errors.InvalidArgumentError: images of another size than declared (where they are not cropped or padded), a
            value outside [0, 1], or NaN.
    """
    shape = tf.shape(brightfield)[1:]
    if facts.crop_or_pad:
        size_checks = [
            tf.debugging.assert_positive(shape[:2], "tfctc: an image without pixels"),
            tf.debugging.assert_equal(shape[2:], (1,), "tfctc: one grey channel expected"),
        ]
    else:
        size_checks = [_assert_size(shape, (*facts.image_size, 1), facts)]
    checks = [
        *size_checks,
        # Written so that NaN fails.
        tf.debugging.Assert(
            tf.reduce_all((brightfield >= 0) & (brightfield <= 1)), ["tfctc: numbers from 0 to 1 expected"]
        ),
    ]
    with tf.control_dependencies(checks):
        images = tf.identity(brightfield)
    return crop_or_pad(images, facts.image_size) if facts.crop_or_pad else images


def crop_or_pad(images: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """`tfctc.io.images.crop_or_pad` in the graph, for images ``(B, h, w, 1)`` of any number type: ``(B, H, W, 1)``."""
    shape = tf.shape(images)
    have, want = shape[1:3], tf.constant(size, tf.int32)
    rows, columns = tf.range(have[0])[:, tf.newaxis], tf.range(have[1])[tf.newaxis]
    ring = (rows == 0) | (rows == have[0] - 1) | (columns == 0) | (columns == have[1] - 1)
    border = tf.sort(tf.boolean_mask(images[..., 0], ring, axis=1), axis=1)
    level = border[:, (tf.shape(border)[1] - 1) // 2]
    cut, kept = tf.maximum(have - want, 0) // 2, tf.minimum(have, want)
    middle = images[:, cut[0] : cut[0] + kept[0], cut[1] : cut[1] + kept[1]]
    before = tf.maximum(want - have, 0) // 2
    paddings = tf.pad(tf.stack([before, want - kept - before], axis=1), [[1, 1], [0, 0]])
    is_image = tf.pad(tf.ones_like(middle, tf.bool), paddings)
    padded = tf.where(is_image, tf.pad(middle, paddings), level[:, tf.newaxis, tf.newaxis, tf.newaxis])
    return tf.ensure_shape(padded, (None, *size, 1))


def _assert_size(shape: tf.Tensor, expected: tuple[int, ...], facts: DatasetFacts) -> tf.Operation:
    height, width = facts.image_size
    return tf.debugging.assert_equal(shape, expected, f"tfctc: {height} x {width} px expected")


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
        tf.errors.InvalidArgumentError: a file that is not a PNG, is not grey, or has another bit depth or size than
            declared. If it is cropped or padded, only sides above `MOST_SIDE` are an error.
    """
    bits = 8 if facts.bit_depth == 8 else 16
    height, width = facts.image_size
    size = tuple(width.to_bytes(4, "big") + height.to_bytes(4, "big"))
    whole = (tf.strings.length(data) > 33) & (tf.strings.substr(data, 0, 8) == PNG_SIGNATURE)
    with tf.control_dependencies([tf.debugging.Assert(whole, ["tfctc: not a PNG file"])]):
        header = tf.cast(tf.io.decode_raw(tf.strings.substr(data, 16, 10), tf.uint8), tf.int32)
    checks = [
        tf.debugging.assert_equal(header[9], 0, "tfctc: one grey channel expected, got a colour PNG"),
        tf.debugging.assert_equal(header[8], bits, f"tfctc: {bits}-bit PNG expected (bit depth {facts.bit_depth})"),
    ]
    if facts.crop_or_pad:
        # Width and height without their last bytes.
        sides = (header[0:8:4] + header[1:8:4]) * 256 + header[2:8:4]
        too_large = f"tfctc: sides of {MOST_SIDE} px at most expected"
        checks.append(tf.debugging.assert_less(sides, (MOST_SIDE + 1) // 256, too_large))
    else:
        checks.append(_assert_size(header[:8], size, facts))
    with tf.control_dependencies(checks):
        pixels = tf.cast(tf.io.decode_png(data, channels=1, dtype=tf.uint8 if bits == 8 else tf.uint16), tf.int32)
    above = f"tfctc: a pixel is above {facts.full_scale} (bit depth {facts.bit_depth})"
    with tf.control_dependencies([tf.debugging.assert_less_equal(tf.reduce_max(pixels), facts.full_scale, above)]):
        image = tf.cast(pixels, tf.float32) / facts.full_scale
    if facts.crop_or_pad:
        image = crop_or_pad(image[tf.newaxis], facts.image_size)[0]
    return tf.ensure_shape(image, (height, width, 1))
