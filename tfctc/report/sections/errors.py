"""Gallery of the worst errors and of random cells."""

from tfctc.data.inspect import Gallery, Section
from tfctc.report.sections.base import SECTIONS, Material, RunSection


@SECTIONS.register("errors")
class Errors(RunSection):
    """Bright-field, DAPI, and where the student looks."""

    def section(self, material: Material) -> Section | None:
        found, test, parts = material.evaluation, material.predictions, []
        for title, rows in material.shown.items():
            cells, captions = [], []
            for row in rows:
                position = material.positions.get(str(test.cell_id[row]))
                if position is None:
                    continue
                cells.append((position,))
                truth = found.classes[int(test.label[row])]
                if test.original_label is not None:
                    truth = str(test.original_label[row])
                words = (str(test.cell_id[row]), str(test.patient_id[row]), str(test.sites[row]), truth)
                captions.append(" · ".join(filter(None, (*words, f"p = {test.probability[row]:.3f}"))))
            if cells:
                parts.append(Gallery(title, cells, captions))
        if not parts:
            return None
        text = "From left to right: bright-field, and DAPI where the cell has it; the student never sees DAPI."
        if material.studies:
            text += (
                " The third picture is the saliency of the student over bright-field: orange where a small change of a "
                "pixel changes the log-odds most (SmoothGrad-Squared). The blue line is the outline of the nucleus, "
                "found in DAPI."
            )
        return Section("Worst errors, and random cells", 80, text, "", parts)
