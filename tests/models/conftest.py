"""Networks: the large ones are built once, since that takes seconds."""

import keras
import numpy as np
import pytest

from tfctc.config import ModelConfig
from tfctc.models.classifier import build_classifier

#: The smallest images that every backbone takes.
SIZE = (32, 32)
NORMALISATION = {"brightfield": (0.16, 0.02), "dapi": (0.05, 0.1)}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def images(rng):
    """Four cells, both channels."""
    return {name: rng.random((4, *SIZE, 1), np.float32) for name in NORMALISATION}


@pytest.fixture
def build():
    """Builds a network anew, by default the compact one."""

    def build(size=SIZE, name="classifier", normalisation=NORMALISATION, **options):
        keras.utils.set_random_seed(0)
        return build_classifier(ModelConfig(**{"backbone": "compact", **options}), size, normalisation, name)

    return build


@pytest.fixture(scope="session")
def _built():
    return {}


@pytest.fixture
def network(_built, build):
    """The bright-field network of a backbone, built once. With `change` its weights are put back after the test."""
    before = {}

    def get(backbone, change=False):
        if backbone not in _built:
            _built[backbone] = build(backbone=backbone)
        if change:
            before[backbone] = _built[backbone].get_weights()
        return _built[backbone]

    yield get
    for backbone, weights in before.items():
        _built[backbone].set_weights(weights)


@pytest.fixture(scope="session")
def stock_resnet50():
    """ResNet50 as keras.applications builds it, for RGB images. Do not change it."""
    keras.utils.set_random_seed(0)
    return keras.applications.ResNet50(include_top=False, weights=None, input_shape=(*SIZE, 3))
