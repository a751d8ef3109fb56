"""An evaluation or a cross-validation as it was stored in evaluation.json."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tfctc.evaluation.cross_validation import CrossValidation
from tfctc.evaluation.evaluate import Evaluation
from tfctc.evaluation.groups import GroupMetrics
from tfctc.evaluation.intervals import Estimate
from tfctc.evaluation.original_labels import LabelMetrics


def stored_evaluation(values: Mapping[str, Any]) -> Evaluation:
    """The evaluation with these plain values; also of an earlier or later version, whose other keys are left out.

    Raises:
        KeyError, TypeError: values that are not those of an evaluation.
    """
    kept = _known(Evaluation, values)
    for key in ("metrics", "calibration"):
        found = values["metrics"] if key == "metrics" else values.get(key) or {}
        kept[key] = {name: Estimate(**_known(Estimate, one)) for name, one in found.items()}
    for name in ("by_patient", "by_site"):
        kept[name] = tuple(GroupMetrics(**_known(GroupMetrics, one)) for one in values.get(name) or ())
    kept["by_label"] = tuple(
        LabelMetrics(**_known(LabelMetrics, one) | {"recall": Estimate(**_known(Estimate, one["recall"]))})
        for one in values.get("by_label") or ()
    )
    for name in ("classes", "channels", "cautions"):
        if name in kept:
            kept[name] = tuple(kept[name])
    return Evaluation(**kept)


def stored_cross_validation(values: Mapping[str, Any]) -> CrossValidation:
    """The cross-validation with the plain values of `CrossValidation.to_dict`.

    Raises:
        KeyError, TypeError: values that are not those of a cross-validation.
    """
    low, high = values["fold_thresholds"]
    parts = {name: values[name] for name in ("scheme", "repeats", "folds", "spread", "repeated")}
    return CrossValidation(evaluation=stored_evaluation(values), thresholds=(low, high), **parts)


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in values.items() if name in names}
