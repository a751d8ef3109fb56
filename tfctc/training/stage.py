"""One training: a model, its data stream, its optimiser, its checkpoint."""

import math
import sys
from dataclasses import dataclass
from pathlib import Path

import keras

from tfctc.augment.policy import Policy
from tfctc.cells import DAPI, DAPI_PRESENT
from tfctc.config import RunConfig
from tfctc.data import pipeline
from tfctc.distill.distiller import Distiller
from tfctc.models.classifier import probability
from tfctc.training.adamw import FusedAdamW
from tfctc.training.checkpoints import Checkpoint


class AUROC(keras.metrics.AUC):
    """Area under the ROC curve of logits ``(B, 2)``."""

    def __init__(self, name: str = "auroc"):
        super().__init__(name=name, num_thresholds=1000)

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(y_true, probability(y_pred), sample_weight)


@dataclass(frozen=True)
class Stage:
    """One of the two trainings of a run, with its own state, logs and random stream."""

    name: str
    seed: int
    config: RunConfig
    state: Path
    logs: Path
    builder: object

    def train(
        self, model: keras.Model, keep: keras.Model, channels: tuple[str, ...], labelled_only: bool
    ) -> Checkpoint:
        """Fits `model`, going on from a saved state if there is one, and leaves the best epoch's weights in `keep`."""
        training = self.config.training
        steps = math.ceil(pipeline.count(self.builder, "train", labelled_only=labelled_only) / training.batch_size)
        self._compile(model, steps)
        checkpoint = Checkpoint(
            self.state / self.name,
            keep,
            lambda: [*model.variables, *model.optimizer.variables],
            training.monitor,
            training.patience,
        )
        done = checkpoint.restore()
        if done < training.epochs and not checkpoint.finished:
            batches = pipeline.train_batches(
                self.builder,
                channels,
                batch_size=training.batch_size,
                seed=self.seed,
                augment=Policy.from_config(self.config.augment),
                class_weights=pipeline.class_weights(self.builder) if training.class_weights == "balanced" else None,
                labelled_only=labelled_only,
                start_step=done * steps,
                cache_mb=training.cache_mb,
            )
            validation = pipeline.eval_batches(self.builder, "validation", channels, training.batch_size)
            if not isinstance(model, Distiller):
                batches, validation = batches.map(only_complete(channels)), validation.map(only_complete(channels))
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

    def _compile(self, model: keras.Model, steps: int) -> None:
        training = self.config.training
        total = steps * training.epochs
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


def only_complete(channels: tuple[str, ...]):
    """Drops what a plain Keras model has no input for; a cell without DAPI says nothing to a model that reads DAPI."""

    def select(x, y, sample_weight):
        if DAPI in channels:
            sample_weight = sample_weight * x[DAPI_PRESENT]
        return {channel: x[channel] for channel in channels}, y, sample_weight

    return select
