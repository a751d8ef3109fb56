"""Averaged weights against NumPy's own average of the weights after every step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfctc.models.batchnorm import FusedBatchNormalization
from tfctc.training.optimizer import FusedAdamW
from tfctc.training.weight_average import WeightAverage

EMA, NORM = 0.7, 0.6


class Recorder(keras.callbacks.Callback):
    """The weights after every step, and those that are validated."""

    def __init__(self):
        super().__init__()
        self.steps, self.validated, self.ended = [], [], []

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(self.model.get_weights())

    def on_test_begin(self, logs=None):
        self.validated.append(self.model.get_weights())

    def on_epoch_end(self, epoch, logs=None):
        self.ended.append(self.model.get_weights())


def network(norm=True):
    keras.utils.set_random_seed(0)
    image = keras.Input((6, 6, 1), name="brightfield")
    x = keras.layers.Conv2D(3, 3, use_bias=False, name="convolution")(image)
    x = FusedBatchNormalization(momentum=NORM, name="norm")(x) if norm else x
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.ReLU()(x))
    model = keras.Model({"brightfield": image}, keras.layers.Dense(1)(x))
    model.compile(FusedAdamW(0.05, use_ema=True, ema_momentum=EMA), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def images():
    return np.random.default_rng(0).normal(0.5, 2.0, (24, 6, 6, 1)).astype(np.float32)


def batches():
    labels = np.random.default_rng(1).integers(0, 2, (24, 1)).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices(({"brightfield": images()}, labels, np.ones(24, np.float32))).batch(8)


def train(model, epochs=2):
    averaging, recorder = WeightAverage(model, batches().take(2)), Recorder()
    fitted = model.fit(
        batches(), validation_data=batches(), epochs=epochs, shuffle=False, verbose=0, callbacks=[averaging, recorder]
    )
    return averaging, recorder, fitted.history


def names(model):
    return [weight.path.split("/")[-2:] for weight in model.weights]


@pytest.fixture(scope="module")
def trained():
    model = network()
    return model, *train(model)


def test_what_is_validated_is_the_moving_average_of_what_is_trained(trained):
    model, _, recorder, _ = trained
    learnt = [i for i, (_, name) in enumerate(names(model)) if not name.startswith("moving")]
    average = recorder.steps[0]
    for number, weights in enumerate(recorder.steps[1:], 2):
        average = [EMA * a + (1 - EMA) * w for a, w in zip(average, weights, strict=True)]
        if number % 3 == 0:
            validated = recorder.validated[number // 3 - 1]
            for i in learnt:
                np.testing.assert_allclose(validated[i], average[i], rtol=1e-5, atol=1e-6)
    assert any(np.abs(average[i] - recorder.steps[-1][i]).max() > 0.01 for i in learnt)


def test_batchnorm_statistics_are_those_of_the_averaged_weights(trained):
    model, _, recorder, _ = trained
    validated = {"/".join(name): weight for name, weight in zip(names(model), recorder.validated[-1], strict=True)}
    maps = [tf.nn.conv2d(images()[i : i + 8], validated["convolution/kernel"], 1, "VALID").numpy() for i in (0, 8)]
    # The later of two batches counts more, as it does in any moving average.
    shares = np.array([NORM, 1.0]) / (NORM + 1)
    for name, statistic in (("norm/moving_mean", np.mean), ("norm/moving_variance", np.var)):
        expected = sum(share * statistic(m, axis=(0, 1, 2)) for share, m in zip(shares, maps, strict=True))
        np.testing.assert_allclose(validated[name], expected, rtol=1e-4, atol=1e-6)


def test_training_goes_on_from_the_last_weights_to_the_bit(trained):
    _, _, recorder, _ = trained
    for after_step, after_epoch in zip(recorder.steps[2::3], recorder.ended, strict=True):
        for one, two in zip(after_step, after_epoch, strict=True):
            np.testing.assert_array_equal(one, two)


def test_the_validation_loss_is_that_of_the_weights_held_for_the_checkpoint(trained):
    _, averaging, recorder, history = trained
    model = network()
    model.set_weights(averaging.averaged())
    assert model.evaluate(batches(), verbose=0) == pytest.approx(history["val_loss"][-1], rel=1e-5)
    for held, validated in zip(averaging.averaged(), recorder.validated[-1], strict=True):
        np.testing.assert_array_equal(held, validated)


def test_two_replicas_average_as_one_device_does():
    def averaged(strategy):
        with strategy.scope():
            # BatchNorm counts in each replica: without it, two are to the bit of one.
            model = network(norm=False)
            return train(model)[0].averaged()

    reduction = tf.distribute.ReductionToOneDevice()
    two = averaged(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=reduction))
    for a, b in zip(two, averaged(tf.distribute.get_strategy()), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_two_replicas_compute_batchnorm_statistics():
    reduction = tf.distribute.ReductionToOneDevice()
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"], cross_device_ops=reduction).scope():
        model = network()
        averaging, recorder, _ = train(model)
    kernel, *_, mean, variance, _, _ = averaging.averaged()
    maps = [tf.nn.conv2d(images()[i : i + 8], kernel, 1, "VALID").numpy() for i in (0, 8)]
    expected = (NORM * maps[0].mean((0, 1, 2)) + maps[1].mean((0, 1, 2))) / (NORM + 1)
    np.testing.assert_allclose(mean, expected, rtol=1e-4, atol=1e-6)
    assert (variance > 0).all()
