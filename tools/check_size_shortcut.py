"""Do students just measure cells? AUROC of a comparison's students among simulated cells of about the same diameter.

    python tools/check_size_shortcut.py simulated/cells comparisons/simulated --out docs/evidence/distillation/size.json

Test cells are put into strata of their true diameter, as many cells in each. The matched AUROC counts only pairs of a
CTC and a leukocyte of one stratum, as in a stratified Mann-Whitney test (van Elteren 1960). The diameter's own AUROC,
which should fall to about a half among matched pairs, says how well the strata match. Within patients, only pairs of
one patient count: what is lost of the AUROC over all is lost between patients.
"""

import argparse
import csv
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from sklearn.metrics import roc_auc_score

from tfctc.comparison.results import read_results
from tfctc.comparison.statistics import interval
from tfctc.files import write_json
from tfctc.training.run import PREDICTIONS

FIGURES = {"all": "AUROC", "matched": "size-matched", "within_patients": "within patients"}


def matched_auroc(positive: np.ndarray, score: np.ndarray, diameter: np.ndarray, strata: int) -> float:
    """AUROC within `strata` quantiles of `diameter`."""
    bounds = np.quantile(diameter, np.arange(1, strata) / strata)
    return auroc_within(np.searchsorted(bounds, diameter, side="right"), positive, score)


def auroc_within(groups: np.ndarray, positive: np.ndarray, score: np.ndarray) -> float:
    """AUROC within `groups`, ``(N,)``, each weighted by its pairs of one positive and one negative."""
    total, pairs = 0.0, 0
    for here in (groups == group for group in np.unique(groups)):
        count = int(positive[here].sum()) * int((~positive[here]).sum())
        if count:
            total += count * roc_auc_score(positive[here], score[here])
            pairs += count
    return total / pairs


def read_cells(path: Path, truth: dict[str, float]) -> tuple[np.ndarray, ...]:
    """Who is a CTC, its probability, its diameter in um and its patient, of the cells that a run was judged by."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    positive = np.array([row["label"] == "ctc" for row in rows])
    probability = np.array([float(row["p_ctc"]) for row in rows])
    diameter = np.array([truth[row["cell_id"]] for row in rows])
    return positive, probability, diameter, np.array([row["patient_id"] for row in rows])


def compared(found: dict, baseline: str, figures: Mapping[str, str]) -> list[dict]:
    """A row for each arm and label budget: the mean of every figure, and of its difference from the baseline's by seed.

    Args:
        found: (arm, budget) -> seed -> figure -> value.
        figures: figure -> how it is called.
    """
    rows = []
    for (arm, budget), own in found.items():
        base = found.get((baseline, budget), {}) if arm != baseline else {}
        row = {"arm": arm, "budget": budget}
        for figure in figures:
            row[figure] = interval([values[figure] for values in own.values()])
            differences = [own[seed][figure] - base[seed][figure] for seed in own if seed in base]
            row[f"{figure}_difference"] = interval(differences) if differences else None
        rows.append(row)
        means = ", ".join(f"{name} {row[figure]['mean']:.3f}" for figure, name in figures.items())
        print(f"{arm:24} {budget!s:>6} labels, {len(own)} seeds: {means}")
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of the simulated cells, with truth.csv")
    parser.add_argument("comparison", type=Path, help="what tfctc compare wrote, run folders included")
    parser.add_argument("--baseline", default="brightfield")
    parser.add_argument("--strata", type=int, default=10)
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args()
    with (options.data / "truth.csv").open(newline="", encoding="utf-8") as file:
        truth = {row["cell_id"]: float(row["diameter_um"]) for row in csv.DictReader(file)}
    found, diameter_alone = {}, None
    for job, outcome in read_results(options.comparison).items():
        path = options.comparison / job.place / PREDICTIONS
        if outcome.judged and path.exists():
            positive, probability, diameter, patient = read_cells(path, truth)
            found.setdefault((job.arm, job.budget), {})[job.seed] = {
                "all": roc_auc_score(positive, probability),
                "matched": matched_auroc(positive, probability, diameter, options.strata),
                "within_patients": auroc_within(patient, positive, probability),
            }
            diameter_alone = (
                roc_auc_score(positive, diameter),
                matched_auroc(positive, diameter, diameter, options.strata),
            )
    rows = compared(found, options.baseline, FIGURES)
    if not rows:
        sys.exit(f"{options.comparison}: no run folder with {PREDICTIONS} there")
    print(f"{'true diameter alone':32}: AUROC {diameter_alone[0]:.3f}, size-matched {diameter_alone[1]:.3f}")
    report = {"command": shlex.join(["python", *sys.argv]), "strata": options.strata, "simulated": True, "arms": rows}
    report["diameter_alone"] = dict(zip(("all", "matched"), diameter_alone, strict=True))
    if options.out:
        write_json(options.out, report)
        print(f"Wrote {options.out}")


if __name__ == "__main__":
    main()
