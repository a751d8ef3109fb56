import keras
import numpy as np
import pytest

from tfctc.cells import DatasetFacts
from tfctc.config import ModelConfig
from tfctc.export.subject import Subject
from tfctc.export.version import write_version
from tfctc.models.classifier import build_classifier
from tfctc.models.fast import stock

#: Not square: an artefact that swaps height and width is found out.
HEIGHT, WIDTH = 24, 20


@pytest.fixture(scope="session")
def counts():
    """48 made-up 12-bit images, uint16 ``(48, H, W, 1)``: a disc of rising contrast in noise."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices((HEIGHT, WIDTH))
    disc = np.hypot(rows - HEIGHT / 2, columns - WIDTH / 2) < 6
    images = 0.3 + np.linspace(0, 0.2, 48)[:, None, None] * disc + rng.normal(0, 0.03, (48, HEIGHT, WIDTH))
    return (images.clip(0, 1) * 4095).astype(np.uint16)[..., np.newaxis]


@pytest.fixture(scope="session")
def images(counts):
    return counts.astype(np.float32) / np.float32(4095)


@pytest.fixture(scope="session")
def model(images):
    """Trained to tell faint discs from bright ones, a little: int8 of an untrained one may honestly fail its gate."""
    keras.utils.set_random_seed(3)
    model = build_classifier(ModelConfig("compact"), (HEIGHT, WIDTH), {"brightfield": (0.35, 0.1)}, "student")
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit({"brightfield": images}, np.arange(48) >= 24, batch_size=16, epochs=12, verbose=0)
    return stock(model)


@pytest.fixture(scope="session")
def keras_probability(model, images):
    """The oracle: NumPy's softmax of the model's logits."""
    logits = model({"brightfield": images}, training=False).numpy().astype(np.float64)
    probability = np.exp(logits[:, 1]) / np.exp(logits).sum(axis=1)
    assert probability.min() < 0.3 and probability.max() > 0.7
    return probability


@pytest.fixture(scope="session")
def facts():
    return DatasetFacts("made-up", bit_depth=12, image_size=(HEIGHT, WIDTH), mpp=0.64, simulated=True)


@pytest.fixture(scope="session")
def subject(model, facts):
    point = {"threshold": 0.4, "rule": "f1", "chosen_on": "validation"}
    return Subject(model, "made-up", facts, point, training={"seed": 7, "cells": {"train": {"ctc": 5, "leukocyte": 6}}})


@pytest.fixture(scope="session")
def version(subject, images, tmp_path_factory):
    """A version folder with every artefact. Copy it before you change it."""
    base = tmp_path_factory.mktemp("exports") / "made-up"
    return write_version(subject, base, images, images[::2], precisions=("none", "float16", "dynamic", "int8"))
