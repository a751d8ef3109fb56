"""Time to write the page of a run, its size, and the time to open it, by the number of test cells.

    tfctc fit simulated/cells --backbone compact --output runs/cells
    tfctc evaluate runs/cells
    python tools/benchmarks/bench_report.py runs/cells --json docs/evidence/speed/report.json

The test set of the run is made larger: its predictions are drawn again with noise on the log-odds, its images are hard
links, and the cells belong to `--patients` patients. "open" is a process of Chromium, if there is one, that draws the
page, less one that draws an empty page.
"""

import argparse
import csv
import json
import os
import shutil
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from benchmark import report
from scipy.special import expit, logit

from tfctc.evaluation.evaluate import evaluate
from tfctc.evaluation.predictions import Predictions
from tfctc.io.files import write_json
from tfctc.report.run_page import stored_run, write_run_page
from tfctc.runs.folder import RunFolder
from tfctc.system.startup import start_tensorflow

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def enlarged(run: RunFolder, folder: Path, cells: int, patients: int) -> RunFolder:
    """A copy of the run whose test set has this many cells and patients."""
    evaluation, test = stored_run(run)
    rng, source = np.random.default_rng(0), Path(run.config.data)
    with (source / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["cell_id"]: row for row in csv.DictReader(file)}
    drawn = rng.integers(0, len(test), cells)
    noise = rng.normal(0, 0.3, cells)
    probability = expit(logit(np.clip(test.probability[drawn], 1e-6, 1 - 1e-6)) + noise).astype(np.float32)
    data, copy = folder / "data", folder / "run"
    (data / "images").mkdir(parents=True)
    shutil.copy(source / "dataset.json", data)
    shutil.copytree(run.folder, copy)
    names = [f"cell{i:07}" for i in range(cells)]
    groups = [f"patient{i % patients:05}" for i in range(cells)]
    columns = list(next(iter(rows.values())))
    with (
        (data / "manifest.csv").open("w", newline="", encoding="utf-8") as manifest,
        (copy / "predictions.csv").open("w", newline="", encoding="utf-8") as table,
    ):
        writer, predictions = csv.DictWriter(manifest, columns), csv.writer(table)
        writer.writeheader()
        positive = f"p_{run.facts.positive}"
        predictions.writerow(["cell_id", "patient_id", "site", "brightfield", "truth", positive, "call"])
        for name, group, i, p in zip(names, groups, drawn, probability, strict=True):
            row = dict(rows[str(test.cell_id[i])], cell_id=name, patient_id=group, site=f"site{int(group[-1]) % 3}")
            for channel in ("brightfield", "dapi"):
                if row[channel]:
                    path = f"images/{name}_{channel}{Path(row[channel]).suffix}"
                    os.link(source / row[channel], data / path)
                    row[channel] = path
            writer.writerow(row)
            call = run.facts.classes[int(p >= evaluation.threshold)]
            predictions.writerow([name, group, row["site"], row["brightfield"], row["label"], f"{p:.9g}", call])
    config = json.loads((copy / "config.json").read_text())
    write_json(copy / "config.json", config | {"data": str(data)})
    write_json(copy / "splits.json", {"by": "patient_id", "groups": dict.fromkeys(groups, "test")})
    found = evaluate(
        Predictions(np.array(names), np.array(groups), test.label[drawn], probability),
        evaluation.threshold,
        rule=evaluation.rule,
        validation_cells=evaluation.validation_cells,
        **{name: getattr(evaluation, name) for name in ("model", "channels", "data", "simulated", "classes")},
    )
    write_json(copy / "evaluation.json", replace(found, interval_by=evaluation.interval_by).to_dict())
    return RunFolder.open(copy)


def open_seconds(page: Path) -> float | None:
    """Seconds that Chromium takes to draw the page; None without a browser."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        return None
    seconds = {}
    for name, address in (("warm-up", "about:blank"), ("empty", "about:blank"), ("page", page.as_uri())):
        with tempfile.TemporaryDirectory() as profile:
            options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
            started = time.perf_counter()
            picture = f"--screenshot={profile}/page.png"
            subprocess.run(
                [browser, *options, picture, "--window-size=1100,8000", address], check=True, capture_output=True
            )
            seconds[name] = time.perf_counter() - started
    return seconds["page"] - seconds["empty"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of an evaluated run")
    parser.add_argument("--cells", type=int, nargs="+", default=[1000, 100_000])
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--json", help="file to write")
    args = parser.parse_args()
    start_tensorflow()
    run, rows = RunFolder.open(args.run), []
    for cells in args.cells:
        with tempfile.TemporaryDirectory(dir=Path(run.config.data).parent) as folder:
            large = enlarged(run, Path(folder), cells, args.patients)
            found = {"arm": "page", "cells": cells, "patients": args.patients}
            for name, studies in (("evaluate", False), ("report", True)):
                started = time.perf_counter()
                page = write_run_page(RunFolder.open(large.folder), studies=studies)
                found[f"{name}_s"] = time.perf_counter() - started
                found[f"{name}_bytes"] = page.stat().st_size
            found["open_s"] = open_seconds(page.resolve())
            rows.append(found)
            print(found, flush=True)
    ratios = {"report_over_smallest": rows[-1]["report_s"] / rows[0]["report_s"]}
    report(rows, ratios, args.json)


if __name__ == "__main__":
    main()
