"""Fused AdamW against Keras's own and the formula."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfctc.config import ModelConfig, TrainingConfig
from tfctc.models.classifier import build_classifier
from tfctc.training.optimizer import FusedAdamW, build_optimizer


@pytest.fixture(scope="module")
def gradients():
    """Gradients of two weights in five steps."""
    return np.random.default_rng(0).standard_normal((5, 2, 3, 4)).astype(np.float32)


def steps(optimizer, gradients):
    """Two weights, a bias the second, after five updates; and the optimizer's state."""
    weights = [keras.Variable(np.full((3, 4), 2.0, np.float32), name=name) for name in ("kernel", "bias")]
    optimizer.build(weights)
    apply = tf.function(lambda gradients: optimizer.apply(gradients, weights))
    for step in gradients:
        apply([tf.constant(g) for g in step])
    return [np.asarray(w) for w in weights], [np.asarray(v) for v in optimizer.variables]


def falling():
    return keras.optimizers.schedules.CosineDecay(0.01, 5)


@pytest.mark.parametrize("options", [{}, {"decay": 0.1, "beta_1": 0.8, "epsilon": 1e-3}])
def test_weights_and_state_are_those_of_keras(gradients, options):
    theirs = {"weight_decay": options.get("decay", 4e-3)} | {k: v for k, v in options.items() if k != "decay"}
    reference = keras.optimizers.AdamW(falling(), **theirs)
    reference.exclude_from_weight_decay(var_names=["bias"])
    weights, state = steps(FusedAdamW(falling(), **options), gradients)
    expected, expected_state = steps(reference, gradients)
    for a, b in zip(weights + state, expected + expected_state, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_formula(gradients):
    """Decoupled decay, then Adam with bias correction; epsilon beside the uncorrected deviation, as in Keras."""
    p, m, v = np.full((2, 3, 4), 2.0), 0.0, 0.0
    decay = np.array([0.1, 0.0])[:, None, None]
    for t, g in enumerate(gradients.astype(np.float64), 1):
        rate = 0.01 * 0.5 * (1 + np.cos(np.pi * (t - 1) / 5))
        p = p * (1 - rate * decay)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        p = p - rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-7)
    weights, _ = steps(FusedAdamW(falling(), decay=0.1), gradients)
    np.testing.assert_allclose(weights, p, rtol=1e-5)


def test_mirrored_replicas_are_updated_as_one_device():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 3)).astype(np.float32), rng.standard_normal((8, 1)).astype(np.float32)

    def train(strategy):
        with strategy.scope():
            model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
            model.compile(FusedAdamW(0.1, decay=0.1), "mse")
        model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
        return model.get_weights()

    # Collective operations of two strategies in one process take one another's numbers.
    reduction = tf.distribute.ReductionToOneDevice()
    two = train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=reduction))
    for a, b in zip(two, train(tf.distribute.get_strategy()), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4)


@pytest.mark.parametrize(
    ("warmup", "rates"),
    [(0.2, {0: 0, 2: 0.25, 4: 0.5, 8: 1, 24: 0.5, 40: 0}), (0.0, {0: 1, 10: 0.5 + 0.5**1.5, 20: 0.5, 40: 0})],
)
def test_the_learning_rate_rises_evenly_and_falls_by_a_cosine(warmup, rates):
    optimizer = build_optimizer(TrainingConfig(warmup=warmup, learning_rate=0.03), 40)
    optimizer.build([keras.Variable(0.0)])
    for step, rate in rates.items():
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(0.03 * rate, abs=1e-7)


def test_kernels_decay_and_biases_and_normalisation_do_not():
    """A step without a gradient is the decay alone."""
    model = build_classifier(ModelConfig("compact"), (16, 16), {"brightfield": (0.0, 1.0)}, "student")
    optimizer = build_optimizer(TrainingConfig(warmup=0.0, learning_rate=0.5, weight_decay=0.4), 40)
    variables = model.trainable_variables
    optimizer.build(variables)
    for variable in variables:
        variable.assign(np.ones(variable.shape))
    optimizer.apply([np.zeros(variable.shape, np.float32) for variable in variables])
    for variable in variables:
        # Kernels have an axis of inputs and one of outputs; all else is one number a channel.
        expected = 1 - 0.5 * 0.4 if len(variable.shape) > 1 else 1.0
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-6, err_msg=variable.path)
    assert {variable.name for variable in variables} >= {"kernel", "bias", "gamma", "beta"}


def test_weights_are_averaged_only_if_so_set():
    assert not build_optimizer(TrainingConfig(), 10).use_ema
    averaging = build_optimizer(TrainingConfig(weight_average=0.9), 10)
    assert averaging.use_ema and averaging.ema_momentum == 0.9


def test_the_optimizer_is_saved_and_read_by_keras():
    again = keras.optimizers.deserialize(keras.optimizers.serialize(FusedAdamW(0.1, decay=0.2, no_decay=("bias",))))
    assert isinstance(again, FusedAdamW) and again.decay == 0.2 and again.no_decay == ("bias",)
