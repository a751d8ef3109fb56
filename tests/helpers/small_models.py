"""Classifiers that are quick to build, trace and convert, and one that needs no training."""

import keras
import numpy as np

from tfctc.models.backbones import BACKBONES, residual
from tfctc.models.backbones.base import Backbone


def make_compact_shallow(monkeypatch):
    """Gives the backbone "compact" two stages in place of four, until `monkeypatch` is undone."""
    depths = (1, 1)

    def build(x):
        x = keras.layers.ReLU(name="stem_relu")(residual.convolution(x, 16, 3, 1, "stem"))
        return residual.stages(keras.layers.MaxPooling2D(2, name="stem_pool")(x), (16, 128), depths)

    assert "compact" in BACKBONES
    monkeypatch.setitem(BACKBONES._entries, "compact", Backbone(build=build, taps=residual.taps(depths)))


def fit_without_steps(model, images, labels, ridge=1e-3):
    """Has a bright-field classifier tell two classes of images apart, in closed form; returns the model.

    BatchNorm takes the statistics of the images, and the layer "logits" the ridge regression of the layer "embedding".

    Args:
        images: float32 ``(N, H, W, 1)`` in [0, 1].
        labels: ``(N,)``, true for the positive class.
    """
    normalisations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in normalisations:
        layer.momentum = 0.0
    model({"brightfield": images}, training=True)
    features = keras.Model(model.input, model.get_layer("embedding").output)({"brightfield": images}, training=False)
    x = np.c_[features, np.ones(len(images))].astype(np.float64)
    gram = x.T @ x
    weights = np.linalg.solve(gram + ridge * gram.trace() / len(gram) * np.eye(len(gram)), x.T @ (3.0 * labels - 1.5))
    model.get_layer("logits").set_weights([np.c_[-weights[:-1], weights[:-1]], np.r_[-weights[-1], weights[-1]]])
    return model
