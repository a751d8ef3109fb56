"""Operating point: the promise, what was reached, and predictive values at stated prevalences."""

from tfctc.data.inspect import Section, Table
from tfctc.evaluation.evaluate import Evaluation
from tfctc.io.names import plural
from tfctc.report.sections.base import SECTIONS, Material, RunSection, shown


@SECTIONS.register("operating_point")
class OperatingPoint(RunSection):
    """The threshold with its promise, beside what was reached on the test cells."""

    def section(self, material: Material) -> Section:
        found = material.evaluation
        parts: list[Table] = []
        groups = plural(material.group)
        text = f"The threshold is {found.threshold:.4f} (rule: {found.rule}), {_origin(material)}."
        if found.promise:
            parts.append(_promise(material))
            text += (
                f" The rule promises {found.promise['rule']} on new {groups}, and the promise holds with a chance of "
                f"{found.promise['confidence']:.0%}."
            )
        else:
            text += (
                f" The rule promises nothing about new {groups}. A promise is made for example by: tfctc evaluate "
                f"{material.run.folder} --operating-point specificity=0.99."
            )
        if found.predictive_values:
            parts.append(_predictive_values(found))
            text += (
                " The predictive values (PPV: share of the calls that are right; NPV: of the other cells) follow from "
                "recall and specificity by Bayes' rule, and their ends from the ends of both intervals."
            )
        if material.cross_validation is not None:
            text += " Recall and specificity are those of the folds, each at its own threshold."
        return Section("Operating point", 15, text, "", parts)


def _origin(material: Material) -> str:
    found = material.evaluation
    if material.cross_validation is not None:
        return "that of the final model, chosen on the out-of-fold predictions"
    if found.validation_cells is None:
        return "given and not chosen"
    return f"chosen on {found.validation_cells:,} validation cells"


def _promise(material: Material) -> Table:
    found = material.evaluation
    promise, reached = found.promise, found.reached
    name = str(promise["rule"]).partition("=")[0].replace("-", " ")
    name += f" of one {material.group}" if name == "false calls" else ""
    values = [promise["promised"], f"{promise['confidence']:.0%}", promise["reached"]]
    headers = ["", "promised", "chance", "where it was chosen"]
    # The calls of a cross-validation are those of its folds, each at a threshold of its own.
    if reached is not None and material.cross_validation is None:
        values += [shown(reached.value), shown(reached.low), shown(reached.high), reached.reason]
        headers += [f"on the {found.kind} cells", "low", "high", "note"]
    return Table("promised and reached", headers, [(name, *values)])


def _predictive_values(found: Evaluation) -> Table:
    negative, positive = found.classes
    rows = [
        (prevalence, *(f"{value:.2g}" for value in values["ppv"]), *(f"{value:.6f}" for value in values["npv"]))
        for prevalence, values in found.predictive_values.items()
    ]
    headers = (f"{positive} to {negative}", "PPV", "low", "high", "NPV", "low", "high")
    return Table("predictive values by prevalence", headers, rows)
