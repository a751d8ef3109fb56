"""Model card: what the model is for, and what not."""

from tfctc.data.inspect import Section, Table
from tfctc.exporters.documents import limits
from tfctc.report.sections.base import SECTIONS, Material, RunSection


@SECTIONS.register("card")
class Card(RunSection):
    """The model in a table, and the limits of the exported model card."""

    def section(self, material: Material) -> Section:
        run, found = material.run, material.evaluation
        facts, record = run.facts, run.record
        height, width = facts.image_size
        calibration = run.calibration.to_dict() if run.calibration.is_fitted else None
        rows = [
            ("decides", f"{facts.positive} or {facts.negative}, from one bright-field image of one cell"),
            ("input", f"{height} x {width} px, {facts.bit_depth} bit, " + _scale(facts.mpp)),
            ("trained on", f"{facts.name}{' (SIMULATED CELLS)' if facts.simulated else ''}"),
            ("mode", run.config.mode),
            ("backbone", run.config.student.backbone),
            ("seed", str(run.config.seed)),
            ("threshold", f"{found.threshold:.4f} (rule: {found.rule})"),
            ("weights", str(record.get("weights_sha256", {}).get("student", "unknown"))[:12]),
            ("tfctc", str(record.get("tfctc", record.get("version", "unknown")))),
        ]
        use = "Intended use: research, on images of the kind of the training data."
        parts = (
            Table("model", ("", ""), rows),
            Table("limits", ("",), [(line.replace("`", ""),) for line in limits(facts, calibration)]),
        )
        return Section("Model card", 120, use, "", parts)


def _scale(mpp: float | None) -> str:
    return "pixel size not known" if mpp is None else f"{mpp:g} µm a pixel"
