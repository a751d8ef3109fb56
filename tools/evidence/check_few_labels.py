"""Few labels: is the distilled student better than bright-field alone, at every number of labels and in every pool?

    tfctc simulate simulated/wide --cells 15000 --patients 60 --sites 12 --size 40 --positive 0.4 --seed 22
    python tools/evidence few-labels docs/evidence/distillation/few-labels/plan.toml --output comparisons/few-labels

The plan names data sets, rows (a data set and a number of labels), arms and seeds. For every row and seed, a data set
is written in which only these labels are left (few_labels_data.py), and every arm is trained on it by `tfctc.compare`.
The differences of the arms are paired by seed. Their intervals are Student's t intervals over the seeds, each of which
has its own patients. Holm's correction is over the rows. An interrupted command continues when it is given again.
"""

import csv
import shutil
import tomllib
from pathlib import Path

import numpy as np
from check_contrasts import holm, p_value
from common import CheckError, log
from few_labels_data import write_few_labels

from tfctc import compare, config
from tfctc.cells import DatasetFacts
from tfctc.comparison.plan import Plan
from tfctc.comparison.report import efficiency_text
from tfctc.comparison.statistics import interval, label_efficiency
from tfctc.data.manifest import Manifest
from tfctc.io.files import atomic_file
from tfctc.runs.predictions import read_predictions

METRICS = ("auroc", "sensitivity_99", "sensitivity_999")
BASELINE, ARM, RIVALS = "brightfield", "distilled", ("self-training", "pseudo-labels")


def add_options(parser) -> None:
    parser.add_argument("plan", type=Path, help="the plan, a TOML file")
    parser.add_argument("--output", type=Path, required=True, help="folder of the data sets and the runs")
    parser.add_argument("--seeds", type=int, nargs="+", help="train these seeds only (all that are done are reported)")
    parser.add_argument("--rows", nargs="+", help="train these rows only, such as s-g2-50 or simulated-100-pool-0.02")
    parser.add_argument("--report-only", action="store_true", help="train nothing")
    parser.add_argument("--workers", type=int, default=1, help="runs trained at the same time")


def check(options) -> dict:
    plan = tomllib.loads(options.plan.read_text(encoding="utf-8"))
    if not options.report_only:
        for seed in options.seeds or plan["seeds"]:
            for row in (row for row in plan["rows"] if not options.rows or name_of(row) in options.rows):
                train(plan, row, seed, options.output, options.workers)
    rows = [report(plan, row, options.output) for row in plan["rows"]]
    correct(rows)
    for row in rows:
        row["label_efficiency"] = efficiency(row, rows)
    for row in rows:
        log.info("%s", sentence(row))
    return {"rows": rows}


def name_of(row: dict) -> str:
    """Name of a row, for folders."""
    pool = f"-pool-{row['positive']:g}" if "pool" in row else ""
    return f"{row['data']}-{row['labels']}{pool}"


def arms_of(plan: dict, row: dict) -> dict:
    """Arms of a row: without a pool of unlabelled cells nothing can be trained on itself."""
    names = [name for name in plan["arms"] if row["labels"] != "all" or name not in RIVALS]
    if row["labels"] == "all" and "pool" in row:
        names = [BASELINE]
    return {name: plan["arms"][name] for name in names}


def train(plan: dict, row: dict, seed: int, output: Path, workers: int) -> None:
    """Trains the arms of a row with one seed. What is done already is not done again."""
    about, folder = plan["data"][row["data"]], output / name_of(row) / f"seed-{seed}"
    predictions = folder / "predictions"
    if all((predictions / f"{arm}.csv").exists() for arm in arms_of(plan, row)):
        return
    if not (folder / "cells").exists():
        write_few_labels(Path(about["folder"]), folder / "cells", row, about, seed)
    settings = {
        "arms": arms_of(plan, row),
        "budgets": ["all"],
        "seeds": [seed],
        "learning_rates": [plan["learning_rate"]],
        "base": config.merged(plan["base"], {"training": {"epochs": about["epochs"]}}),
    }
    log.info("%s, seed %d", name_of(row), seed)
    compare(folder / "cells", config.from_dict(Plan, settings), folder / "runs", workers=workers)
    predictions.mkdir(exist_ok=True)
    for path in sorted((folder / "runs" / "runs").glob("*/*/*/predictions.csv")):
        with atomic_file(predictions / f"{path.parents[2].name}.csv") as temporary:
            shutil.copyfile(path, temporary)
    # The pixels: they can be written again.
    shutil.rmtree(folder / "cells" / "tfrecords", ignore_errors=True)


def metrics(path: Path) -> dict[str, float]:
    """AUROC, and sensitivity at 99 and 99.9 % specificity, of a table of predictions."""
    from sklearn.metrics import roc_auc_score

    found = read_predictions(path, config.load(DatasetFacts, path.parents[1] / "cells" / "dataset.json"))
    positive, probability = found.label == 1, found.probability
    negatives = np.sort(probability[~positive])
    values = {"auroc": float(roc_auc_score(positive, probability))}
    for name, allowed in (("sensitivity_99", 0.01), ("sensitivity_999", 0.001)):
        # The highest threshold that lets through no more than the allowed share of negative cells.
        threshold = negatives[len(negatives) - 1 - int(allowed * len(negatives))]
        values[name] = float((probability[positive] > threshold).mean())
    return values


