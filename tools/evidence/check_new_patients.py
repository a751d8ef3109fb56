"""Metrics of the students and teachers of a comparison on a second data set with new patients.

    tfctc simulate simulated/new --cells 4000 --patients 40 --size 40 --seed 13
    python tools/evidence new-patients simulated/new comparisons/simulated-9600 --out new-patients.json

A test split of few patients gives uncertain metrics, and more simulated patients cost nothing. Two AUROCs are computed:
over all cells, and within patients. The first is lower if the probabilities of all cells shift from patient to patient.
Every run of the comparison that was evaluated on the test split is evaluated here. Differences are paired by seed and
have an interval over seeds; differences of AUROC also have one over patients.
"""

import tempfile
from pathlib import Path

import numpy as np
from comparison_arms import auroc_within, compare_arms, runs_with
from sklearn.metrics import roc_auc_score

from tfctc.cells import DAPI
from tfctc.comparison.statistics import interval
from tfctc.data.builder import build
from tfctc.data.manifest import Manifest
from tfctc.data.pipeline import labelled_batches
from tfctc.data.splits import Splits
from tfctc.evaluation.intervals import difference_interval, leave_one_out
from tfctc.evaluation.keras_predictions import predict
from tfctc.evaluation.metrics import basis_of, f1
from tfctc.evaluation.predictions import Predictions
from tfctc.recipes import resolve
from tfctc.runs.folder import RECORD, RunFolder

METRICS = {"auroc": "AUROC", "within_patients": "within patients", "f1": "F1"}


def add_options(parser) -> None:
    parser.add_argument("data", type=Path, help="folder of the second data set")
    parser.add_argument("comparison", type=Path, help="folder that tfctc compare wrote, run folders included")
    parser.add_argument("--baseline", default="brightfield", help="arm that others are compared with")


def evaluate(run: RunFolder, builder) -> tuple[dict[str, float], Predictions]:
    """`METRICS` of the student, with F1 at its own threshold, and the predictions behind them.

    If a teacher sees DAPI, its AUROCs are added, with the prefix "teacher_".
    """

    def predictions(model):
        return predict(model, labelled_batches(builder, "test", tuple(model.input), 500))

    def aurocs(found, prefix=""):
        return {
            f"{prefix}auroc": roc_auc_score(found.label, found.probability),
            f"{prefix}within_patients": auroc_within(found.patient_id, found.label == 1, found.probability),
        }

    own, threshold = predictions(run.calibrated_student()), run.operating_point["threshold"]
    metrics = aurocs(own) | {"f1": f1(own.label, own.probability, threshold)}
    teacher = resolve(run.config).teacher
    if teacher and DAPI in teacher.channels:
        metrics |= aurocs(predictions(run.teacher()), "teacher_")
    return metrics, own


def auroc_by_patient(pairs: list[tuple[Predictions, Predictions]]) -> dict[str, float]:
    """95 % interval of the mean difference of AUROC over pairs of predictions, by patient."""

    def difference(weights):
        drawn = [[roc_auc_score(a.label, a.probability, sample_weight=weights) for a in pair] for pair in pairs]
        return {"difference": float(np.mean([ours - theirs for ours, theirs in drawn]))}

    cells = pairs[0][0]
    values, without = leave_one_out(difference, cells.patient_id)
    basis = basis_of(cells.label, cells.probability, 0.5, cells.patient_id)["auroc"]
    found = difference_interval(values["difference"], without["difference"], basis.weights, basis.holders, basis.cells)
    return dict(zip(("low", "high"), found, strict=True))


def check(options) -> dict:
    manifest, found = Manifest.open(options.data), {}
    patients = manifest.groups("patient_id")
    with tempfile.TemporaryDirectory() as scratch:
        builder = build(manifest, Splits("patient_id", dict.fromkeys(patients, "test")), scratch)
        for job, folder in runs_with(options.comparison, RECORD):
            found.setdefault((job.arm, job.budget), {})[job.seed] = evaluate(RunFolder.open(folder), builder)
    metrics = {key: {seed: metrics for seed, (metrics, _) in own.items()} for key, own in found.items()}
    rows = compare_arms(metrics, options.baseline, METRICS)
    for row in rows:
        own, base = found[row["arm"], row["budget"]], found.get((options.baseline, row["budget"]), {})
        for name in [name for name in next(iter(own.values()))[0] if name not in METRICS]:
            row[name] = interval([metrics[name] for metrics, _ in own.values()])
        if row["auroc_difference"]:
            pairs = [(own[seed][1], base[seed][1]) for seed in own if seed in base]
            row["auroc_difference_by_patient"] = auroc_by_patient(pairs)
    return {"patients": len(patients), "simulated": manifest.facts.simulated, "arms": rows}
