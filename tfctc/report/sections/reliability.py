"""Calibration: is a probability the share of positive cells?"""

import numpy as np

from tfctc.data.inspect import Histograms, Part, Section, Table
from tfctc.evaluation.calibration_metrics import reliability_curve
from tfctc.report.parts import Line, Lines
from tfctc.report.sections.base import SECTIONS, Material, RunSection, shown

#: Metric -> its meaning and best value.
MEANING = {
    "brier_score": "mean squared error of the probability; 0 is best",
    "log_loss": "mean negative log-likelihood; 0 is best",
    "calibration_slope": "1 is best; below 1 the probabilities are too extreme",
    "calibration_intercept": "0 is best; above 0 the probabilities are too low",
    "calibration_error": "expected calibration error (ECE); 0 is best",
}
BINS = 40


@SECTIONS.register("reliability")
class Reliability(RunSection):
    """Reliability plot, metrics of calibration, and the probabilities of both classes."""

    def section(self, material: Material) -> Section:
        test, found = material.predictions, material.evaluation
        points = reliability_curve(test.label, test.probability, test.patient_id, level=found.level)
        x, y, low, high = (
            np.array([getattr(point, name) for point in points]) for name in ("probability", "share", "low", "high")
        )
        line = Line(x, y, low, high, markers=True, bars=True)
        rows = [
            (name.replace("_", " "), shown(one.value), shown(one.low), shown(one.high), one.reason, MEANING[name])
            for name, one in found.calibration.items()
        ]
        edges = np.linspace(0, 1, BINS + 1)
        histograms = {}
        for label, name in enumerate(found.classes):
            chosen = test.probability[test.label == label]
            if len(chosen):
                histograms[name] = np.histogram(np.clip(chosen, 0, 1), edges)[0] / len(chosen)
        parts: list[Part] = [
            Lines(
                "reliability",
                ("mean probability of a bin", f"share of {found.classes[1]} cells"),
                {"": line},
                diagonal=True,
                square=True,
            ),
            Histograms("probability by true class", f"probability of {found.classes[1]}", edges, histograms),
        ]
        if rows:
            headers = ("metric", "value", "low", "high", "note", "meaning")
            parts.insert(1, Table("metrics of calibration", headers, rows))
        text = f"The bins hold equally many cells; bars are {found.level:.0%} intervals by {material.group}. On the "
        text += f"diagonal the probability is right for a share of {found.positives / found.cells:.1%} "
        text += f"{found.classes[1]} cells."
        calibration = material.run.calibration
        if calibration.is_fitted:
            text += f" The probability was calibrated on {calibration.cells:,} {calibration.fitted_on} cells."
        else:
            text += " The probability of this run is not calibrated."
        if not rows:  # An evaluation of an early version.
            text += f" It has no metrics of calibration yet; evaluate it again: tfctc evaluate {material.run.folder}."
        return Section("Calibration", 50, text, "", parts)
