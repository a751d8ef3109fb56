"""Initial weights of a model, from files and other models, and the hash of its weights."""

import hashlib
import os
from collections.abc import Callable

import keras
import numpy as np

from tfctc.cells import CHANNELS
from tfctc.errors import ConfigError
from tfctc.models.backbones import Backbone


def load_weights(model: keras.Model, weights: str, backbone: Backbone) -> None:
    """Initialises a model in place. Layers are matched by name.

    If the first convolution of the source reads other channels, its kernel is summed over them and divided among the
    channels of the model. That equals a source that reads the grey image as RGB.

    Args:
        model: the model.
        weights: "none" (keeps the random weights), "imagenet", a weights file of keras.applications (.h5) or a model
            of tfctc (.keras).
        backbone: backbone of the model.

    Raises:
        ConfigError: no such file, a damaged file, no published weights of this backbone, or weights of another network.
    """
    check_source(weights)
    if weights == "none":
        return
    if weights.endswith(".keras"):
        try:
            source, scale = keras.saving.load_model(weights, compile=False), 1.0
        except Exception as error:  # On a damaged file, Keras, zipfile and h5py may raise anything.
            problem = f"cannot be loaded ({type(error).__name__}: {str(error)[:200]})"
            raise ConfigError(problem, path=weights, fix="copy the file again") from None
    else:
        if backbone.published is None:
            problem = f"no published weights exist for this backbone, got {weights!r}"
            raise ConfigError(problem, fix='give the .keras file of a run with this backbone, or "none"')
        try:
            source, scale = backbone.published(weights), backbone.published_std
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"published weights cannot be loaded ({type(error).__name__}: {str(error)[:200]})",
                path=weights,
                fix="give the path of this backbone's *_notop.h5 file, or connect to the internet for imagenet",
            ) from None
    # The last layer keeps its random weights if the source has no classifier of this shape, as published weights have.
    left = [name for name in copy_weights(source, model, scale) if name != model.layers[-1].name]
    if left:
        problem = f"does not fit this network: {len(left)} layers differ, the first is {left[0]}"
        raise ConfigError(problem, path=weights, fix="choose the backbone that the file was made for")


def check_source(weights: str) -> None:
    """Checks that a weights file exists, if `weights` names one; see `load_weights`.

    Raises:
        ConfigError: there is no such file.
    """
    if weights not in ("none", "imagenet") and not os.path.exists(weights):
        raise ConfigError("no such weights file", path=weights, fix='give a path, "imagenet" or "none"')


def copy_weights(source: keras.Model, target: keras.Model, scale: float = 1.0) -> list[str]:
    """Copies the weights of all layers of the same name and shapes, except `Normalization`, in place.

    Args:
        source: model to copy from.
        target: model to copy to.
        scale: factor of first kernels that are adapted to other channels.

    Returns:
        Names of the layers of `target` that were not copied.
    """

    def adapted(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        fits = _sees_channels(shape) and kernel.shape[:2] == shape[:2]
        return _adapt_kernel(kernel, shape[2], scale) if fits else kernel

    return _copy(source, target, adapted)


def copy_from_teacher(student: keras.Model, teacher: keras.Model) -> None:
    """Copies the weights of a teacher, which reads the student's channel and others, into the student, in place.

    Of the kernel of the first convolution, only the part for the student's channel is copied. So the student's output
    is that of the teacher when every pixel of the other channels is at its mean, which normalisation makes 0.

    Raises:
        ConfigError: the teacher does not read the student's channel, or is another network.
    """
    (channel,), seen = student.input, list(teacher.input)
    if channel not in seen:
        raise ConfigError(
            f"distill.start: a teacher that reads {', '.join(seen)} has no weights for {channel}",
            fix='set distill.start = "student"',
        )

    def own(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        first = len(shape) == kernel.ndim == 4 and (shape[2], kernel.shape[2]) == (1, len(seen))
        return kernel[:, :, [seen.index(channel)]] if first else kernel

    if _copy(teacher, student, own):
        raise ConfigError(
            "distill.start: student and teacher are different networks",
            fix='choose one backbone for both, or distill.start = "student"',
        )


def _copy(source: keras.Model, target: keras.Model, fitted: Callable[[np.ndarray, tuple], np.ndarray]) -> list[str]:
    """Copies as `copy_weights`, and returns the names of the layers that were not copied.

    Args:
        fitted: function (first weight of a layer, shape in `target`) -> weight to copy.
    """
    sources = {layer.name: layer for layer in source.layers}
    left = []
    for layer in target.layers:
        if not layer.weights or isinstance(layer, keras.layers.Normalization):
            continue
        values = sources[layer.name].get_weights() if layer.name in sources else []
        shapes = [w.shape for w in layer.weights]
        if len(values) == len(shapes):
            values[0] = fitted(values[0], shapes[0])
        if [v.shape for v in values] == shapes:
            layer.set_weights(values)
        else:
            left.append(layer.name)
    return left


def _sees_channels(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[2] <= len(CHANNELS)


def _adapt_kernel(kernel: np.ndarray, channels: int, scale: float) -> np.ndarray:
    if kernel.shape[2] == channels:
        return kernel
    return np.repeat(kernel.sum(axis=2, keepdims=True) * (scale / channels), channels, axis=2)


def weights_sha256(model: keras.Model) -> str:
    """SHA-256 of the bytes of all weights in the model's own order, in hexadecimal."""
    digest = hashlib.sha256()
    for value in model.get_weights():
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
