"""Initial weights of a model from other models and files, and the hash of its weights."""

import hashlib
import os
from collections.abc import Callable

import keras
import numpy as np

from tfctc.cells import CHANNELS
from tfctc.errors import ConfigError
from tfctc.models.backbones import Backbone


def load_weights(model: keras.Model, weights: str, backbone: Backbone) -> None:
    """Initialises `model` in place from "none", "imagenet", a stock weights file (.h5) or a tfctc model (.keras).

    Layers are matched by name. A first convolution over other channels is summed over the source's channels, which
    equals feeding it the same grey image as RGB, and divided among the target's channels.

    Raises:
        ConfigError: no such file, a damaged one, no published weights for this backbone, or those of another network.
    """
    check_source(weights)
    if weights == "none":
        return
    if weights.endswith(".keras"):
        try:
            source, scale = keras.saving.load_model(weights, compile=False), 1.0
        except Exception as error:  # Of a damaged file, whatever Keras, zipfile or h5py meet.
            problem = f"cannot be loaded ({type(error).__name__}: {str(error)[:200]})"
            raise ConfigError(problem, path=weights, fix="copy the file again") from None
    else:
        if backbone.published is None:
            raise ConfigError(f"no stock weights exist for this backbone, got {weights!r}", fix="give a .keras file")
        try:
            source, scale = backbone.published(weights), backbone.published_std
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"stock weights cannot be loaded ({type(error).__name__}: {str(error)[:200]})",
                path=weights,
                fix="without internet, give the path of a *_notop.h5 file",
            ) from None
    # The classifier at the end starts anew where the source has none, as published weights do not.
    left = [name for name in copy_weights(source, model, scale) if name != model.layers[-1].name]
    if left:
        problem = f"does not fit this network: {len(left)} layers differ, the first is {left[0]}"
        raise ConfigError(problem, path=weights, fix="choose the backbone that the file was made for")


def check_source(weights: str) -> None:
    """Raises ConfigError if `weights`, as `load_weights` takes them, name a file and there is none."""
    if weights not in ("none", "imagenet") and not os.path.exists(weights):
        raise ConfigError("no such weights file", path=weights, fix='give a path, "imagenet" or "none"')


def copy_weights(source: keras.Model, target: keras.Model, scale: float = 1.0) -> list[str]:
    """Copies layers of the same name and shapes, but for `Normalization`; returns the names of the others.

    Args:
        scale: factor of kernels that are adapted to other channels.
    """

    def adapted(kernel: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        fits = _sees_channels(shape) and kernel.shape[:2] == shape[:2]
        return _adapt_kernel(kernel, shape[2], scale) if fits else kernel

    return _copy(source, target, adapted)


def copy_from_teacher(student: keras.Model, teacher: keras.Model) -> None:
    """Copies the weights of a teacher, which reads the student's channel and others, into the student.

    Of the first convolution the student takes the kernel over its own channel. So it gives the output that the teacher
    gives where the other channels are at their mean everywhere, which normalisation makes 0.

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
    """Copies layers of the same name and shapes, but for `Normalization`; returns the names of the others.

    Args:
        fitted: function from a layer's first weight and the wanted shape to the weight to copy.
    """
    donors = {layer.name: layer for layer in source.layers}
    left = []
    for layer in target.layers:
        if not layer.weights or isinstance(layer, keras.layers.Normalization):
            continue
        values = donors[layer.name].get_weights() if layer.name in donors else []
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
    """SHA-256 over every weight's bytes in the model's own order."""
    digest = hashlib.sha256()
    for value in model.get_weights():
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()
