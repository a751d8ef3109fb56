"""Does the student look at the nucleus?"""

from dataclasses import asdict

from tfctc.data.inspect import Section, Table
from tfctc.evaluation.saliency import MeanShare
from tfctc.report.sections.base import SECTIONS, Material, RunSection


@SECTIONS.register("nucleus")
class Nucleus(RunSection):
    """Share of the saliency inside the nucleus, against chance."""

    def section(self, material: Material) -> Section | None:
        if material.studies is None or not material.studies.energy:
            return None
        found = material.studies.energy
        headers = ("model, channel", "inside", "area", "elsewhere", "inside - area", "inside - elsewhere", "cells")
        rows = [
            (
                f"{one.model}, {one.channel}",
                _text(one.inside),
                one.area,
                one.elsewhere,
                _text(one.above_area, "+"),
                _text(one.above_elsewhere, "+"),
                one.cells,
            )
            for one in found
        ]
        first = found[0]
        low, high = first.above_elsewhere.low, first.above_elsewhere.high
        verdict = "cannot be said from cells of one " + material.group
        if low is not None and high is not None:
            verdict = "more than the place alone explains" if low > 0 else "less than the place alone explains"
            if low <= 0 <= high:
                verdict = "no more and no less, as far as can be told, than the place alone explains"
        text = (
            f"{first.inside.value:.0%} of the student's saliency lies inside the nucleus, which covers "
            f"{first.area:.0%} of the image; inside the nuclei of other cells lie {first.elsewhere:.0%}: {verdict}. "
            "Saliency is the mean squared gradient of the log-odds over noisy copies (SmoothGrad-Squared). In "
            f"brackets: 95 % interval by {material.group}. Saliency shows to which pixels a model is sensitive, and "
            "not that it is right."
        )
        values = {f"{one.model}, {one.channel}": asdict(one) for one in found}
        return Section("Does it look at the nucleus?", 90, text, "", (Table("saliency", headers, rows),), values=values)


def _text(share: MeanShare, sign: str = "") -> str:
    if share.low is None or share.high is None:
        return f"{share.value:{sign}.3f}"
    return f"{share.value:{sign}.3f} ({share.low:{sign}.3f} to {share.high:{sign}.3f})"
