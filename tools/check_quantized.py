"""What smaller TFLite files lose of F1 against float32 on the test split, over several trained runs of one data set.

    python tools/check_quantized.py comparisons/jurkat/runs/distilled/50-labels/* --out quantized.json

Of each run: F1 lost, its 95 % interval by patient, and how many labels change. Over the runs: the mean of the losses
with Student's t interval.
"""

import argparse
import shlex
import sys
from pathlib import Path

from benchmark import machine, said

from tfctc.cells import BRIGHTFIELD
from tfctc.comparison.statistics import interval
from tfctc.data.pipeline import labelled_records
from tfctc.evaluation.loss import f1_loss
from tfctc.export import parity
from tfctc.export.calibration import calibration_set
from tfctc.export.litert import PRECISIONS, convert
from tfctc.files import write_json
from tfctc.training.run import RECORD, Run

SMALLER = ("int8", "mixed", "dynamic", "float16")
MOST_CELLS = 10_000


def check(run: Run) -> dict[str, dict]:
    """Of every smaller precision: bytes, labels changed, and the loss of F1 as `f1_loss` gives it."""
    model, builder, threshold = run.student(), run.builder(), run.operating_point["threshold"]
    calibration = calibration_set(labelled_records(builder, "train", (BRIGHTFIELD,), 64).as_numpy_iterator())
    cells = next(labelled_records(builder, "test", (BRIGHTFIELD,), MOST_CELLS).as_numpy_iterator())
    answers = {}
    for precision in ("none", *SMALLER):
        flatbuffer = convert(model, run.facts, precision, calibration)
        answers[precision] = len(flatbuffer), parity.run_tflite(flatbuffer, cells[BRIGHTFIELD])
    _, expected = answers.pop("none")
    return {
        PRECISIONS[precision]: {
            "bytes": size,
            "labels_changed": parity.compare(found, expected, threshold)["labels_changed"],
            "cells": len(found),
            "f1_loss": f1_loss(cells["label"], cells["patient_id"], threshold, expected, found),
        }
        for precision, (size, found) in answers.items()
    }


def main() -> None:
    """Prints a line for every run and precision, then one for every precision."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path, help="folders; what is no finished run is passed over")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found = {}
    for folder in arguments.runs:
        if not (folder / RECORD).exists():
            continue
        run = Run.open(folder)
        name = "/".join(folder.resolve().parts[-3:])
        found[name] = check(run)
        for precision, entry in found[name].items():
            loss = said(**entry["f1_loss"])
            changed = f"{entry['labels_changed']} of {entry['cells']} labels changed"
            print(f"{name:44} {precision:8} {entry['bytes']:>9,} bytes  F1 lost {loss}, {changed}", flush=True)
    if not found:
        sys.exit(f"{', '.join(map(str, arguments.runs))}: no finished run there")
    over = {p: interval([entry[p]["f1_loss"]["value"] for entry in found.values()]) for p in next(iter(found.values()))}
    for precision, loss in over.items():
        print(f"{'mean of the runs':44} {precision:8} F1 lost {said(loss['mean'], loss['low'], loss['high'])}")
    if arguments.out:
        data = {"command": shlex.join(["python", *sys.argv]), "machine": machine(), "runs": found, "mean_f1_loss": over}
        write_json(arguments.out, data | {"dataset": run.facts.name, "simulated": run.facts.simulated})


if __name__ == "__main__":
    main()
