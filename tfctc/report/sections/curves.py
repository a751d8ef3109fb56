"""ROC and precision-recall curve, with the operating point."""

from tfctc.data.inspect import Section
from tfctc.evaluation.curves import Curve, precision_recall_curve, roc_curve
from tfctc.evaluation.intervals import Estimate
from tfctc.io.names import plural
from tfctc.report.parts import Cross, Line, Lines
from tfctc.report.sections.base import SECTIONS, Material, RunSection, triple


@SECTIONS.register("curves")
class Curves(RunSection):
    """Both curves with a pointwise band by patient."""

    def section(self, material: Material) -> Section:
        found = material.evaluation
        roc, precision = (
            roc_curve(material.predictions, found.level),
            precision_recall_curve(material.predictions, found.level),
        )
        if roc is None or precision is None:
            return Section("ROC and precision-recall", 40, "Undefined: the test cells are of one class.", "")
        metrics = found.metrics
        value, low, high = triple(metrics["specificity"])
        recall = triple(metrics["recall"])
        point = f"threshold {found.threshold:.4f}"
        parts = [
            Lines(
                f"ROC, area {_text(metrics['auroc'])}",
                ("false-positive rate (1 - specificity)", "recall (sensitivity)"),
                {"student": _line(roc)},
                Cross(point, (1 - value, 1 - high, 1 - low), recall),
                diagonal=True,
                square=True,
            ),
            Lines(
                f"precision-recall, average precision {_text(metrics['average_precision'])}",
                ("recall (sensitivity)", "precision"),
                {"student": _line(precision)},
                Cross(point, recall, triple(metrics["precision"])),
                level=found.positives / found.cells,
                square=True,
            ),
        ]
        band = f"No band: fewer than two {plural(material.group)} hold such cells."
        if roc.has_band:
            band = (
                f"The band is the {found.level:.0%} interval of the recall or precision at each threshold, held fixed: "
                f"a jackknife that leaves out one {material.group} at a time."
            )
        text = (
            f"{band} The dot is the operating point with its intervals. The dashed line at the right is the share of "
            f"{found.classes[1]} cells in this test set: precision depends on it, the ROC does not."
        )
        return Section("ROC and precision-recall", 40, text, "", parts)


def _line(curve: Curve) -> Line:
    return Line(curve.x, curve.y, curve.low, curve.high)


def _text(estimate: Estimate) -> str:
    if estimate.value is None:
        return "n/a"
    interval = "" if estimate.low is None else f" ({estimate.low:.3f} to {estimate.high:.3f})"
    return f"{estimate.value:.3f}{interval}"
