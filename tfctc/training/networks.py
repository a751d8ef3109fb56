"""Networks of a run, built from its recipe, and the Keras model that trains a stage."""

import math
from collections.abc import Callable, Mapping

import keras
import tensorflow as tf

from tfctc.cells import BRIGHTFIELD
from tfctc.distill.distiller import Distiller
from tfctc.distill.losses import DistillationLoss
from tfctc.distill.teachers import Teachers
from tfctc.models.classifier import LOGITS, build_classifier, with_taps
from tfctc.models.fast import fold_batchnorm
from tfctc.models.weights import copy_from_teacher
from tfctc.recipes import Recipe, Stage
from tfctc.recipes.recipe import STUDENT

#: Channel -> mean and standard deviation of its pixels over the training split.
Normalisation = Mapping[str, tuple[float, float]]
#: Name -> function from the fraction of the training steps done, 0 to 1, to the factor of the distillation losses.
SCHEDULES: dict[str, Callable] = {
    "constant": lambda done: 1.0,
    "fade-in": lambda done: 0.5 - 0.5 * tf.cos(math.pi * done),
    "fade-out": lambda done: 0.5 + 0.5 * tf.cos(math.pi * done),
}


def build_networks(
    recipe: Recipe, image_size: tuple[int, int], statistics: Normalisation, classes: int = 2
) -> dict[str, keras.Model]:
    """Builds every network of the recipe with its initial weights, and the weights of its distillation losses.

    Each network has a seed of its own, so that a run resumed after the teacher's stage starts with the same student.

    Args:
        recipe: the recipe.
        image_size: height and width of the images.
        statistics: channel -> mean and standard deviation of its pixels over the training split.
        classes: number of classes.

    Returns:
        Name -> network.

    Raises:
        ConfigError: initial weights, taps or losses that do not fit a network.
    """
    networks = {}
    for name, network in recipe.networks.items():
        keras.utils.set_random_seed(network.seed)
        networks[name] = build_classifier(network.config, image_size, statistics, name, classes)
    # The student was built last, so its seed also decides the initial weights of its losses.
    for stage in recipe.stages:
        _prepare_losses(recipe, stage, networks)
        if stage.start_from:
            copy_from_teacher(networks[stage.network], networks[stage.start_from])
    return networks


def model_to_train(recipe: Recipe, stage: Stage, networks: Mapping[str, keras.Model], total_steps: int) -> keras.Model:
    """The Keras model whose `fit` trains a stage: the network itself, or a `Distiller` around it.

    Args:
        recipe: the recipe.
        stage: the stage.
        networks: name -> network.
        total_steps: number of training steps of the stage.
    """
    network = networks[stage.network]
    if not stage.losses:
        return network
    taps = _teacher_taps(stage.losses)
    teachers = [
        with_taps(fold_batchnorm(networks[name]), recipe.networks[name].config, taps) for name in stage.teachers
    ]
    schedule = SCHEDULES[stage.schedule]
    return Distiller(
        _tapped_student(recipe, stage, network),
        Teachers(teachers) if teachers else None,
        stage.losses,
        stage.label_weight,
        lambda step: schedule(tf.cast(step, tf.float32) / total_steps),
    )


def _prepare_losses(recipe: Recipe, stage: Stage, networks: Mapping[str, keras.Model]) -> None:
    if not stage.losses:
        return
    student = _tapped_student(recipe, stage, networks[stage.network])
    teacher_shapes: dict[str, tuple] = {}
    if stage.teachers:
        first = stage.teachers[0]
        teacher = with_taps(networks[first], recipe.networks[first].config, _teacher_taps(stage.losses))
        teacher_shapes = {tap: tuple(output.shape) for tap, output in teacher.output.items()}
    student_shapes = {tap: tuple(output.shape) for tap, output in student.output.items()}
    for loss in stage.losses.values():
        loss.prepare(student_shapes, teacher_shapes, tuple(student.input[BRIGHTFIELD].shape))


def _tapped_student(recipe: Recipe, stage: Stage, student: keras.Model) -> keras.Model:
    taps = {LOGITS}.union(*(loss.student_taps for loss in stage.losses.values()))
    return with_taps(student, recipe.networks[STUDENT].config, taps)


def _teacher_taps(losses: Mapping[str, DistillationLoss]) -> set[str]:
    return {LOGITS}.union(*(loss.teacher_taps for loss in losses.values()))
