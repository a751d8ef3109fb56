"""The benchmarks' PyTorch network against the Keras one it is compared with."""

import importlib

import keras
import numpy as np
import pytest

from tfctc.config import ModelConfig
from tfctc.models.classifier import build_classifier
from tfctc.models.fast import to_stock

torch = pytest.importorskip("torch")


@pytest.fixture
def peer():
    return importlib.import_module("torch_resnet50")


def made_up_resnet50():
    """A ResNet50 whose weights leave no bias, mean or variance without effect."""
    keras.utils.set_random_seed(0)
    model = to_stock(build_classifier(ModelConfig(), (64, 64), {"brightfield": (0.4, 0.2)}))
    rng = np.random.default_rng(0)
    for w in (w for layer in model.layers if not layer.name.startswith("normalise") for w in layer.weights):
        if w.name in ("gamma", "moving_variance"):
            w.assign(rng.uniform(0.5, 1.5, w.shape))
        elif w.name in ("beta", "moving_mean", "bias"):
            w.assign(rng.normal(0, 0.1, w.shape))
    return model


def test_logits_and_batchnorm_statistics_are_those_of_keras(peer):
    model = made_up_resnet50()
    x = np.random.default_rng(1).random((8, 64, 64, 1), np.float32)
    twin, images = peer.from_keras(model), torch.from_numpy(x).permute(0, 3, 1, 2)
    with torch.no_grad():
        found = twin(images).numpy()
        expected = model({"brightfield": x}, training=False).numpy()
        assert expected.std() > 0.01
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
        twin.train()(images)
    model({"brightfield": x}, training=True)
    np.testing.assert_allclose(twin.layers[1].running_mean, model.get_layer("conv1_bn").moving_mean, atol=1e-5)
    np.testing.assert_allclose(twin.layers[1].running_var, model.get_layer("conv1_bn").moving_variance, rtol=1e-3)


def test_without_biases_only_batchnorm_and_the_logits_have_one(peer):
    network = peer.ResNet50(channels=2, bias=False)
    assert not any(m.bias is not None for m in network.modules() if isinstance(m, torch.nn.Conv2d))
    network(torch.zeros(2, 2, 40, 56)).sum().backward()
    assert all(p.grad is not None for p in network.parameters())
