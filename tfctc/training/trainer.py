"""Trainer: trains the stages of a recipe in a run folder, and resumes an interrupted run."""

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import keras
import tensorflow as tf

from tfctc.cells import DAPI
from tfctc.config import TrainingConfig
from tfctc.data import pipeline
from tfctc.data.builder import Cells
from tfctc.data.selection import Selection, as_written
from tfctc.data.soft_labels import SoftLabels
from tfctc.distill.distiller import Distiller
from tfctc.evaluation.keras_predictions import predict
from tfctc.evaluation.prevalence import estimated_prevalence
from tfctc.io.files import atomic_file
from tfctc.models.fast import to_stock
from tfctc.models.weights import copy_from_teacher
from tfctc.progress import Progress, silent
from tfctc.recipes import Recipe, Stage
from tfctc.training.ask_teachers import Teaching, tell_prevalence
from tfctc.training.callbacks import EpochLog, ProgressReport
from tfctc.training.checkpoint import Checkpoint
from tfctc.training.metrics import AUROC
from tfctc.training.networks import Normalisation, model_to_train
from tfctc.training.optimizer import build_optimizer
from tfctc.training.weight_average import BATCHES, WeightAverage

log = logging.getLogger(__name__)
#: Folders of a run: the state of an unfinished training, and the logs for TensorBoard.
STATE, LOGS = "state", "logs"
#: Fewest steps of an epoch whose length is not set. The default of 60 epochs then has 1,200 steps, as the comparison
#: with few labels has.
LEAST_STEPS = 20
#: Smallest share of labelled cells in a batch, even if fewer cells have a label: below it the student learns from the
#: labels too slowly. With soft labels it rises to the second number where none of the other cells is positive, or all
#: are: from these the student learns little about one of the classes.
LEAST_LABELLED_SHARE, MOST_LABELLED_SHARE = 0.1, 0.5
#: Size and number of the batches of unlabelled cells that a teacher network is tried on.
POOL_BATCH, POOL_BATCHES = 256, 8


