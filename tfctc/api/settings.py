"""Settings of a training: from a file, from options, from an earlier run, and by default from the data set."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfctc import config as configs
from tfctc.config import RunConfig

if TYPE_CHECKING:
    from tfctc.recipes import Recipe
    from tfctc.recipes.defaults import Default


@dataclass(frozen=True)
class GivenSettings:
    """Settings that are given, before those that the data set decides.

    Args:
        base: settings of the file, or all defaults.
        changes: dotted key -> value, of options and keyword arguments; they override `base`.
        stated: all settings that are given, as nested tables.
        earlier: "student" and "teacher" -> backbone of a network of an earlier run that is used.
    """

    base: RunConfig
    changes: Mapping[str, Any]
    stated: Mapping[str, Any]
    earlier: Mapping[str, str]

    @cached_property
    def checked(self) -> RunConfig:
        """The settings without those that the data set decides.

        Raises:
            ConfigError: an unknown key, or a value that cannot be used.
        """
        return self._with({})

    def completed(self, image_size: tuple[int, int]) -> "tuple[RunConfig, Recipe, list[Default]]":
        """All settings, with absolute paths, their recipe, and those that were left out and depend on the data set.

        Args:
            image_size: height and width of the images, in pixels.

        Raises:
            ConfigError: settings that contradict each other.
        """
        from tfctc.recipes import resolve
        from tfctc.recipes.defaults import default_backbones, default_learning_rate

        defaults = default_backbones(self.stated, image_size, self.earlier)
        chosen = with_absolute_paths(self._with({one.key: one.value for one in defaults}))
        recipe = resolve(chosen)
        if "learning_rate" not in self.stated.get("training", {}):
            rate = default_learning_rate(network.config.backbone for network in recipe.networks.values())
            chosen = replace(chosen, training=replace(chosen.training, learning_rate=rate.value))
            recipe, defaults = recipe.with_learning_rate(rate.value), [*defaults, rate]
        return chosen, recipe, defaults

    def _with(self, defaults: Mapping[str, Any]) -> RunConfig:
        values = configs.with_changes(configs.to_dict(self.base), {**defaults, **self.changes})
        return configs.from_dict(RunConfig, values)


def given_settings(
    config: str | Path | None,
    init: str | Path | None,
    backbone: str | None,
    epochs: int | None,
    settings: Mapping[str, Any],
) -> GivenSettings:
    """Settings from a file, from keyword arguments and from shortcuts; the later override the earlier.

    Raises:
        ConfigError: as `GivenSettings.checked`, or a file that cannot be read.
        RunError: `init` is not a finished run.
    """
    from tfctc.recipes import resolve
    from tfctc.runs.folder import RECORD, STUDENT, TEACHER, RunFolder

    base, stated = (configs.load(RunConfig, config), configs.read(config)) if config else (RunConfig(), {})
    changes, earlier = _with_dots(settings), {}
    shortcuts: dict[str, Any] = {"training.epochs": epochs}
    shortcuts |= {"student.backbone": backbone, "teacher.backbone": backbone}
    if init is not None:
        run = RunFolder.open(init)
        earlier["student"] = run.config.student.backbone
        shortcuts["student.weights"] = str(run.folder.resolve() / STUDENT)
        if (run.folder / TEACHER).exists():
            earlier["teacher"] = run.config.teacher.backbone
            shortcuts["teacher.weights"] = str(run.folder.resolve() / TEACHER)
    changes |= {key: value for key, value in shortcuts.items() if value is not None}
    given = GivenSettings(base, changes, configs.with_changes(stated, changes), earlier)
    teachers = given.checked.distill.teachers
    if teachers and (Path(teachers) / RECORD).exists() and (kind := resolve(RunFolder.open(teachers).config).can_teach):
        earlier["teacher"] = kind.backbone
    return given


def with_absolute_paths(config: RunConfig) -> RunConfig:
    """Settings with absolute paths, so that a run can be resumed and evaluated from any folder."""

    def absolute(path: str) -> str:
        return path if path in ("", "none", "imagenet") else str(Path(path).resolve())

    teachers = config.distill.teachers
    distill = replace(config.distill, teachers=absolute(teachers) if teachers else teachers)
    student = replace(config.student, weights=absolute(config.student.weights))
    teacher = replace(config.teacher, weights=absolute(config.teacher.weights))
    file, of = (path and absolute(path) for path in (config.split.file, config.split.of))
    split = replace(config.split, file=file, of=of)
    return replace(config, data=absolute(config.data), split=split, distill=distill, student=student, teacher=teacher)


def _with_dots(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with nested tables replaced by dotted names: {"training": {"epochs": 5}} -> {"training.epochs": 5}."""
    tables = {field.name for field in fields(RunConfig) if is_dataclass(field.default)}
    dotted: dict[str, Any] = {}
    for key, value in settings.items():
        if key in tables and isinstance(value, Mapping):
            dotted |= {f"{key}.{name}": inner for name, inner in value.items()}
        else:
            dotted[key] = value
    return dotted
