"""Teachers from an earlier run: checked, and loaded."""

from pathlib import Path

import keras

from tfctc.config import RunConfig
from tfctc.data.manifest import Manifest
from tfctc.data.splits import Splits
from tfctc.errors import RunError
from tfctc.recipes import Recipe, conflicting_teacher_settings, resolve
from tfctc.runs.folder import RunFolder


def find_teachers(recipe: Recipe, config: RunConfig, manifest: Manifest, splits: Splits) -> RunFolder:
    """The run that `distill.teachers` names, checked: its teachers were trained as this run would train them.

    Args:
        recipe: recipe of this run.
        config: settings of this run.
        manifest: data set of this run.
        splits: split of this run.

    Raises:
        RunError: a run without a teacher, or whose teachers have been trained on other cells, with other settings, or
            are other networks.
    """
    run = RunFolder.open(Path(recipe.teachers_from or ""))
    kind = resolve(run.config).can_teach
    if kind is None:
        raise RunError("has no teacher", path=run.folder, fix="leave out distill.teachers, or name another run")
    theirs = run.splits.digest, run.facts, _label_budget(run.config)
    ours = splits.digest, manifest.facts, _label_budget(config)
    if theirs != ours or not run.was_trained_on(manifest):
        raise RunError(
            "its teachers have been trained on other cells",
            path=run.folder,
            fix="name a run of the same data, seed, split, distill.folds and training.label_budget",
        )
    if kind != recipe.teacher:
        problem = "its teachers are other networks than the settings of teacher ask for"
        asked = vars(recipe.teacher) if recipe.teacher else {}
        other = [f"teacher.{key} to {value!r}" for key, value in vars(kind).items() if asked.get(key) != value]
        raise RunError(problem, path=run.folder, fix=f"set {', '.join(other)}, or leave out distill.teachers")
    if other := conflicting_teacher_settings(config, run.config):
        raise RunError(
            f"its teachers have been trained with another {other[0]}", path=run.folder, fix=f"leave out {other[0]}"
        )
    return run


def load_teachers(run: RunFolder) -> list[keras.Model]:
    """The trained teachers of a run; of a run without a teacher, its student."""
    return run.teachers() if resolve(run.config).teachers else [run.student()]


def _label_budget(config: RunConfig) -> tuple:
    """Label budget, and the seed of the choice of labels: together they decide which cells keep their label."""
    budget = config.training.label_budget
    return budget, None if budget is None else config.seed
