"""AUROC of a comparison's students among simulated cells of equal diameter, to see whether they only use the size.

    python tools/evidence size-shortcut simulated/cells comparisons/simulated --out docs/evidence/distillation/size.json

Test cells are divided into strata of equal size by their true diameter. The matched AUROC counts only pairs of a CTC
and a leukocyte of the same stratum, as in a stratified Mann-Whitney test (van Elteren 1960). The matched AUROC of the
diameter itself shows how well the strata match: it should be about 0.5. The AUROC within patients counts only pairs
from the same patient; if it is higher than the AUROC over all pairs, probabilities shift between patients.
"""

import csv
from pathlib import Path

import numpy as np
from common import log
from comparison_arms import auroc_within, compare_arms, runs_with
from sklearn.metrics import roc_auc_score

from tfctc.runs import predictions as runs
from tfctc.runs.folder import PREDICTIONS, RunFolder

METRICS = {"all": "AUROC", "matched": "size-matched", "within_patients": "within patients"}


def add_options(parser) -> None:
    parser.add_argument("data", type=Path, help="folder of the simulated cells, with truth.csv")
    parser.add_argument("comparison", type=Path, help="folder that tfctc compare wrote, run folders included")
    parser.add_argument("--baseline", default="brightfield", help="arm that others are compared with")
    parser.add_argument("--strata", type=int, default=10)


def matched_auroc(positive: np.ndarray, score: np.ndarray, diameter: np.ndarray, strata: int) -> float:
    """AUROC within `strata` quantiles of `diameter`."""
    bounds = np.quantile(diameter, np.arange(1, strata) / strata)
    return auroc_within(np.searchsorted(bounds, diameter, side="right"), positive, score)


def read_predictions(path: Path, diameters: dict[str, float]) -> tuple[np.ndarray, ...]:
    """Whether each test cell is a CTC, its probability, its diameter in um and its patient, ``(N,)`` each."""
    found = runs.read_predictions(path, RunFolder.open(path.parent).facts)
    diameter = np.array([diameters[cell_id] for cell_id in found.cell_id.tolist()])
    return found.label == 1, found.probability, diameter, found.patient_id


def check(options) -> dict:
    with (options.data / "truth.csv").open(newline="", encoding="utf-8") as file:
        diameters = {row["cell_id"]: float(row["diameter_um"]) for row in csv.DictReader(file)}
    found, diameter_alone = {}, {}
    for job, folder in runs_with(options.comparison, PREDICTIONS):
        positive, probability, diameter, patient = read_predictions(folder / PREDICTIONS, diameters)
        found.setdefault((job.arm, job.budget), {})[job.seed] = {
            "all": roc_auc_score(positive, probability),
            "matched": matched_auroc(positive, probability, diameter, options.strata),
            "within_patients": auroc_within(patient, positive, probability),
        }
        diameter_alone = {
            "all": roc_auc_score(positive, diameter),
            "matched": matched_auroc(positive, diameter, diameter, options.strata),
        }
    rows = compare_arms(found, options.baseline, METRICS)
    log.info("%-32s: AUROC %.3f, size-matched %.3f", "true diameter alone", *diameter_alone.values())
    return {"strata": options.strata, "simulated": True, "arms": rows, "diameter_alone": diameter_alone}
