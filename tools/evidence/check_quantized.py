"""Loss of F1 of smaller TFLite files against float32 on the test split, over several trained runs of one data set.

    python tools/evidence quantized comparisons/jurkat/runs/distilled/50-labels/* --out quantized.json

For each run: loss of F1, its 95 % interval by patient, and the number of labels that change. Over the runs: the mean
loss with Student's t interval.
"""

from pathlib import Path

from common import CheckError, log, with_interval

from tfctc.cells import BRIGHTFIELD
from tfctc.comparison.statistics import interval
from tfctc.data.pipeline import labelled_batches
from tfctc.evaluation.difference import f1_loss
from tfctc.exporters import parity
from tfctc.exporters.litert import PRECISIONS, convert
from tfctc.exporters.quantization.calibration import calibration_set
from tfctc.runs.folder import RECORD, RunFolder

SMALLER = ("int8", "mixed", "dynamic", "float16")
MOST_CELLS = 10_000


def add_options(parser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, help="run folders; unfinished runs and other folders are skipped")


def check_run(run: RunFolder) -> dict[str, dict]:
    """Size, number of changed labels, number of cells and loss of F1, for every smaller precision."""
    model, builder, threshold = run.calibrated_student(), run.builder(), run.operating_point["threshold"]
    calibration = calibration_set(labelled_batches(builder, "train", (BRIGHTFIELD,), 64).as_numpy_iterator())
    cells = next(labelled_batches(builder, "test", (BRIGHTFIELD,), MOST_CELLS).as_numpy_iterator())
    predictions = {}
    for precision in ("none", *SMALLER):
        flatbuffer = convert(model, run.facts, precision, calibration)
        predictions[precision] = len(flatbuffer), parity.run_tflite(flatbuffer, cells[BRIGHTFIELD])
    _, expected = predictions.pop("none")
    return {
        PRECISIONS[precision]: {
            "bytes": size,
            "labels_changed": parity.compare(found, expected, threshold)["labels_changed"],
            "cells": len(found),
            "f1_loss": f1_loss(cells["label"], cells["patient_id"], threshold, expected, found),
        }
        for precision, (size, found) in predictions.items()
    }


def check(options) -> dict:
    found, facts = {}, None
    for folder in options.runs:
        if not (folder / RECORD).exists():
            continue
        run = RunFolder.open(folder)
        name, facts = "/".join(folder.resolve().parts[-3:]), run.facts
        found[name] = check_run(run)
        for precision, entry in found[name].items():
            loss = with_interval(**entry["f1_loss"])
            changed = f"{entry['labels_changed']} of {entry['cells']} labels changed"
            log.info("%-44s %-8s %9s bytes  F1 lost %s, %s", name, precision, f"{entry['bytes']:,}", loss, changed)
    if facts is None:
        raise CheckError(f"{', '.join(map(str, options.runs))}: no finished run there")
    over = {p: interval([entry[p]["f1_loss"]["value"] for entry in found.values()]) for p in next(iter(found.values()))}
    for precision, loss in over.items():
        text = with_interval(loss["mean"], loss["low"], loss["high"])
        log.info("%-44s %-8s F1 lost %s", "mean of the runs", precision, text)
    return {"runs": found, "mean_f1_loss": over, "dataset": facts.name, "simulated": facts.simulated}
