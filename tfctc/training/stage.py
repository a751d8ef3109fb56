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
from tfctc.models.classifier import probability
from tfctc.training.adamw import FusedAdamW
from tfctc.training.checkpoints import Checkpoint

#: Of a batch, however few of the cells have a label: with fewer than that the labels are learnt too slowly.
LEAST_LABELLED_SHARE = 0.1


class AUROC(keras.metrics.AUC):
    """Area under the ROC curve of logits ``(B, 2)``."""

    def __init__(self, name: str = "auroc"):
        super().__init__(name=name, num_thresholds=1000)

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(y_true, probability(y_pred), sample_weight)


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
        training, steps = self.config.training, self.steps(selections)
        draw = _shares(self.builder, selections, training)
        total = steps * training.epochs
        self._compile(model, total)
        checkpoint = Checkpoint(
            self.state / self.name,
            keep,
            lambda: [*model.variables, *model.optimizer.variables],
            monitor or training.monitor,
            training.patience,
        )
        done = checkpoint.restore()
        if done < training.epochs and not checkpoint.finished:
            balanced = training.class_weights == "balanced"
            batches = pipeline.train_batches(
                self.builder,
                channels,
                draw=draw,
                seed=self.seed,
                augment=Policy.from_config(self.config.augment),
                class_weights=pipeline.class_weights(self.builder, draw[0][0]) if balanced else None,
                start_step=done * steps,
                cache_mb=training.cache_mb,
            )
            validation = pipeline.eval_batches(self.builder, "validation", channels, training.batch_size, validate)
            if show:
                batches = batches.enumerate(done * steps).map(
                    lambda step, batch: show(*batch, tf.cast(step, tf.float32) / total)
                )
            if not isinstance(model, Distiller):
                batches, validation = (part.map(only(model.input)) for part in (batches, validation))
            model.fit(
                batches,
                steps_per_epoch=steps,
                epochs=training.epochs,
                initial_epoch=done,
                validation_data=validation,
                shuffle=False,
                callbacks=[checkpoint, keras.callbacks.TensorBoard(str(self.logs / self.name), write_graph=False)],
                verbose=1 if sys.stdout.isatty() else 2,
            )
            checkpoint.save()
        checkpoint.restore_best()
        return checkpoint

    def steps(self, selections: Sequence[Selection]) -> int:
        """Training steps of an epoch."""
        training = self.config.training
        cells = sum(pipeline.count(self.builder, "train", selection) for selection in selections)
        return training.steps_per_epoch or math.ceil(cells / training.batch_size)

    def _compile(self, model: keras.Model, total: int) -> None:
        training = self.config.training
        warmup = int(training.warmup * total)
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else training.learning_rate,
            max(1, total - warmup),
            warmup_target=training.learning_rate if warmup else None,
            warmup_steps=warmup,
        )
        optimizer = FusedAdamW(schedule, weight_decay=training.weight_decay)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
        model.compile(
            optimizer=optimizer,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            weighted_metrics=[AUROC()],
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


def only(channels: Iterable[str]):
    """Drops what a plain Keras model has no input for."""
    return lambda x, y, sample_weight: ({channel: x[channel] for channel in channels}, y, sample_weight)
