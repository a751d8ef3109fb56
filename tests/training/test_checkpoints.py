"""The best epoch, early stopping, and going on after an interruption."""

import json

import keras
import numpy as np
import pytest

from tfctc.errors import RunError
from tfctc.training import checkpoints
from tfctc.training.checkpoints import Checkpoint

X = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
Y = (X @ np.array([[1.0], [-1.0], [0.5], [0.0]], np.float32)).astype(np.float32)


def network():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def checkpoint(folder, model, monitor="val_loss", patience=50):
    return Checkpoint(folder, model, lambda: [*model.variables, *model.optimizer.variables], monitor, patience)


def train(model, kept, epochs, initial_epoch=0):
    model.fit(
        X, Y, validation_data=(X, Y), epochs=epochs, initial_epoch=initial_epoch, shuffle=False, verbose=0,
        callbacks=[kept],
    )  # fmt: skip


def feed(kept, values, monitor):
    """Pretends epochs with these validation figures; the model's weights are the epoch's number."""
    for epoch, value in enumerate(values):
        kept.keep.set_weights([np.full(w.shape, epoch + 1.0) for w in kept.keep.get_weights()])
        kept.on_epoch_end(epoch, {monitor: value})


@pytest.mark.parametrize(("monitor", "best"), [("val_auroc", 3), ("val_loss", 2)])
def test_the_best_epoch_is_kept_by_the_figures_own_direction(tmp_path, monitor, best):
    model = network()
    kept = checkpoint(tmp_path, model, monitor)
    kept.set_model(model)
    feed(kept, [0.6, 0.5, 0.9, 0.7], monitor)
    kept.restore_best()
    assert kept.best_epoch == best and all((w == best).all() for w in model.get_weights())


def test_patience_counts_epochs_without_a_better_figure(tmp_path):
    model = network()
    kept = checkpoint(tmp_path, model, "val_auroc", patience=2)
    kept.set_model(model)
    model.stop_training = False
    feed(kept, [0.5, 0.9, 0.9], "val_auroc")
    assert not model.stop_training
    kept.on_epoch_end(3, {"val_auroc": 0.8})
    assert model.stop_training and kept.finished


def test_an_interrupted_training_ends_bit_identical(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SAVE_EVERY", 0.0)
    whole = network()
    reference = checkpoint(tmp_path / "a", whole)
    train(whole, reference, 6)

    first = network()
    train(first, checkpoint(tmp_path / "b", first), 3)
    second = network()
    kept = checkpoint(tmp_path / "b", second)
    assert kept.restore() == 3
    train(second, kept, 6, initial_epoch=3)
    assert kept.history == reference.history and kept.best_epoch == reference.best_epoch
    for one, two in zip(whole.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_state_from_before_seconds_were_counted_is_gone_on_with(tmp_path):
    model = network()
    train(model, kept := checkpoint(tmp_path, model), 1)
    kept.save()
    saved = tmp_path / "state.json"
    saved.write_text(json.dumps({k: v for k, v in json.loads(saved.read_text()).items() if k != "seconds"}))
    again = checkpoint(tmp_path, network())
    assert again.restore() == 1 and again.earlier == 0.0


def test_only_the_last_state_stays_on_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "SAVE_EVERY", 0.0)
    model = network()
    train(model, checkpoint(tmp_path, model), 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["epoch3.npz", "state.json"]


def test_a_kill_while_saving_leaves_the_state_before(tmp_path, monkeypatch):
    model = network()
    kept = checkpoint(tmp_path, model)
    train(model, kept, 1)
    kept.save()
    monkeypatch.setattr(checkpoints, "write_json", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    train(model, again := checkpoint(tmp_path, model), 1)
    again.epoch = 2
    with pytest.raises(KeyboardInterrupt):
        again.save()
    assert checkpoint(tmp_path, network()).restore() == 1


@pytest.mark.parametrize("figure", ["loss", "val_loss"])
def test_a_loss_that_is_not_a_number_ends_the_training(tmp_path, figure):
    kept = checkpoint(tmp_path / "run" / "state" / "student", network())
    with pytest.raises(RunError, match="run: the student has diverged.* after epoch 2.*learning_rate"):
        kept.on_epoch_end(1, {"loss": 0.5, "val_loss": 0.5, figure: np.nan})
