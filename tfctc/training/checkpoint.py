"""Checkpoint of a stage: the epoch that is kept, early stopping, and everything needed to resume."""

import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from tfctc.errors import RunError
from tfctc.io.files import atomic_file, write_json

#: Least number of seconds between two saved states; an interruption costs at most this time and one epoch.
SAVE_EVERY = 60.0
#: In place of a metric: the last epoch is kept.
LAST = "last"


class Checkpoint(keras.callbacks.Callback):
    """Keras callback that keeps the best epoch's weights, stops early, and saves the state of the training.

    A training that is resumed from the state gives the same weights, bit for bit, as one without interruption.
    `keras.callbacks.BackupAndRestore` saves neither the patience of early stopping nor the best weights.

    Args:
        folder: folder of the state, which is needed only until the run is finished.
        network: the network whose best weights are kept: the one that the stage trains, without projectors or teachers.
        variables: function that returns all variables that change in training, those of the optimizer included.
        monitor: metric that chooses the best epoch; smaller is better if its name ends in "loss". "last" keeps the last
            epoch, and does not stop early.
        patience: epochs without a better metric before training stops.
        weights: function that returns the weights that were validated, if these are not the current weights of
            `network`: for example `WeightAverage.averaged`.
    """

    def __init__(
        self,
        folder: Path,
        network: keras.Model,
        variables: Callable[[], Sequence],
        monitor: str,
        patience: int,
        weights: Callable[[], list] | None = None,
    ):
        super().__init__()
        self.folder, self.network, self.variables = folder, network, variables
        self.monitor, self.patience = monitor, patience
        self.sign = -1.0 if monitor.endswith("loss") else 1.0
        self.epoch, self.best, self.best_epoch = 0, -math.inf, 0
        self.history: list[dict[str, float | None]] = []
        self._weights = weights or network.get_weights
        self._best_weights = network.get_weights()
        #: Seconds that earlier sessions spent up to the saved state.
        self.earlier_seconds = 0.0
        self._saved_at = self._begun = time.monotonic()

    @property
    def finished(self) -> bool:
        """Whether patience has run out."""
        return self.epoch - self.best_epoch >= self.patience

    def restore(self) -> int:
        """Restores the last saved state, if there is one; returns the number of epochs already trained."""
        state_file = self.folder / "state.json"
        if state_file.exists():
            state = json.loads(state_file.read_text())
            with np.load(self.folder / state["weights"]) as saved:
                variables = self.variables()
                for i, variable in enumerate(variables):
                    variable.assign(saved[f"variable{i}"])
                self._best_weights = [saved[f"best{i}"] for i in range(len(self._best_weights))]
            self.epoch, self.best_epoch, self.history = state["epoch"], state["best_epoch"], state["history"]
            # States from early files of version 0.1 have no "seconds".
            self.earlier_seconds = state.get("seconds", 0.0)
            self.best = -math.inf if state["best"] is None else state["best"]
        return self.epoch

    def save(self) -> None:
        """Saves the state: first the weights, then `state.json`, which names the weights file.

        So a process that is killed between the two leaves the state before.
        """
        weights = f"epoch{self.epoch}.npz"
        with atomic_file(self.folder / weights) as temporary:
            current = {f"variable{i}": np.asarray(v) for i, v in enumerate(self.variables())}
            best = {f"best{i}": value for i, value in enumerate(self._best_weights)}
            np.savez(temporary, allow_pickle=False, **current, **best)
        write_json(
            self.folder / "state.json",
            {
                "weights": weights,
                "epoch": self.epoch,
                "best": self.best if math.isfinite(self.best) else None,
                "best_epoch": self.best_epoch,
                "history": self.history,
                "seconds": self.earlier_seconds + time.monotonic() - self._begun,
            },
        )
        for old in self.folder.glob("epoch*.npz"):
            if old.name != weights:
                old.unlink()
        self._saved_at = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        self.epoch = epoch + 1
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        monitored = ["loss"] if self.monitor == LAST else ["loss", self.monitor]
        if not all(math.isfinite(metrics.get(name, 0.0)) for name in monitored):
            raise RunError(
                f"the training of {self.folder.name} diverged: {' or '.join(monitored)} is not finite after epoch "
                f"{self.epoch}",
                path=self.folder.parent.parent,
                fix="start again with another --output and a lower training.learning_rate (learning_rates of a plan)",
            )
        self.history.append({name: value if math.isfinite(value) else None for name, value in metrics.items()})
        value = self.epoch if self.monitor == LAST else self.sign * metrics[self.monitor]
        if value > self.best:
            self.best, self.best_epoch = value, self.epoch
            self._best_weights = self._weights()
        if self.finished:
            self.model.stop_training = True
        if time.monotonic() - self._saved_at > SAVE_EVERY:
            self.save()

    def restore_best(self) -> None:
        """Puts the best epoch's weights into the network."""
        self.network.set_weights(self._best_weights)
