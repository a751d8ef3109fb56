"""Calibration: is a probability the share of positive cells?"""

import numpy as np

from tfctc.data.inspect import Histograms, Section, Table
from tfctc.evaluation.calibration_metrics import calibration_metrics, reliability_curve
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
        values = calibration_metrics(test.label, test.probability)
        for name in values:
            # The same number as in evaluation.json, where it has one.
            if name in found.metrics:
                value = found.metrics[name].value
                values[name] = float("nan") if value is None else value
        rows = [(name.replace("_", " "), shown(values[name]), MEANING[name]) for name in values]
        edges = np.linspace(0, 1, BINS + 1)
        histograms = {}
        for label, name in enumerate(found.classes):
            chosen = test.probability[test.label == label]
            if len(chosen):
                histograms[name] = np.histogram(np.clip(chosen, 0, 1), edges)[0] / len(chosen)
        parts = (
            Lines(
                "reliability",
                ("mean probability of a bin", f"share of {found.classes[1]} cells"),
                {"": line},
                diagonal=True,
                square=True,
            ),
            Table("metrics of calibration", ("metric", "value", "meaning"), rows),
            Histograms("probability by true class", f"probability of {found.classes[1]}", edges, histograms),
        )
        text = f"The bins hold equally many cells; bars are {found.level:.0%} intervals by {material.group}. On the "
        text += f"diagonal the probability is right for a share of {found.positives / found.cells:.1%} "
        text += f"{found.classes[1]} cells."
        calibration = material.run.calibration
        if calibration.is_fitted:
            text += f" The probability was calibrated on {calibration.cells:,} {calibration.fitted_on} cells."
        else:
            text += " The probability of this run is not calibrated."
        return Section("Calibration", 50, text, "", parts, values=values)
