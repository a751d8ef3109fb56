"""Parity gates: checks that an exported file runs, is complete, and gives the predictions of the Keras model."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from tfctc.cells import BRIGHTFIELD, OTHER_INDEX, DatasetFacts, is_other
from tfctc.errors import ExportError
from tfctc.exporters.saved_model import encode
from tfctc.models.classifier import outputs
from tfctc.runtime import load_network

SAVED_MODEL, SERVING_BYTES = "saved_model", "serving_bytes"
BATCH = 32


@dataclass(frozen=True)
class Gate:
    """Limits of one kind of file.

    Args:
        measure: measure of the difference in probability from Keras that is limited: "max_abs" or "mean_abs".
        bound: largest value of this measure that passes.
        weight_bytes: number of bytes of one weight in the file, for the check of the file size.
    """

    measure: str
    bound: float
    weight_bytes: int


#: Kind of file -> its gate. A SavedModel has the kernels of Keras. float32 adds in another order. float16 rounds the
#: weights to 11 bits. With integers a single cell can differ more where rounding changes most, so the mean is limited.
GATES = {
    SAVED_MODEL: Gate("max_abs", 1e-5, 4),
    SERVING_BYTES: Gate("max_abs", 1e-5, 4),
    "float32": Gate("max_abs", 1e-4, 4),
    "float16": Gate("max_abs", 1e-2, 2),
    "dynamic": Gate("mean_abs", 0.02, 1),
    "mixed": Gate("mean_abs", 0.02, 1),
    "int8": Gate("mean_abs", 0.02, 1),
}


def keras_probabilities(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Keras probabilities for float32 images ``(N, H, W, 1)`` in [0, 1].

    ``(N,)`` of the positive class; of a model with a class other ``(N, 3)``, of each class.
    """
    return np.concatenate([outputs(model({BRIGHTFIELD: batch}, training=False)).numpy() for batch in _batches(images)])


def run_saved_model(folder: str | Path, images: np.ndarray) -> np.ndarray:
    """Probabilities as of `keras_probabilities` from ``serving_default`` of the SavedModel in `folder`."""
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    return np.concatenate(
        [serve(**{BRIGHTFIELD: tf.constant(batch)})["probability"].numpy() for batch in _batches(images)]
    )


def run_serving_bytes(folder: str | Path, images: np.ndarray, facts: DatasetFacts) -> np.ndarray:
    """Probabilities as of `keras_probabilities` from ``serving_bytes`` of the SavedModel, for images as PNG files."""
    serve = tf.saved_model.load(str(folder)).signatures[SERVING_BYTES]
    outputs = [serve(image_bytes=tf.constant(batch)) for batch in _batches(encode(images, facts))]
    return np.concatenate([output["probability"].numpy() for output in outputs])


def run_tflite(flatbuffer: bytes, images: Iterable[np.ndarray]) -> np.ndarray:
    """Probabilities as of `keras_probabilities` of a flatbuffer, for float32 images ``(H, W, 1)``, one at a time."""
    runtime = load_network(flatbuffer)
    return np.concatenate([runtime(image[np.newaxis]) for image in images])


def check_tflite_form(artefact: str, flatbuffer: bytes, facts: DatasetFacts) -> None:
    """Checks that a network takes one image, has one output, and needs only built-in operations.

    Args:
        artefact: kind of file, for error messages.
        flatbuffer: content of the file.
        facts: facts of the data set: size of the images.

    Raises:
        ExportError: one of these does not hold.
    """
    expected = (1, *facts.image_size, 1)
    try:
        shape = load_network(flatbuffer).input_shape
    except ValueError as error:
        raise ExportError(f"{artefact} does not run: {str(error)[:300]}") from None
    if shape != expected:
        raise ExportError(f"{artefact} takes {shape}, one image {expected} expected")
    model = schema.Model.GetRootAsModel(flatbuffer, 0)
    codes = [model.OperatorCodes(i) for i in range(model.OperatorCodesLength())]
    custom = [code.CustomCode().decode() for code in codes if code.CustomCode()]
    if custom:
        raise ExportError(f"{artefact} needs operations that are not built in: {', '.join(custom)}")


#: Largest mean difference at the threshold that passes, for every kind of file.
BOUND_AT_THRESHOLD = 0.02
#: A threshold nearer to 0 or 1 counts as this far from it: there float32 itself rounds.
NEAREST = 1e-3
#: Changed calls that pass: this share of the cells that are called positive or of the others, whichever are fewer, and
#: two in any case.
LABELS_CHANGED, ALWAYS_ALLOWED = 0.1, 2


