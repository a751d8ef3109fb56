"""How a comparison's students and teachers judge other cells, of patients who are in none of its splits.

    tfctc simulate simulated/development --cells 4000 --patients 40 --size 40 --seed 12
    python tools/check_new_patients.py simulated/development comparisons/simulated --out new-patients.json

A test split of few patients is a poor judge, and simulated patients cost nothing. Beside the AUROC over all cells
stands that within patients: what lies between the two is lost where answers shift from patient to patient, alike for
CTCs and leukocytes. Every finished run in the comparison's folder is asked; differences are paired by seed.
"""

import argparse
import shlex
import sys
import tempfile
from pathlib import Path

from check_size_shortcut import auroc_within
from sklearn.metrics import roc_auc_score

from tfctc.comparison.results import read_results
from tfctc.comparison.statistics import interval
from tfctc.data.builder import build
from tfctc.data.manifest import Manifest
from tfctc.data.pipeline import labelled_records
from tfctc.evaluation.metrics import f1
from tfctc.evaluation.predictions import predict
from tfctc.files import write_json
from tfctc.training.course import teacher_of
from tfctc.training.run import RECORD, Run

FIGURES = {"auroc": "AUROC", "within_patients": "within patients", "f1": "F1"}


def judge(run: Run, builder) -> dict[str, float]:
    """`FIGURES` of the student, F1 at the run's own threshold, and "teacher_" AUROCs where it has a teacher."""
    figures = {}
    teacher = run.teacher() if teacher_of(run.config) and run.config.mode == "distilled" else None
    for model, prefix in ((run.student(), ""), (teacher, "teacher_")):
        if model is None:
            continue
        found = predict(model, labelled_records(builder, "test", tuple(model.input), 500))
        positive = found.label == 1
        figures[f"{prefix}auroc"] = roc_auc_score(positive, found.probability)
        figures[f"{prefix}within_patients"] = auroc_within(found.patient_id, positive, found.probability)
        if not prefix:
            figures["f1"] = f1(found.label, found.probability, run.operating_point["threshold"])
    return figures


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
    rows = []
    for (arm, budget), own in found.items():
        base = found.get((options.baseline, budget), {}) if arm != options.baseline else {}
        row = {"arm": arm, "budget": budget}
        for figure in next(iter(own.values())):
            row[figure] = interval([figures[figure] for figures in own.values()])
            if both := [seed for seed in own if figure in base.get(seed, {})]:
                row[f"{figure}_difference"] = interval([own[seed][figure] - base[seed][figure] for seed in both])
        rows.append(row)
        figures = (f"{name} {row[figure]['mean']:.3f}" for figure, name in FIGURES.items())
        print(f"{arm:24} {budget!s:>6} labels, {len(own)} seeds: {', '.join(figures)}")
    if not rows:
        sys.exit(f"{options.comparison}: no run folder there")
    if options.out:
        report = {"command": shlex.join(["python", *sys.argv]), "patients": len(manifest.groups("patient_id"))}
        write_json(options.out, report | {"simulated": manifest.facts.simulated, "arms": rows})
        print(f"Wrote {options.out}")


if __name__ == "__main__":
    main()
