"""Defaults that depend on the data set: what the comparisons showed for such images, and why.

The comparisons are in docs/evidence/distillation.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tfctc.config import ModelConfig

COMPACT, RESNET50 = "compact", "resnet50"
#: Largest height and width, in pixels, of images for which the compact network is the default.
LARGEST_COMPACT = 64
#: Backbone -> highest learning rate of the schedule, as chosen on validation patients. Other backbones have that of the
#: ResNet50.
LEARNING_RATES = {COMPACT: 0.01, RESNET50: 0.001}


@dataclass(frozen=True)
class Default:
    """A setting that was left out.

    Args:
        key: dotted name of the setting.
        value: its value.
        reason: why, as the end of a sentence.
    """

    key: str
    value: Any
    reason: str

    def __str__(self) -> str:
        return f"{self.key} = {self.value} ({self.reason})"


def default_backbones(
    given: Mapping[str, Any], image_size: tuple[int, int], earlier: Mapping[str, str] | None = None
) -> list[Default]:
    """Backbones of student and teacher, as far as they are left out.

    Args:
        given: settings that are given, as nested tables.
        image_size: height and width of the images, in pixels.
        earlier: "student" and "teacher" -> backbone of a network of an earlier run whose weights are used.
    """
    found, student = [], None
    for name in ("student", "teacher"):
        own = given.get(name) or {}
        backbone = own.get("backbone")
        if backbone is None:
            backbone, reason = _backbone(own, (earlier or {}).get(name), student, image_size)
            found.append(Default(f"{name}.backbone", backbone, reason))
        student = student or backbone
    return found


def default_learning_rate(backbones: Iterable[str]) -> Default:
    """Learning rate for networks of these backbones: the smallest of theirs, since they share it."""
    backbones = sorted(set(backbones))
    rate = min(LEARNING_RATES.get(backbone, LEARNING_RATES[RESNET50]) for backbone in backbones)
    return Default("training.learning_rate", rate, f"for {' and '.join(backbones)}")


def _backbone(
    own: Mapping[str, Any], earlier: str | None, student: str | None, image_size: tuple[int, int]
) -> tuple[str, str]:
    """Backbone of a network whose settings `own` name none, and the reason."""
    if earlier:
        return earlier, "that of the earlier run"
    weights = own.get("weights", ModelConfig.weights)
    if weights == "imagenet" or weights.endswith(".h5"):
        return RESNET50, "it has published weights"
    if student:
        return student, "that of the student"
    height, width = image_size
    if max(image_size) <= LARGEST_COMPACT:
        return COMPACT, f"for images of {height} x {width} px; at 40 and 64 px no ResNet50 was better"
    return RESNET50, f"for images of {height} x {width} px; smaller networks have not been compared at this size"
