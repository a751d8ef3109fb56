import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from kept_log import kept_log
from small_models import fit_without_steps, make_compact_shallow

from tfctc.cells import DatasetFacts
from tfctc.config import ModelConfig
from tfctc.exporters import version as versions
from tfctc.exporters.litert import PRECISIONS, convert
from tfctc.exporters.model import TrainedModel
from tfctc.exporters.version import write_version
from tfctc.models.classifier import build_classifier
from tfctc.models.fast import to_stock

#: Not square: a file that swaps height and width is noticed.
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
    """A network that tells faint discs from bright ones."""
    keras.utils.set_random_seed(3)
    with pytest.MonkeyPatch.context() as patch:
        make_compact_shallow(patch)
        model = build_classifier(ModelConfig("compact"), (HEIGHT, WIDTH), {"brightfield": (0.35, 0.1)}, "student")
    return to_stock(fit_without_steps(model, images, np.arange(48) >= 24))


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
def trained(model, facts):
    point = {"threshold": 0.4, "rule": "f1", "chosen_on": "validation"}
    training = {"seed": 7, "cells": {"train": {"ctc": 5, "leukocyte": 6}}}
    return TrainedModel(model, "made-up", facts, point, training=training)


@pytest.fixture(scope="session")
def flatbuffers(model, facts, images):
    """Precision -> TFLite network of `model`, each converted once; every other image is for calibration."""
    return {precision: convert(model, facts, precision, images[::2]) for precision in PRECISIONS}


@pytest.fixture(scope="session")
def exported(trained, images, flatbuffers, tmp_path_factory):
    """A version folder with every file but "mixed", and the log of its export."""
    base = tmp_path_factory.mktemp("exports") / "made-up"
    with pytest.MonkeyPatch.context() as patch, kept_log() as messages:
        patch.setattr(versions, "convert", lambda model, facts, precision, calibration: flatbuffers[precision])
        folder = write_version(trained, base, images, images[::2], precisions=("none", "float16", "dynamic", "int8"))
    return folder, messages


@pytest.fixture(scope="session")
def version(exported):
    """A version folder with every file but "mixed". Copy it before you change it."""
    return exported[0]


@pytest.fixture
def written_once(monkeypatch, version, flatbuffers):
    """Has `write_version` take the files of `trained` that are written already, where writing them is not tested."""

    def saved_model(model, facts, folder):
        shutil.copytree(version / "variables", Path(folder) / "variables")
        shutil.copy(version / "saved_model.pb", folder)

    monkeypatch.setattr(versions, "convert", lambda model, facts, precision, calibration=(): flatbuffers[precision])
    monkeypatch.setattr(versions, "write_saved_model", saved_model)


@pytest.fixture
def messages():
    """Messages of the package's log, as they come."""
    with kept_log() as kept:
        yield kept
