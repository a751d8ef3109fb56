"""Learning curves: loss and AUROC of every epoch."""

import math
from collections.abc import Sequence

import numpy as np

from tfctc.data.inspect import Section
from tfctc.report.parts import Line, Lines
from tfctc.report.sections.base import SECTIONS, Material, RunSection
from tfctc.runs.folder import HISTORY
from tfctc.runs.history import read_stages

#: Most stages that are drawn; cross-fitting has one for each teacher.
MOST_STAGES = 8


@SECTIONS.register("learning")
class Learning(RunSection):
    """Two plots for each stage of the training."""

    def section(self, material: Material) -> Section | None:
        path = material.run.folder / HISTORY
        stages = read_stages(path) if path.exists() else {}
        parts = []
        for stage, rows in list(stages.items())[:MOST_STAGES]:
            for key, name in (("loss", "loss"), ("auroc", "AUROC")):
                lines = {}
                for prefix, label in (("", "training"), ("val_", "validation")):
                    line = _line(rows, prefix + key)
                    if line is not None:
                        lines[label] = line
                if lines:
                    parts.append(Lines(f"{stage}: {name}", ("epoch", name), lines))
        if not parts:
            return None
        text = (
            "A validation loss that rises while the training loss falls shows overfitting. The weights of the best "
            "validation epoch are kept. In training, augmentation makes the cells harder."
        )
        return Section("Learning curves", 30, text, "", parts)


def _line(rows: Sequence[dict[str, str]], key: str) -> Line | None:
    points = [(int(row["epoch"]), _number(row.get(key))) for row in rows]
    points = [point for point in points if math.isfinite(point[1])]
    if not points:
        return None
    epochs, values = np.array(points, float).T
    return Line(epochs, values, markers=len(epochs) <= 30)


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan
