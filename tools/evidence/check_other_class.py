"""The third class: how many images of debris and doublets are called CTC with it, without it, or as leukocytes?

    python tools/evidence other-class --out docs/evidence/other_class/simulated.json

Cells, debris and doublets are simulated. Three bright-field students learn from the same cells: "without" leaves debris
and doublets out, "other" has them as the class other, "negative" as the negative class. They are judged on new
simulated patients at other sites, each at the threshold that its own validation patients chose.
"""

import csv
import tempfile
from pathlib import Path

from common import log
from PIL import Image

from tfctc import evaluate, fit, import_images
from tfctc.data.simulate import SimulationOptions, simulate_cells, simulate_damaged

#: Kind of damage -> label.
KINDS = {"debris": "debris", "doubled": "doublet"}
ODD = tuple(KINDS.values())
#: Name of a student -> what the import of its cells does with debris and doublets.
RULES = {
    "without": {"drop": ODD},
    "other": {"other": ODD},
    "negative": {"mapping": dict.fromkeys(ODD, "leukocyte")},
}


def add_options(parser) -> None:
    parser.add_argument("--cells", type=int, default=1600, help="number of cells to learn from, and to judge")
    parser.add_argument("--each", type=int, default=160, help="number of images of debris, and of doublets")
    parser.add_argument("--patients", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0, help="seed of the patients to learn from; the next one to judge")


def write_scans(folder: Path, seed: int, options) -> None:
    """Writes bright-field images ``PATIENT/CELL_BF.png`` and the table labels.csv."""
    settings, rows = SimulationOptions(patients=options.patients), []

    def save(cell_id, patient, label, image):
        path = folder / f"seed{seed}-{patient}" / f"{cell_id}_BF.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
        rows.append((cell_id, label))

    for one in simulate_cells(options.cells, seed=seed, options=settings):
        save(one.cell.cell_id, one.cell.patient_id, one.cell.label, one.brightfield)
    for kind, label in KINDS.items():
        for i, image in enumerate(simulate_damaged(kind, options.each, seed=seed, options=settings)):
            save(f"{label}{i:05d}", f"patient{i % options.patients:03d}", label, image)
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("cell_id", "label"), *rows])


def imported(scans: Path, output: Path, rules: dict) -> Path:
    """A data set of these scans."""
    naming = {"files": "{patient}/{cell}_{channel}.png", "labels": scans / "labels.csv"}
    return import_images(scans, output, bit_depth=12, mpp=0.64, **naming, **rules).folder


def check(options) -> dict:
    found = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name, seed in (("learnt", options.seed), ("new", options.seed + 1)):
            write_scans(folder / name, seed, options)
        new = imported(folder / "new", folder / "new-cells", RULES["other"])
        for name, rules in RULES.items():
            data = imported(folder / "learnt", folder / f"{name}-cells", rules)
            training = {"epochs": options.epochs, "precision": "float32"}
            run = fit(data, output=folder / name, mode="brightfield", backbone="compact", training=training)
            evaluate(run)
            report = evaluate(run, data=new, output=folder / f"{name}-new")
            found[name] = {
                "auroc": report.metrics["auroc"].value,
                "threshold": report.threshold,
                "labels": {
                    one.name: {"cells": one.cells, "calls": dict(one.calls), "called_ctc": one.calls["ctc"] / one.cells}
                    for one in report.by_label
                },
            }
            calls = {label: f"{one['called_ctc']:.3f}" for label, one in found[name]["labels"].items()}
            log.info("%s: AUROC %.3f, called CTC: %s", name, found[name]["auroc"], calls)
    return {"simulated": True, "students": found}
