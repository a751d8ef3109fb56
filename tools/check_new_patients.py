"""How a comparison's students and teachers judge other cells, of patients who are in none of its splits.

    tfctc simulate simulated/new --cells 4000 --patients 40 --size 40 --seed 13
    python tools/check_new_patients.py simulated/new comparisons/simulated-9600 --out new-patients.json

A test split of few patients is a poor judge, and simulated patients cost nothing. Beside the AUROC over all cells
stands that within patients: what lies between the two is lost where answers shift from patient to patient, alike for
CTCs and leukocytes. Every finished run in the comparison's folder is asked; differences are paired by seed, with an
interval of seeds, and for AUROC one of patients too.
"""

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

import numpy as np
from check_size_shortcut import auroc_within, compared
from sklearn.metrics import roc_auc_score

from tfctc.comparison.results import read_results
from tfctc.comparison.statistics import interval
from tfctc.data.builder import build
from tfctc.data.manifest import Manifest
from tfctc.data.pipeline import labelled_records
from tfctc.evaluation.intervals import bootstrap
from tfctc.evaluation.metrics import f1
from tfctc.evaluation.predictions import Predictions, predict
from tfctc.files import write_json
from tfctc.training.roles import teacher_of
from tfctc.training.run import RECORD, Run

FIGURES = {"auroc": "AUROC", "within_patients": "within patients", "f1": "F1"}


def judge(run: Run, builder) -> tuple[dict[str, float], Predictions]:
    """`FIGURES` of the student, F1 at its own threshold, "teacher_" AUROCs of a teacher; the student's answers."""

    def answers(model):
        return predict(model, labelled_records(builder, "test", tuple(model.input), 500))

    def aurocs(found, prefix=""):
        return {
            f"{prefix}auroc": roc_auc_score(found.label, found.probability),
            f"{prefix}within_patients": auroc_within(found.patient_id, found.label == 1, found.probability),
        }

    own, threshold = answers(run.student()), run.operating_point["threshold"]
    judged = aurocs(own) | {"f1": f1(own.label, own.probability, threshold)}
    if run.config.mode == "distilled" and teacher_of(run.config):
        judged |= aurocs(answers(run.teacher()), "teacher_")
    return judged, own


def auroc_by_patient(pairs: list[tuple[Predictions, Predictions]]) -> dict[str, float]:
    """The 95 % interval of the mean AUROC difference over `pairs` of answers: a bootstrap that draws patients."""

    def difference(weights):
        drawn = [[roc_auc_score(a.label, a.probability, sample_weight=weights) for a in pair] for pair in pairs]
        return {"difference": float(np.mean([ours - theirs for ours, theirs in drawn]))}

    return dict(zip(("low", "high"), bootstrap(difference, pairs[0][0].patient_id, seed=0)["difference"], strict=True))


def main() -> None:
    """Prints a line for every arm and label budget."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of other cells")
    parser.add_argument("comparison", type=Path, help="what tfctc compare wrote, run folders included")
    parser.add_argument("--baseline", default="brightfield")
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args()
    manifest, found = Manifest.open(options.data), {}
    with tempfile.TemporaryDirectory() as scratch:
        builder = build(manifest, dict.fromkeys(manifest.groups("patient_id"), "test"), "patient_id", scratch)
        for job, outcome in read_results(options.comparison).items():
            folder = options.comparison / job.place
            if outcome.judged and (folder / RECORD).exists():
                found.setdefault((job.arm, job.budget), {})[job.seed] = judge(Run.open(folder), builder)
    judged = {key: {seed: figures for seed, (figures, _) in own.items()} for key, own in found.items()}
    rows = compared(judged, options.baseline, FIGURES)
    for row in rows:
        own, base = found[row["arm"], row["budget"]], found.get((options.baseline, row["budget"]), {})
        for figure in [name for name in next(iter(own.values()))[0] if name not in FIGURES]:
            row[figure] = interval([figures[figure] for figures, _ in own.values()])
        if row["auroc_difference"]:
            pairs = [(own[seed][1], base[seed][1]) for seed in own if seed in base]
            row["auroc_difference_by_patient"] = auroc_by_patient(pairs)
    if not rows:
        sys.exit(f"{options.comparison}: no run folder there")
    if options.out:
        report = {"command": shlex.join(["python", *sys.argv]), "patients": len(manifest.groups("patient_id"))}
        write_json(options.out, report | {"simulated": manifest.facts.simulated, "arms": rows})
        print(f"Wrote {options.out}")


if __name__ == "__main__":
    main()
