"""Defaults that depend on the data set: what the comparisons showed best for such images, and why.

The comparisons are in docs/evidence/distillation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tfctc.config import ModelConfig

COMPACT, RESNET50 = "compact", "resnet50"
#: Largest height and width, in pixels, of images for which the compact network is the default. Larger images have not
#: been compared.
LARGEST_COMPACT = 64
#: Backbone -> highest learning rate of the schedule, as chosen on validation patients; any other backbone has the last.
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


def defaults_for(given: Mapping[str, Any], image_size: tuple[int, int]) -> list[Default]:
    """Values of the settings that depend on the data set and are left out.

    Args:
        given: settings that are given, as nested tables.
        image_size: height and width of the images, in pixels.
    """
    student, training = given.get("student") or {}, given.get("training") or {}
    backbone, found = student.get("backbone"), []
    if backbone is None:
        backbone, reason = _backbone(student.get("weights", ModelConfig.weights), image_size)
        found.append(Default("student.backbone", backbone, reason))
    if (given.get("teacher") or {}).get("backbone") is None:
        found.append(Default("teacher.backbone", backbone, "that of the student"))
    if training.get("learning_rate") is None:
        rate = LEARNING_RATES.get(backbone, LEARNING_RATES[RESNET50])
        found.append(Default("training.learning_rate", rate, f"for {backbone}"))
    return found


def _backbone(weights: str, image_size: tuple[int, int]) -> tuple[str, str]:
    if weights == "imagenet" or weights.endswith(".h5"):
        return RESNET50, "the published weights are of large networks"
    height, width = image_size
    if max(image_size) <= LARGEST_COMPACT:
        return COMPACT, f"for images of {height} x {width} px; a ResNet50 was not better at up to {LARGEST_COMPACT} px"
    return RESNET50, f"for images of {height} x {width} px; smaller networks have not been compared at this size"