@dataclass
class Trainer:
    """Trains the networks of one run.

    Args:
        recipe: recipe for the split of the data set.
        networks: the recipe's networks with their initial weights, by name.
        builder: the run's data.
        statistics: channel -> mean and standard deviation of its pixels over the training split.
        folder: the run folder.
        progress: called with the progress of every epoch.
        checkpoints: name of a stage -> its checkpoint; added when the stage ends.
    """

    recipe: Recipe
    networks: Mapping[str, keras.Model]
    builder: Cells
    statistics: Normalisation
    folder: Path
    progress: Progress = silent
    checkpoints: dict[str, Checkpoint] = field(default_factory=dict)

    def train(self) -> None:
        """Trains all stages in order, and saves each network when its last stage ends."""
        for stage in self.recipe.stages:
            self.train_stage(stage)
            if stage.saved_as:
                self.save(stage.network, stage.saved_as)

    def use_teachers(self, trained: Sequence[keras.Model]) -> None:
        """Copies the weights of trained teachers into the recipe's networks, and saves these in the run folder.

        The trained teachers are stock Keras models; the recipe's networks have faster layers.
        """
        for name, model in zip(self.recipe.teachers, trained, strict=True):
            self.networks[name].set_weights(model.get_weights())
            self.save(name, f"{name}.keras")

    def save(self, network: str, file: str) -> None:
        """Saves a network as a stock Keras model."""
        with atomic_file(self.folder / file) as temporary:
            to_stock(self.networks[network]).save(temporary)

    def train_stage(self, stage: Stage) -> None:
        """Trains one network, from a saved state if there is one. It ends with the weights of the kept epoch."""
        network, training = self.networks[stage.network], stage.training
        if stage.start_from:
            copy_from_teacher(network, self.networks[stage.start_from])
        steps = self.steps_per_epoch(stage)
        total = steps * training.epochs
        model = model_to_train(self.recipe, stage, self.networks, total)
        soft_labels = self.soft_labels(stage)
        stream = self.batches(stage, model, total, soft_labels)
        _compile(model, training, total)
        average = None
        if training.weight_average:
            # The last batches of the training: a change of channels that fades out has ended by then.
            average = WeightAverage(network, stream(max(0, total - BATCHES)).take(BATCHES))
        checkpoint = Checkpoint(
            self.folder / STATE / stage.name,
            network,
            lambda: [*model.variables, *model.optimizer.variables],
            stage.monitor,
            training.patience,
            average and average.averaged,
        )
        done = checkpoint.restore()
        self._log_start(stage, done)
        if done < training.epochs and not checkpoint.finished:
            self.check_pool(stage)
            model.fit(
                stream(done * steps),
                steps_per_epoch=steps,
                epochs=training.epochs,
                initial_epoch=done,
                validation_data=self.validation_batches(stage, model),
                shuffle=False,
                callbacks=[
                    *([average] if average else []),
                    checkpoint,
                    keras.callbacks.TensorBoard(str(self.folder / LOGS / stage.name), write_graph=False),
                    EpochLog(stage.name, training.epochs),
                    ProgressReport(self.progress, stage.name),
                ],
                verbose=0,
            )
            checkpoint.save()
        checkpoint.restore_best()
        self.checkpoints[stage.name] = checkpoint

    def soft_labels(self, stage: Stage) -> SoftLabels | None:
        """Soft labels of the training cells, if a loss of the stage reads them."""
        if not stage.soft_labels:
            return None
        networks = [self.networks[name] for name in self.recipe.teachers]
        return Teaching.of_stage(stage, self.builder, networks).soft_labels(stage.balanced_draw)

    def check_pool(self, stage: Stage) -> None:
        """Warns if, by the teacher, few unlabelled cells are positive: for such a pool no gain has been shown."""
        pools = [selection for selection in stage.cells if selection.labels == "unlabelled"]
        if not (stage.teachers and pools):
            return
        teacher = self.networks[stage.teachers[0]]
        cells = replace(pools[0], with_dapi=DAPI in teacher.input)
        if not pipeline.count(self.builder, "train", cells):
            return
        batches = pipeline.id_batches(self.builder, "train", tuple(teacher.input), POOL_BATCH, cells)
        trained_at, _ = pipeline.network_prior(self.builder, stage.cells[0], stage.training.class_weights == "balanced")
        share = estimated_prevalence(predict(teacher, batches.take(POOL_BATCHES)).probability, trained_at)
        tell_prevalence(share, self.builder.facts.positive)

    def steps_per_epoch(self, stage: Stage) -> int:
        """Number of training steps in an epoch: the setting, or one pass over the cells, but at least `LEAST_STEPS`."""
        cells = sum(pipeline.count(self.builder, "train", selection) for selection in stage.cells)
        return stage.training.steps_per_epoch or max(math.ceil(cells / stage.training.batch_size), LEAST_STEPS)

    def batches(
        self, stage: Stage, model: keras.Model, total_steps: int, soft_labels: SoftLabels | None = None
    ) -> Callable[[int], tf.data.Dataset]:
        """Function from the number of a training step to the endless stream of batches that starts at this step.

        Args:
            stage: the stage.
            model: the model to feed.
            total_steps: number of training steps of the stage.
            soft_labels: soft labels of the training cells, for a stage whose losses read them.
        """
        training = stage.training
        draw = batch_composition(self.builder, stage.cells, training, soft_labels)
        balanced = training.class_weights == "balanced"
        change = stage.channels.transform(self.statistics, stage.seed) if stage.channels else None

        def stream(step: int) -> tf.data.Dataset:
            batches = pipeline.train_batches(
                self.builder,
                self.recipe.channels_of(stage),
                draw=draw,
                seed=stage.seed,
                augment=self.recipe.augmentation,
                class_weights=pipeline.class_weights(self.builder, draw[0][0]) if balanced else None,
                soft_labels=soft_labels,
                plain=any(loss.needs_own_logits for loss in stage.losses.values()),
                start_step=step,
                cache_mb=training.cache_mb,
            )
            if change:
                batches = batches.enumerate(step).map(
                    as_written(lambda number, batch: change(*batch, tf.cast(number, tf.float32) / total_steps))
                )
            return _for_model(model, batches)

        return stream

    def validation_batches(self, stage: Stage, model: keras.Model) -> tf.data.Dataset:
        """Batches of the validation cells, by which each epoch is measured; each cell once and not augmented."""
        channels, size = self.recipe.channels_of(stage), stage.training.batch_size
        return _for_model(model, pipeline.eval_batches(self.builder, "validation", channels, size, stage.validation))

    def _log_start(self, stage: Stage, done: int) -> None:
        config = self.recipe.networks[stage.network].config
        learns = ", ".join(stage.losses) or "labels alone"
        taught = f", taught by {', '.join(stage.taught_by)}" if stage.taught_by else ""
        resumed = f", resumed after epoch {done}" if done else ""
        log.info(
            "Training %s: %s on %s, from %s%s%s",
            stage.name if stage.name == stage.network else f"{stage.network} ({stage.name})",
            config.backbone,
            " + ".join(config.channels),
            learns,
            taught,
            resumed,
        )


def batch_composition(
    builder: Cells, selections: Sequence[Selection], training: TrainingConfig, soft_labels: SoftLabels | None = None
) -> list[tuple[Selection, int]]:
    """Each selection with the number of its cells in a batch; a selection without a cell to draw is left out."""
    counts = {selection: pipeline.pass_length(builder, selection, soft_labels) for selection in selections}
    found = [selection for selection in selections if counts[selection]]
    if len(found) == 1:
        return [(found[0], training.batch_size)]
    least = LEAST_LABELLED_SHARE
    if soft_labels:
        rarer = min(soft_labels.prevalence, 1 - soft_labels.prevalence)
        least = MOST_LABELLED_SHARE - (MOST_LABELLED_SHARE - LEAST_LABELLED_SHARE) * rarer / 0.5
    share = training.labelled_share or max(counts[found[0]] / sum(counts.values()), least)
    first = min(max(round(share * training.batch_size), 1), training.batch_size - 1)
    return [(found[0], first), (found[1], training.batch_size - first)]


def _compile(model: keras.Model, training: TrainingConfig, total_steps: int) -> None:
    model.compile(
        optimizer=build_optimizer(training, total_steps),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        weighted_metrics=[AUROC()],
        # Keras would use XLA on a GPU, where the XLA of TensorFlow 2.21 ends the process with a failed check.
        jit_compile=False,
    )
    model.optimizer.build(model.trainable_variables)


def _for_model(model: keras.Model, batches: tf.data.Dataset) -> tf.data.Dataset:
    """Batches without the inputs that `model` does not have."""
    return batches if isinstance(model, Distiller) else batches.map(only(model.input))


def only(channels: Iterable[str]) -> Callable:
    """Function that removes all other channels from the inputs of a batch ``(x, y, sample_weight)``."""
    return as_written(lambda x, y, sample_weight: ({name: x[name] for name in channels}, y, sample_weight))