def report(plan: dict, row: dict, output: Path) -> dict:
    """Metrics of a row: means over the seeds that are done, and paired differences."""
    found: dict[str, dict[int, dict]] = {}
    for seed in plan["seeds"]:
        for path in sorted((output / name_of(row) / f"seed-{seed}" / "predictions").glob("*.csv")):
            found.setdefault(path.stem, {})[seed] = metrics(path)
    entry = row | {"name": name_of(row), "labelled": labelled(output / name_of(row)), "arms": {}, "differences": {}}
    entry["guarded"] = guarded(output / name_of(row))
    for arm in filter(found.get, plan["arms"]):
        entry["arms"][arm] = {
            metric: interval([one[metric] for one in found[arm].values()])
            | {"values": {str(seed): round(one[metric], 4) for seed, one in found[arm].items()}}
            for metric in METRICS
        }
    for other in (BASELINE, *RIVALS):
        if seeds := sorted(found.get(ARM, {}).keys() & found.get(other, {}).keys()):
            entry["differences"][other] = {
                metric: interval([found[ARM][seed][metric] - found[other][seed][metric] for seed in seeds])
                for metric in METRICS
            }
    return entry


def guarded(folder: Path) -> dict | None:
    """Change in AUROC by a guard. It keeps the student that is better on the validation patients.

    Args:
        folder: folder of a row.

    Returns:
        AUROC on the test split of the student that is kept, minus that of the distilled one, over the seeds; and
        "chosen", the number of seeds with bright-field alone. None if no seed is done.
    """
    differences, chosen = [], 0
    for path in sorted(folder.glob("seed-*/runs/results.csv")):
        with path.open(newline="") as file:
            arms = {row["arm"]: row for row in csv.DictReader(file) if row["auroc"]}
        if not {ARM, BASELINE} <= arms.keys():
            continue
        better = max((ARM, BASELINE), key=lambda arm: float(arms[arm]["validation"]))
        chosen += better == BASELINE
        differences.append(float(arms[better]["auroc"]) - float(arms[ARM]["auroc"]))
    return interval(differences) | {"chosen": chosen} if differences else None


def labelled(folder: Path) -> float | None:
    """Labels of training and validation, as a mean over the data sets of a row; None if none is written."""
    found = []
    for cells in sorted(folder.glob("seed-*/cells")):
        manifest = Manifest.open(cells)
        found.append(sum(bool(cell.label) and manifest.pinned[cell.patient_id] != "test" for cell in manifest.cells()))
    return float(np.mean(found)) if found else None


def efficiency(row: dict, rows: list[dict]) -> dict | None:
    """Label efficiency of a row's distilled student, with the labels of validation counted.

    It is over the seeds that are done in this row and in all rows of bright-field alone of the same cells; None if
    these do not reach the AUROC of the student.
    """

    def values(one: dict, arm: str) -> dict[str, float]:
        return one["arms"].get(arm, {}).get("auroc", {}).get("values", {})

    same = [one for one in rows if (one["data"], one.get("positive")) == (row["data"], row.get("positive"))]
    curve = [one for one in same if values(one, BASELINE)]
    seeds = sorted(set(values(row, ARM)).intersection(*(values(one, BASELINE) for one in curve)))
    if not seeds:
        return None
    baseline = [[values(one, BASELINE)[seed] for seed in seeds] for one in curve]
    student = [values(row, ARM)[seed] for seed in seeds]
    return label_efficiency(student, row["labelled"], [one["labelled"] for one in curve], baseline)


def correct(rows: list[dict]) -> None:
    """Adds p values of the AUROC to each contrast, alone and by Holm's correction over the rows."""
    for other in (BASELINE, *RIVALS):
        contrasts = [row["differences"][other]["auroc"] for row in rows if other in row["differences"]]
        contrasts = [one for one in contrasts if one["low"] is not None]
        if not contrasts:
            continue
        for one in contrasts:
            one["p"] = p_value(**{key: one[key] for key in ("mean", "low", "high", "seeds")})
        for one, adjusted in zip(contrasts, holm(np.array([one["p"] for one in contrasts])), strict=True):
            one["p_holm"] = float(adjusted)


def sentence(row: dict) -> str:
    """One line of text about a row."""
    parts = [f"{arm} {values['auroc']['mean']:.3f}" for arm, values in row["arms"].items()]
    for other, differences in row["differences"].items():
        one = differences["auroc"]
        span = "" if one["low"] is None else f" ({one['low']:+.3f} to {one['high']:+.3f}), Holm p {one['p_holm']:.3f}"
        parts.append(f"against {other} {one['mean']:+.3f}{span} over {one['seeds']} seeds")
    if saved := row["label_efficiency"]:
        value, _, span = efficiency_text(saved).partition(" ")
        parts.append(f"bright-field needs {value} times the labels {span}".rstrip())
    return f"{row['name']}: " + ("; ".join(parts) or "not trained yet")


def problem(found: dict) -> str:
    if not any(row["arms"] for row in found["rows"]):
        raise CheckError("no run is done yet")
    return ""
