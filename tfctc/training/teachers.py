"""Training the teachers of a run, or taking over those of an earlier one."""

from pathlib import Path

import keras

from tfctc import config as configs
from tfctc.cells import DAPI
from tfctc.config import RunConfig
from tfctc.errors import RunError
from tfctc.models.fast import stock
from tfctc.training import run as layout
from tfctc.training.course import Course, stream_seed
from tfctc.training.roles import hands_on, unlike
from tfctc.training.run import Run
from tfctc.training.shown import some_without_dapi


def train_teachers(course: Course) -> list[keras.Model]:
    """One teacher, or one for each fold that has not seen the fold; saved as stock Keras models."""
    config, part = course.config, course.teacher
    count, epochs = config.distill.folds, config.distill.teacher_epochs or config.training.epochs
    teachers = []
    for fold, name in enumerate(layout.teacher_names(count)):
        seed = stream_seed(config, "teacher", fold)
        teacher = course.network(part, name, seed)
        without = "" if count == 1 else f", without fold {fold} of {count}"
        course.say(f"Teacher: {part.backbone} on {' + '.join(part.channels)}{without}")
        outcome = course.stage(name, seed, epochs=epochs).train(
            teacher,
            teacher,
            part.channels,
            [course.taught_selection(None if count == 1 else fold)],
            validate=course.validation(),
            show=some_without_dapi(course, seed) if DAPI in part.channels and config.distill.dapi_dropout else None,
        )
        course.outcomes[name] = outcome
        course.save(stock(teacher), f"{name}.keras")
        teachers.append(teacher)
    return teachers


def earlier(course: Course) -> Run:
    """The run `distill.teachers`.

    Raises:
        RunError: it has none, or they have not learnt from just the cells that they may have learnt from here.
    """
    run = Run.open(Path(course.config.distill.teachers))
    kind = hands_on(run.config)
    if kind is None:
        raise RunError("has no teacher", path=run.folder, fix="leave out distill.teachers, or take another run")
    theirs = run.dealt, configs.to_dict(run.facts), _labels(run.config)
    ours = course.dealt, configs.to_dict(course.builder.facts), _labels(course.config)
    if theirs != ours or not run.had(course.cells):
        raise RunError(
            "its teachers have learnt from other cells",
            path=run.folder,
            fix="take a run of the same data, seed, split, distill.folds and training.label_budget",
        )
    if kind != course.teacher:
        raise RunError("its teachers are of another kind than teacher asks for", path=run.folder, fix="train anew")
    if other := unlike(course.config, run.config):
        raise RunError(f"its teachers have been trained with another {other[0]}", path=run.folder, fix="leave it out")
    return run


def taken_over(course: Course) -> list[keras.Model]:
    """The teachers of the run `distill.teachers`; of a run in mode brightfield, its student, to teach itself."""
    run = earlier(course)
    course.say(f"Teachers: those of {run.folder}")
    teachers = []
    found = run.teachers() if run.config.taught_by else [run.student()]
    for name, saved in zip(layout.teacher_names(course.config.distill.folds), found, strict=True):
        # Of the layers that it was trained with, so that the same student comes of it.
        teacher = course.network(course.teacher, name, seed=0)
        teacher.set_weights(saved.get_weights())
        course.save(stock(teacher), f"{name}.keras")
        teachers.append(teacher)
    return teachers


def _labels(config: RunConfig) -> tuple:
    """What decides which training cells keep their label."""
    budget = config.training.label_budget
    return budget, None if budget is None else config.seed
