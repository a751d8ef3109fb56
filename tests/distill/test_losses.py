"""Distillation losses against NumPy."""

import keras
import numpy as np
import pytest

from tfctc.distill.losses import LOSSES, build_losses
from tfctc.errors import ConfigError, UnknownNameError

rng = np.random.default_rng(0)
STUDENT = {"logits": rng.normal(size=(5, 2)), "stage3": rng.normal(size=(5, 3, 3, 4))}
TEACHER = {"logits": rng.normal(size=(5, 2)), "stage3": rng.normal(size=(5, 3, 3, 6))}


def tensors(taps):
    return {name: keras.ops.convert_to_tensor(value, "float32") for name, value in taps.items()}


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def built(name, **arguments):
    loss = build_losses({name: arguments})[name]
    loss.prepare(*({tap: value.shape for tap, value in taps.items()} for taps in (STUDENT, TEACHER)))
    return loss


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_logits_is_the_tempered_kl_divergence(temperature):
    p, q = softmax(TEACHER["logits"] / temperature), softmax(STUDENT["logits"] / temperature)
    expected = temperature**2 * np.sum(p * (np.log(p) - np.log(q)), axis=-1)
    found = built("logits", temperature=temperature)(tensors(STUDENT), tensors(TEACHER))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_feature_is_the_mean_cosine_distance_of_projected_maps():
    loss = built("feature", tap="stage3")
    kernel = np.asarray(loss.projector.kernel)[0, 0]
    projected = STUDENT["stage3"] @ kernel
    cosine = np.sum(projected * TEACHER["stage3"], -1) / (
        np.linalg.norm(projected, axis=-1) * np.linalg.norm(TEACHER["stage3"], axis=-1)
    )
    found = loss(tensors(STUDENT), tensors(TEACHER))
    np.testing.assert_allclose(found, (1 - cosine).mean(axis=(1, 2)), rtol=1e-4)


def test_feature_refuses_maps_of_another_size():
    loss = build_losses({"feature": {"tap": "stage3"}})["feature"]
    with pytest.raises(ConfigError, match="map of one size"):
        loss.prepare({"stage3": (None, 4, 4, 4)}, {"stage3": (None, 3, 3, 6)})


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_is_one_finite_number_a_cell(name):
    found = np.asarray(built(name)(tensors(STUDENT), tensors(TEACHER)))
    assert found.shape == (5,) and found.dtype == np.float32
    assert np.isfinite(found).all() and (found >= -1e-6).all()


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_depends_on_its_cell_alone(name):
    loss = built(name)
    whole = np.asarray(loss(tensors(STUDENT), tensors(TEACHER)))
    first = [tensors({k: v[:1] for k, v in taps.items()}) for taps in (STUDENT, TEACHER)]
    np.testing.assert_allclose(np.asarray(loss(*first)), whole[:1], rtol=1e-4)


def test_unknown_names_arguments_and_weights_are_refused():
    with pytest.raises(UnknownNameError, match="feature, logits"):
        build_losses({"logit": {}})
    with pytest.raises(ConfigError, match="temprature"):
        build_losses({"logits": {"temprature": 2.0}})
    with pytest.raises(ConfigError, match="weight must be 0 or more"):
        build_losses({"logits": {"weight": -1.0}})