def compare(found: np.ndarray, expected: np.ndarray, threshold: float) -> dict:
    """Differences of probabilities, ``(N,)`` or ``(N, 3)``, from those expected: images, four measures.

    `max_abs` and `mean_abs` are of the probabilities of all classes. `mean_abs_at_threshold` is that of the positive
    class after a shift of all log-odds that moves the threshold to 0.5: where positive cells are rare, a file that
    gives 0 for every cell has a small `mean_abs`. `labels_changed` is the number of images whose call differs.
    """
    # As in `Predictor.classify`. For a float32 array NumPy would round the threshold to float32.
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    difference = np.abs(found - expected)
    calls = [_calls(one, threshold) for one in (found, expected)]
    found, expected = positive(found), positive(expected)
    return {
        "images": len(found),
        "max_abs": float(difference.max()),
        "mean_abs": float(difference.mean()),
        "mean_abs_at_threshold": float(np.abs(_centred(found, threshold) - _centred(expected, threshold)).mean()),
        "labels_changed": int((calls[0] != calls[1]).sum()),
    }


def positive(probabilities: np.ndarray) -> np.ndarray:
    """Probabilities ``(N,)`` of the positive class."""
    return probabilities if probabilities.ndim == 1 else probabilities[:, 1]


def _calls(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Class index ``(N,)`` that each image is called."""
    called = positive(probabilities) >= threshold
    if probabilities.ndim == 1:
        return called.astype(int)
    others = np.where(is_other(probabilities), OTHER_INDEX, 0)
    return np.where(called, 1, others)


def check(artefact: str, size: int, parameters: int, found: np.ndarray, expected: np.ndarray, threshold: float) -> dict:
    """Checks the size of a file, and its probabilities against those of the Keras model.

    Args:
        artefact: kind of file, one of `GATES`.
        size: size of the file in bytes.
        parameters: number of weights of the model.
        found: probabilities of the file, as of `keras_probabilities`.
        expected: probabilities of the Keras model for the same images.
        threshold: threshold of the probability.

    Returns:
        Entry of the manifest: the entries of `compare`, the limited measure ("gate") and its bound.

    Raises:
        ExportError: a file that is too small, gives no probabilities, differs by more than its bound, or differs too
            much at the threshold.
    """
    gate = GATES[artefact]
    smallest = int(0.9 * parameters * gate.weight_bytes)
    if size < smallest:
        raise ExportError(f"{artefact} has {size} bytes, at least {smallest} expected for {parameters} weights")
    if not np.isfinite(found).all() or found.min() < 0 or found.max() > 1:
        raise ExportError(f"{artefact} gives probabilities outside [0, 1]: {found.min()} to {found.max()}")
    parity = compare(found, expected, threshold) | {"gate": gate.measure, "bound": gate.bound}
    # Written so that NaN fails.
    if not parity[gate.measure] <= gate.bound:
        raise ExportError(
            f"{artefact} differs from Keras: {gate.measure} {parity[gate.measure]:.3g} over {len(found)} images, "
            f"at most {gate.bound:g} allowed"
        )
    if parity["mean_abs_at_threshold"] > BOUND_AT_THRESHOLD:
        raise ExportError(
            f"{artefact} differs from Keras at the threshold {threshold:.3g}: mean_abs_at_threshold "
            f"{parity['mean_abs_at_threshold']:.3g} over {len(found)} images, at most {BOUND_AT_THRESHOLD:g} allowed"
        )
    called = int((positive(expected).astype(np.float64) >= threshold).sum())
    allowed = max(ALWAYS_ALLOWED, int(LABELS_CHANGED * min(called, len(expected) - called)))
    if parity["labels_changed"] > allowed:
        raise ExportError(
            f"{artefact} changes {parity['labels_changed']} labels of {len(found)} images at the threshold "
            f"{threshold:.3g}, at most {allowed} allowed"
        )
    return parity


def _centred(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Probabilities shifted by Bayes' rule so that one at the threshold becomes 0.5."""
    limit = min(max(threshold, NEAREST), 1 - NEAREST)
    odds = probabilities * (1 - limit)
    return odds / (odds + (1 - probabilities) * limit)


def _batches(images: np.ndarray) -> Iterator[np.ndarray]:
    return (images[i : i + BATCH] for i in range(0, len(images), BATCH))
