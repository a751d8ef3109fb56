"""Keras callbacks that report a training: a log line for each epoch, and the steps within it."""

import logging
import time

import keras

from tfctc.progress import Progress

log = logging.getLogger(__name__)


class EpochLog(keras.callbacks.Callback):
    """Logs one line for each epoch: its metrics and its time.

    Args:
        stage: name of the stage.
        epochs: largest number of epochs.
    """

    def __init__(self, stage: str, epochs: int):
        super().__init__()
        self.stage, self.epochs, self.begun = stage, epochs, 0.0

    def on_epoch_begin(self, epoch, logs=None):
        self.begun = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        metrics = ", ".join(f"{name} {float(value):.4f}" for name, value in (logs or {}).items())
        seconds = time.monotonic() - self.begun
        log.info("  %s, epoch %d of %d, %.1f s: %s", self.stage, epoch + 1, self.epochs, seconds, metrics)


class ProgressReport(keras.callbacks.Callback):
    """Reports the steps of each epoch through the progress callback.

    Args:
        progress: the callback.
        stage: name of the stage.
    """

    def __init__(self, progress: Progress, stage: str):
        super().__init__()
        self.progress, self.stage, self.task = progress, stage, stage

    def on_epoch_begin(self, epoch, logs=None):
        self.task = f"{self.stage}, epoch {epoch + 1} of {self.params['epochs']}"

    def on_train_batch_end(self, batch, logs=None):
        self.progress(self.task, batch + 1, self.params["steps"])
