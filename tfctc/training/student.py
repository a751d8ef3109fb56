"""Training the bright-field student, in each of the modes."""

import math
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from tfctc.distill.distiller import Distiller
from tfctc.distill.losses import GIVEN, DistillationLoss, build_losses
from tfctc.distill.teachers import Teachers
from tfctc.models.classifier import LOGITS, tapped
from tfctc.models.fast import folded, stock
from tfctc.models.weights import inherit
from tfctc.training import run as layout
from tfctc.training.course import Course, stream_seed
from tfctc.training.roles import losses_of
from tfctc.training.shown import some_as_dapi

#: Fraction of training done -> strength of the distillation losses.
SCHEDULES = {
    "constant": lambda done: 1.0,
    "fade-in": lambda done: 0.5 - 0.5 * tf.cos(math.pi * done),
    "fade-out": lambda done: 0.5 + 0.5 * tf.cos(math.pi * done),
}


def train_student(course: Course, teachers: Sequence[keras.Model]) -> keras.Model:
    """Trains and saves the student; returns it as a stock Keras model."""
    config, seed = course.config, stream_seed(course.config, "student")
    student = course.network(config.student, "student", seed)
    if teachers and config.distill.start == "teacher":
        inherit(student, teachers[0])
    if config.pretrain.epochs:
        _pretrain(course, student)
    stage, labelled = course.stage("student", seed), course.selection()
    model, selections, show, how = student, [labelled], None, "from labels alone"
    if losses_of(config):
        selections = [labelled, course.selection("unlabelled")]
        model = _taught(course, student, [folded(teacher) for teacher in teachers], stage.total_steps(selections))
        how = f"taught through {', '.join(config.distill.losses)}"
    elif config.mode == "dapi-augmented":
        show = some_as_dapi(course)
        how = "from labels, shown as bright-field and as DAPI"
    course.say(f"Student: {config.student.backbone} on {' + '.join(config.student.channels)}, {how}")
    course.outcomes["student"] = stage.train(model, student, course.channels, selections, show=show)
    student = stock(student)
    course.save(student, layout.STUDENT)
    return student


def check_networks(course: Course) -> None:
    """Weights, taps and losses fit: told before any network is trained.

    Raises:
        ConfigError: they do not.
    """
    student = course.network(course.config.student, "student", 0)
    if course.config.pretrain.epochs:
        _drawing(course, student)
    if losses_of(course.config):
        teachers = [course.network(course.teacher, "teacher", 0)] if course.teacher else []
        if teachers and course.config.distill.start == "teacher":
            inherit(student, teachers[0])
        _taught(course, student, teachers, total=1)


def _taught(course: Course, student: keras.Model, teachers: Sequence[keras.Model], total: int) -> Distiller:
    config, losses = course.config, losses_of(course.config)
    taps = {LOGITS}.union(*(loss.teacher_taps for loss in losses.values())) - set(GIVEN)
    schedule = SCHEDULES[config.distill.schedule]
    return Distiller(
        _learner(course, student, losses),
        Teachers([tapped(teacher, course.teacher, taps) for teacher in teachers]) if teachers else None,
        losses,
        config.distill.student_weight,
        lambda step: schedule(tf.cast(step, tf.float32) / total),
    )


def _drawing(course: Course, student: keras.Model) -> Distiller:
    losses = build_losses(course.config.pretrain.losses)
    return Distiller(_learner(course, student, losses), None, losses, student_weight=0.0)


def _learner(course: Course, student: keras.Model, losses: Mapping[str, DistillationLoss]) -> keras.Model:
    return tapped(student, course.config.student, {LOGITS}.union(*(loss.student_taps for loss in losses.values())))


def _pretrain(course: Course, student: keras.Model) -> None:
    """Leaves in `student` the weights of the epoch with the least pretraining loss."""
    config = course.config
    epochs = config.pretrain.epochs
    course.say(f"Pretraining: {', '.join(config.pretrain.losses)}, on all training cells with DAPI")
    seed = stream_seed(config, "pretraining")
    # There need be no label.
    stage = course.stage("pretraining", seed, epochs=epochs, patience=epochs, class_weights="none")
    pairs = course.selection("all", pairs=True)
    model = _drawing(course, student)
    course.outcomes["pretraining"] = stage.train(model, student, course.channels, [pairs], monitor="loss")
