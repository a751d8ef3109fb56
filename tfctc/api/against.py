"""Difference between two evaluated models on the same cells."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfctc.errors import ConfigError, RunError

if TYPE_CHECKING:
    from tfctc.cells import DatasetFacts
    from tfctc.evaluation.evaluate import Evaluation
    from tfctc.evaluation.predictions import Predictions


def differences(
    evaluation: "Evaluation", predictions: "Predictions", facts: "DatasetFacts", folder: str | Path
) -> dict[str, Any]:
    """Metrics of an evaluation minus those in the folder of another one on the same cells.

    Args:
        evaluation, predictions: the evaluation, and its predictions.
        facts: facts of the data set.
        folder: folder with evaluation.json and predictions.csv of another model: a run folder, or one below `external`
            or `evaluations`.

    Returns:
        "model" and "folder" of the other one, and "metrics": metric -> "value", "low" and "high" of the difference.

    Raises:
        RunError: a folder without these files, or damaged ones.
        ConfigError: predictions for other cells, or cells of one patient.
    """
    from tfctc.evaluation.difference import metric_difference
    from tfctc.runs.predictions import read_predictions

    folder = Path(folder)
    try:
        values = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
        threshold, model = float(values["threshold"]), str(values.get("model", folder.name))
    except (OSError, ValueError, KeyError, TypeError) as error:
        fix = "evaluate that model first, and give the folder of its results"
        raise RunError(f"holds no evaluation ({error})", path=folder, fix=fix) from None
    other = read_predictions(folder / "predictions.csv", facts)
    order = {cell_id: i for i, cell_id in enumerate(other.cell_id.tolist())}
    if order.keys() != set(predictions.cell_id.tolist()):
        problem = (
            f"holds predictions for {len(other)} cells, which are not the {len(predictions)} cells of this evaluation"
        )
        fix = "evaluate both models on the same cells: runs with the same split, or with the same --data"
        raise ConfigError(problem, path=folder, fix=fix)
    aligned = other.of(np.array([order[cell_id] for cell_id in predictions.cell_id.tolist()]))
    if not np.array_equal(aligned.label, predictions.label):
        raise ConfigError("was evaluated with other labels", path=folder, fix="evaluate that model again")
    found = metric_difference(
        predictions.label,
        predictions.patient_id,
        (aligned.probability, threshold),
        (predictions.probability, evaluation.threshold),
    )
    return {"model": model, "folder": str(folder), "metrics": found}


def table(found: Mapping[str, Any], group: str) -> str:
    """Table of the differences."""
    lines = [f"difference from {found['model']} in {found['folder']}, with 95 % interval by {group}"]
    for name, one in found["metrics"].items():
        lines.append(f"{name.replace('_', ' '):21} {one['value']:+.3f}   {one['low']:+.3f} to {one['high']:+.3f}")
    return "\n".join(lines)
