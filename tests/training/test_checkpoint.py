"""The best epoch, early stopping, and going on after an interruption."""

import json

import keras
import numpy as np
import pytest

from tfctc.errors import RunError
from tfctc.training import checkpoint
from tfctc.training.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def points():
    """Points ``(32, 4)`` and a linear function of them."""
    x = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
    return x, (x @ np.array([[1.0], [-1.0], [0.5], [0.0]], np.float32)).astype(np.float32)


def network():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def keep(folder, model, monitor="val_loss", patience=50):
    return Checkpoint(folder, model, lambda: [*model.variables, *model.optimizer.variables], monitor, patience)


def train(points, model, kept, epochs, initial_epoch=0):
    model.fit(
        *points, validation_data=points, epochs=epochs, initial_epoch=initial_epoch, shuffle=False, verbose=0,
        callbacks=[kept],
    )  # fmt: skip


def feed(kept, values, monitor):
    """Reports epochs with these validation metrics; the network's weights are the number of the epoch."""
    for epoch, value in enumerate(values):
        kept.network.set_weights([np.full(w.shape, epoch + 1.0) for w in kept.network.get_weights()])
        kept.on_epoch_end(epoch, {monitor: value})


@pytest.mark.parametrize(("monitor", "best"), [("val_auroc", 3), ("val_loss", 2)])
def test_the_best_epoch_is_the_highest_auroc_or_the_lowest_loss(tmp_path, monitor, best):
    model = network()
    kept = keep(tmp_path, model, monitor)
    kept.set_model(model)
    feed(kept, [0.6, 0.5, 0.9, 0.7], monitor)
    kept.restore_best()
    assert kept.best_epoch == best and all((w == best).all() for w in model.get_weights())


def test_patience_counts_epochs_without_a_better_metric(tmp_path):
    model = network()
    kept = keep(tmp_path, model, "val_auroc", patience=2)
    kept.set_model(model)
    model.stop_training = False
    feed(kept, [0.5, 0.9, 0.9], "val_auroc")
    assert not model.stop_training
    kept.on_epoch_end(3, {"val_auroc": 0.8})
    assert model.stop_training and kept.finished


def test_an_interrupted_training_ends_bit_identical(points, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SAVE_EVERY", 0.0)
    whole = network()
    reference = keep(tmp_path / "a", whole)
    train(points, whole, reference, 6)

    first = network()
    train(points, first, keep(tmp_path / "b", first), 3)
    second = network()
    kept = keep(tmp_path / "b", second)
    assert kept.restore() == 3
    train(points, second, kept, 6, initial_epoch=3)
    assert kept.history == reference.history and kept.best_epoch == reference.best_epoch
    for one, two in zip(whole.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_state_of_version_0_1_without_seconds_is_resumed(points, tmp_path):
    model = network()
    train(points, model, kept := keep(tmp_path, model), 1)
    kept.save()
    saved = tmp_path / "state.json"
    saved.write_text(json.dumps({k: v for k, v in json.loads(saved.read_text()).items() if k != "seconds"}))
    again = keep(tmp_path, network())
    assert again.restore() == 1 and again.earlier_seconds == 0.0


def test_only_the_last_state_stays_on_disk(points, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SAVE_EVERY", 0.0)
    model = network()
    train(points, model, keep(tmp_path, model), 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["epoch3.npz", "state.json"]


def test_a_kill_while_saving_leaves_the_previous_state(points, tmp_path, monkeypatch):
    model = network()
    kept = keep(tmp_path, model)
    train(points, model, kept, 1)
    kept.save()
    monkeypatch.setattr(checkpoint, "write_json", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    train(points, model, again := keep(tmp_path, model), 1)
    again.epoch = 2
    with pytest.raises(KeyboardInterrupt):
        again.save()
    assert keep(tmp_path, network()).restore() == 1


@pytest.mark.parametrize("metric", ["loss", "val_loss"])
def test_a_loss_that_is_not_a_number_ends_the_training(tmp_path, metric):
    kept = keep(tmp_path / "run" / "state" / "student", network())
    with pytest.raises(RunError, match="run: the training of student diverged.* after epoch 2.*learning_rate"):
        kept.on_epoch_end(1, {"loss": 0.5, "val_loss": 0.5, metric: np.nan})
