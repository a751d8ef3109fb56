"""Callbacks: the log and the progress of a training."""

import logging

import keras
import numpy as np

from tfctc.training.callbacks import EpochLog, ProgressReport


def test_epochs_are_logged_and_steps_are_reported(caplog):
    calls = []
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile("sgd", "mse")
    with caplog.at_level(logging.INFO, "tfctc.training.callbacks"):
        model.fit(
            np.ones((6, 2)), np.ones((6, 1)), batch_size=2, epochs=2, verbose=0,
            callbacks=[EpochLog("student", 2), ProgressReport(lambda *call: calls.append(call), "student")],
        )  # fmt: skip
    first, second = [record.getMessage() for record in caplog.records]
    assert first.startswith("  student, epoch 1 of 2, ") and ": loss 0." in first
    assert second.startswith("  student, epoch 2 of 2, ")
    assert calls == [(f"student, epoch {epoch} of 2", step, 3) for epoch in (1, 2) for step in (1, 2, 3)]
