"""One training: a model, its data stream, its optimiser, its checkpoint."""

import math
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from tfctc.augment.policy import Policy
from tfctc.config import RunConfig, TrainingConfig
from tfctc.data import pipeline
from tfctc.data.selection import Selection
from tfctc.distill.distiller import Distiller
from tfctc.training.adamw import FusedAdamW
from tfctc.training.averaging import SETTLING, Averaging
from tfctc.training.checkpoints import Checkpoint

#: Of a batch, however few of the cells have a label: with fewer than that the labels are learnt too slowly.
LEAST_LABELLED_SHARE = 0.1


class AUROC(keras.metrics.AUC):
    """Area under the ROC curve of logits ``(B, 2)``, to 0.002 where log-odds are spread by 0.1 to 100.

    Counted in even steps of ``z / (4 + |z|)``, z the log-odds. Even steps of the probability would put all that a
    confident network says into the first and the last one, and cells of one step have no order.
    """

    def __init__(self, name: str = "auroc"):
        super().__init__(name=name, num_thresholds=2000)

    def update_state(self, y_true, y_pred, sample_weight=None):
        log_odds = y_pred[:, 1] - y_pred[:, 0]
        super().update_state(y_true, 0.5 + 0.5 * log_odds / (4 + keras.ops.abs(log_odds)), sample_weight)


@dataclass(frozen=True)
class Stage:
    """One of the trainings of a run, with its own state, logs and random stream."""

    name: str
    seed: int
    config: RunConfig
    state: Path
    logs: Path
    builder: object

    def train(
        self,
        model: keras.Model,
        keep: keras.Model,
        channels: tuple[str, ...],
        selections: Sequence[Selection],
        validate: Selection = pipeline.LABELLED,
        show: Callable | None = None,
        monitor: str | None = None,
    ) -> Checkpoint:
        """Fits `model`, going on from a saved state if there is one, and leaves the best epoch's weights in `keep`.

        Args:
            selections: training cells; of two, the first has `training.labelled_share` of every batch.
            validate: validation cells that the best epoch is chosen by.
            show: ``(x, y, sample_weight, fraction of training done)`` to what the model is shown, after augmentation.
            monitor: in place of `training.monitor`.
        """
        training, steps, total = self.config.training, self._steps(selections), self.total_steps(selections)
        stream = self._stream(model, channels, selections, total, show)
        self._compile(model, total)
        averaging = None
        if training.weight_average:
            # The last batches: nothing that a schedule shows at first only is among them.
            averaging = Averaging(keep, stream(max(0, total - SETTLING)).take(SETTLING))
        checkpoint = Checkpoint(
            self.state / self.name,
            keep,
            lambda: [*model.variables, *model.optimizer.variables],
            monitor or training.monitor,
            training.patience,
            averaging and averaging.averaged,
        )
        done = checkpoint.restore()
        if done < training.epochs and not checkpoint.finished:
            validation = pipeline.eval_batches(self.builder, "validation", channels, training.batch_size, validate)
            tensorboard = keras.callbacks.TensorBoard(str(self.logs / self.name), write_graph=False)
            model.fit(
                stream(done * steps),
                steps_per_epoch=steps,
                epochs=training.epochs,
                initial_epoch=done,
                validation_data=_for(model, validation),
                shuffle=False,
                callbacks=[*([averaging] if averaging else []), checkpoint, tensorboard],
                verbose=1 if sys.stdout.isatty() else 2,
            )
            checkpoint.save()
        checkpoint.restore_best()
        return checkpoint

    def total_steps(self, selections: Sequence[Selection]) -> int:
        """Training steps of all epochs."""
        return self._steps(selections) * self.config.training.epochs

    def _steps(self, selections: Sequence[Selection]) -> int:
        """Training steps of an epoch."""
        training = self.config.training
        cells = sum(pipeline.count(self.builder, "train", selection) for selection in selections)
        return training.steps_per_epoch or math.ceil(cells / training.batch_size)

    def _stream(self, model: keras.Model, channels, selections, total: int, show: Callable | None):
        """Training step -> the endless stream of batches from that step on."""
        training, draw = self.config.training, _shares(self.builder, selections, self.config.training)
        balanced = training.class_weights == "balanced"

        def stream(step: int) -> tf.data.Dataset:
            batches = pipeline.train_batches(
                self.builder,
                channels,
                draw=draw,
                seed=self.seed,
                augment=Policy.from_config(self.config.augment),
                class_weights=pipeline.class_weights(self.builder, draw[0][0]) if balanced else None,
                start_step=step,
                cache_mb=training.cache_mb,
            )
            if show:
                batches = batches.enumerate(step).map(
                    lambda number, batch: show(*batch, tf.cast(number, tf.float32) / total)
                )
            return _for(model, batches)

        return stream

    def _compile(self, model: keras.Model, total: int) -> None:
        training = self.config.training
        warmup = int(training.warmup * total)
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else training.learning_rate,
            max(1, total - warmup),
            warmup_target=training.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
        ema = {"use_ema": True, "ema_momentum": training.weight_average} if training.weight_average else {}
        optimizer = FusedAdamW(schedule, weight_decay=training.weight_decay, **ema)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        model.compile(
            optimizer=optimizer,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            weighted_metrics=[AUROC()],
            # Keras would use XLA on a GPU, and TensorFlow 2.21's gives up there: a failed check ends the process.
            jit_compile=False,
        )
        model.optimizer.build(model.trainable_variables)


def _shares(builder, selections: Sequence[Selection], training: TrainingConfig) -> list[tuple[Selection, int]]:
    """How many cells of each selection a batch holds; a selection without a cell is left out."""
    counts = {selection: pipeline.count(builder, "train", selection) for selection in selections}
    found = [selection for selection in selections if counts[selection]]
    if len(found) == 1:
        return [(found[0], training.batch_size)]
    share = training.labelled_share or max(counts[found[0]] / sum(counts.values()), LEAST_LABELLED_SHARE)
    first = min(max(round(share * training.batch_size), 1), training.batch_size - 1)
    return [(found[0], first), (found[1], training.batch_size - first)]


def _for(model: keras.Model, batches: tf.data.Dataset) -> tf.data.Dataset:
    """Without what `model` does not take."""
    return batches if isinstance(model, Distiller) else batches.map(only(model.input))


def only(channels: Iterable[str]):
    """Drops what a plain Keras model has no input for."""
    return lambda x, y, sample_weight: ({channel: x[channel] for channel in channels}, y, sample_weight)
