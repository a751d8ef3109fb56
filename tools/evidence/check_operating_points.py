"""Promises of operating points: how often they are kept on new patients, over simulated cohorts.

    python tools/evidence operating-points --out docs/evidence/operating_points/promises.json

No image is simulated, only probabilities. The log-odds of a cell are its class, a shift of its patient and noise, both
normal; "spread" is the standard deviation of the shifts, where that of the noise is 1. "heavy" cohorts have log-normal
numbers of cells. The threshold is chosen by `tfctc.evaluation.operating_points` on the cells of a cohort, and what it
reaches is computed for all patients of the distribution. A cohort that cannot make the promise is counted apart.
For comparison, "as seen": the threshold that just reaches the value on the cells of the cohort.
"""

import numpy as np
from common import log
from scipy import special, stats

from tfctc.errors import ConfigError
from tfctc.evaluation.operating_points import CONFIDENCE, choose_operating_point
from tfctc.evaluation.predictions import Predictions

RULES = {"specificity=0.99": 0.99, "sensitivity=0.9": 0.9, "false-calls=1/patient": 1.0}
#: Distance of the classes in log-odds; cells of a patient, negative and positive.
CLASSES, NEGATIVE, POSITIVE = 4.0, 200, 50


def add_options(parser) -> None:
    parser.add_argument("--cohorts", type=int, default=100)
    parser.add_argument("--patients", type=int, nargs="+", default=[4, 8, 20])
    parser.add_argument("--spread", type=float, nargs="+", default=[0.3, 0.7])
    parser.add_argument("--confidence", type=float, default=CONFIDENCE)
    parser.add_argument("--seed", type=int, default=0)


def cohort(rng: np.random.Generator, patients: int, spread: float, heavy: bool) -> Predictions:
    """Predictions for the cells of a cohort."""
    size = np.exp(rng.normal(-0.5, 1, patients)) if heavy else np.ones(patients)
    counts = [np.maximum((size * number).astype(int), 2) for number in (NEGATIVE, POSITIVE)]
    group = np.concatenate([np.repeat(np.arange(patients), own) for own in counts])
    label = np.repeat([0, 1], [own.sum() for own in counts])
    odds = CLASSES * (label - 0.5) + rng.normal(0, spread, patients)[group] + rng.normal(size=len(label))
    return Predictions(np.arange(len(label)), group, label, special.expit(odds))


def reached(threshold: float, rule: str, spread: float) -> float:
    """Value that a threshold reaches over all patients: specificity, sensitivity or false calls of a patient."""
    odds, width = special.logit(threshold), np.hypot(1, spread)
    if rule.startswith("sensitivity"):
        return float(stats.norm.sf((odds - CLASSES / 2) / width))
    false = float(stats.norm.sf((odds + CLASSES / 2) / width))
    return 1 - false if rule.startswith("specificity") else NEGATIVE * false


def as_seen(cells: Predictions, rule: str, patients: int) -> float:
    """The threshold that just reaches the value on the cells of the cohort."""
    own = np.sort(cells.probability[cells.label == int(rule.startswith("sensitivity"))])
    if rule.startswith("sensitivity"):
        return float(own[int(np.floor((1 - RULES[rule]) * len(own)))])
    allowed = (1 - RULES[rule]) * len(own) if rule.startswith("specificity") else RULES[rule] * patients
    return float(own[-int(np.floor(allowed)) - 1] + 1e-12)


def kept(rule: str, value: float) -> bool:
    return value <= RULES[rule] if rule.startswith("false") else value >= RULES[rule]


def check(options) -> dict:
    found = []
    for rule in RULES:
        for heavy in (False, True):
            for spread in options.spread:
                for patients in options.patients:
                    rng = np.random.default_rng([options.seed, patients, int(10 * spread), heavy])
                    values, seen, refused = [], [], 0
                    for _ in range(options.cohorts):
                        cells = cohort(rng, patients, spread, heavy)
                        seen.append(reached(as_seen(cells, rule, patients), rule, spread))
                        try:
                            point = choose_operating_point(cells, rule, options.confidence)
                        except ConfigError:
                            refused += 1
                            continue
                        values.append(reached(point.threshold, rule, spread))
                    row = {
                        "rule": rule,
                        "cells": "heavy" if heavy else "even",
                        "spread": spread,
                        "patients": patients,
                        "promised": len(values),
                        "kept": float(np.mean([kept(rule, value) for value in values])) if values else None,
                        "median_reached": float(np.median(values)) if values else None,
                        "refused": refused,
                        "kept_as_seen": float(np.mean([kept(rule, value) for value in seen])),
                    }
                    found.append(row)
                    log.info("%s", ", ".join(f"{name} {value}" for name, value in row.items()))
    return {"cohorts": options.cohorts, "confidence": options.confidence, "promises": found}


def problem(result: dict) -> str:
    """The promises that were kept less often than stated, by more than chance (one-sided binomial test, 1 percent)."""
    wrong = []
    for row in result["promises"]:
        if row["promised"]:
            times = round(row["kept"] * row["promised"])
            if stats.binomtest(times, row["promised"], result["confidence"], alternative="less").pvalue < 0.01:
                wrong.append(f"{row['rule']}, {row['cells']}, {row['patients']} patients: kept {row['kept']:.2f}")
    return "; ".join(wrong)
