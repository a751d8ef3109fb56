"""An evaluation as it was stored in evaluation.json."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tfctc.evaluation.evaluate import Estimate, Evaluation
from tfctc.evaluation.groups import GroupMetrics


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
    for name in ("classes", "channels", "cautions"):
        if name in kept:
            kept[name] = tuple(kept[name])
    return Evaluation(**kept)


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in values.items() if name in names}
