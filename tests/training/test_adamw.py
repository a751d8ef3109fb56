"""Fused AdamW against Keras's own and the formula."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfctc.training.adamw import FusedAdamW

RNG = np.random.default_rng(0)
GRADIENTS = RNG.standard_normal((5, 2, 3, 4)).astype(np.float32)


def steps(kind, **options):
    """Two weights, the second of them without decay, after five updates; and the state."""
    weights = [keras.Variable(np.full((3, 4), 2.0, np.float32), name=name) for name in ("kernel", "bias")]
    schedule = keras.optimizers.schedules.CosineDecay(0.01, 5)
    optimizer = kind(schedule, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    optimizer.build(weights)
    apply = tf.function(lambda gradients: optimizer.apply(gradients, weights))
    for gradients in GRADIENTS:
        apply([tf.constant(g) for g in gradients])
    return [np.asarray(w) for w in weights], [np.asarray(v) for v in optimizer.variables]


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.1, "beta_1": 0.8, "epsilon": 1e-3}])
def test_weights_and_state_are_those_of_keras(options):
    (weights, state), (expected, expected_state) = (
        steps(FusedAdamW, **options),
        steps(keras.optimizers.AdamW, **options),
    )
    for a, b in zip(weights + state, expected + expected_state, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_formula():
    """Decoupled decay, then Adam with bias correction; epsilon beside the uncorrected deviation, as in Keras."""
    p, m, v = np.full((2, 3, 4), 2.0), 0.0, 0.0
    decay = np.array([0.1, 0.0])[:, None, None]
    for t, g in enumerate(GRADIENTS.astype(np.float64), 1):
        rate = 0.01 * 0.5 * (1 + np.cos(np.pi * (t - 1) / 5))
        p = p * (1 - rate * decay)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        p = p - rate * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-7)
    weights, _ = steps(FusedAdamW, weight_decay=0.1)
    np.testing.assert_allclose(weights, p, rtol=1e-5)


def test_mirrored_replicas_are_updated_as_one_device():
    x, y = RNG.standard_normal((8, 3)).astype(np.float32), RNG.standard_normal((8, 1)).astype(np.float32)

    def train(strategy):
        with strategy.scope():
            model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_initializer="ones")])
            model.compile(FusedAdamW(0.1, weight_decay=0.1), "mse")
        model.fit(x, y, batch_size=8, epochs=3, shuffle=False, verbose=0)
        return model.get_weights()

    # Collective operations of two strategies in one process take one another's numbers.
    reduction = tf.distribute.ReductionToOneDevice()
    two = train(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=reduction))
    for a, b in zip(two, train(tf.distribute.get_strategy()), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4)
