"""Contrasts of all comparisons together: which are shown after Holm's correction for their number?

    python tools/evidence contrasts docs/evidence/distillation --out docs/evidence/distillation/contrasts.json

A contrast is the difference of the distilled student from bright-field, or from self-training, with one number of
labels in one comparison, in AUROC or in F1. Its p value is that of the t test over paired seeds, computed from the mean
and the interval in summary.json. The correction is that of Holm (1979), "A simple sequentially rejective multiple test
procedure", over all contrasts of one metric, and over those of both.
"""

import json
from pathlib import Path

import numpy as np
from common import log
from scipy import stats

ARM, METRICS, LEVEL = "distilled", ("auroc", "f1"), 0.95


def add_options(parser) -> None:
    parser.add_argument("folder", type=Path, help="folder whose subfolders hold a summary.json each")


def p_value(mean: float, low: float, high: float, seeds: int) -> float:
    """Two-sided p value of a mean difference over `seeds` seeds, whose t interval of level `LEVEL` is (low, high)."""
    half = (high - low) / 2
    error = half / stats.t.ppf(0.5 + LEVEL / 2, seeds - 1)
    return float(2 * stats.t.sf(abs(mean) / error, seeds - 1))


def holm(values: np.ndarray) -> np.ndarray:
    """Holm's adjusted p values ``(N,)`` of p values ``(N,)``."""
    order = np.argsort(values)
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty(len(values))
    adjusted[order] = np.minimum(steps, 1)
    return adjusted


def check(options) -> dict:
    found = []
    for path in sorted(options.folder.glob("*/summary.json")):
        for entry in json.loads(path.read_text(encoding="utf-8"))["arms"]:
            if not entry["arm"].startswith(ARM):
                continue
            for metric in METRICS:
                for rival, one in entry[metric]["against"].items():
                    known = {name: one[name] for name in ("mean", "low", "high", "seeds")}
                    if known["low"] is None or known["seeds"] < 2:
                        continue
                    where = {"comparison": path.parent.name, "arm": entry["arm"], "labels": entry["budget"]}
                    found.append({**where, "metric": metric, "against": rival, **known, "p": p_value(**known)})
    shown = {}
    for family in (*METRICS, "both"):
        own = [one for one in found if family in (one["metric"], "both")]
        for one, adjusted in zip(own, holm(np.array([one["p"] for one in own])), strict=True):
            one[f"adjusted_{family}"] = float(adjusted)
        better = [one for one in own if one[f"adjusted_{family}"] < 1 - LEVEL]
        shown[family] = {"contrasts": len(own), "alone": sum(one["p"] < 1 - LEVEL for one in own), "shown": len(better)}
        log.info("%s: %s", family, shown[family])
        for one in better:
            log.info("  %s", {name: one[name] for name in ("comparison", "arm", "labels", "metric", "against", "mean")})
    return {"shown": shown, "contrasts": sorted(found, key=lambda one: one["p"])}
