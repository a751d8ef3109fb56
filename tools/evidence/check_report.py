"""Saliency inside the nucleus, and robustness, of finished runs on the same test cells.

    python tools/evidence report runs/jurkat-brightfield runs/jurkat-distilled --out docs/evidence/report/jurkat.json

The students are measured on all test cells, in the same order and with the same noise.
"""

from dataclasses import asdict
from pathlib import Path

import numpy as np
from common import CheckError, log

from tfctc.data.manifest import Manifest
from tfctc.evaluation.robustness import worst
from tfctc.report.run_page import stored_run
from tfctc.report.studies import study
from tfctc.runs.folder import RunFolder


def add_options(parser) -> None:
    parser.add_argument("runs", type=Path, nargs="+", help="folders of evaluated runs")
    parser.add_argument("--cells", type=int, default=10_000, help="largest number of test cells")
    parser.add_argument("--seed", type=int, default=0, help="seed of the cells and of the noise")


def check(options) -> dict:
    found: dict = {}
    cells: np.ndarray | None = None
    for path in options.runs:
        run = RunFolder.open(path)
        manifest = Manifest.open(run.config.data)
        evaluation, test = stored_run(run)
        if cells is not None and not np.array_equal(cells, test.cell_id):
            raise CheckError(f"{path} has other test cells than {options.runs[0]}")
        cells = test.cell_id
        positions = {cell.cell_id: i for i, cell in enumerate(manifest.index)}
        log.info("%s: %d test cells", path, len(test))
        studies = study(
            run, manifest, test, positions, evaluation.threshold, cells=options.cells, seed=options.seed, share=1.0
        )
        lowest = worst(studies.robustness)
        log.info("worst: %s %g, AUROC %.3f", lowest.change, lowest.strength, lowest.metrics["auroc"])
        found[path.name] = {
            "mode": run.config.mode,
            "backbone": run.config.student.backbone,
            "epochs": run.config.training.epochs,
            "seed": run.config.seed,
            "data": evaluation.data,
            "cells": studies.cells,
            "patients": evaluation.patients,
            "threshold": evaluation.threshold,
            "metrics": {name: asdict(one) for name, one in evaluation.metrics.items()},
            "energy": [asdict(one) for one in studies.energy],
            "robustness": [asdict(one) for one in studies.robustness],
            "worst": {"change": lowest.change, "strength": lowest.strength, "unit": lowest.unit},
        }
    return {"runs": found}
