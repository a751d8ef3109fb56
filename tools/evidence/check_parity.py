"""Parity of every file of a version with its Keras model: on many cells, and on extreme images.

    python tools/evidence parity runs/jurkat exports/jurkat/1 --cells jurkat-cells --cells simulated/a --out parity.json

The cells are the first --most of each data set, of any split: parity is agreement with Keras, not with the labels.
Every .tflite file is run by LiteRT and by OpenVINO. Extreme images lie outside the ranges of int8 files, so the
differences of quantized files for these images are reported but not limited.
"""

from pathlib import Path

import numpy as np
from common import CheckError, log

from tfctc.cells import DatasetFacts
from tfctc.data.manifest import Manifest
from tfctc.errors import ImageError
from tfctc.exporters import parity
from tfctc.inference.predictor import Predictor
from tfctc.inference.verify import check_files
from tfctc.io.images import read_channel, to_unit
from tfctc.runs.folder import RunFolder
from tfctc.runtime import RUNTIMES

EXTREME = "extreme images"


def add_options(parser) -> None:
    parser.add_argument("run", type=Path)
    parser.add_argument("version", type=Path)
    parser.add_argument("--cells", type=Path, action="append", required=True, help="data set folder, may be repeated")
    parser.add_argument("--most", type=int, default=1000, help="largest number of cells of each data set")


def extremes(facts: DatasetFacts, cell: np.ndarray) -> dict[str, np.ndarray]:
    """Extreme images by name, unsigned pixels ``(H, W)``; some are made from the pixels of `cell`."""
    height, width = facts.image_size
    full = facts.full_scale
    rows, columns = np.indices((height, width))
    dot = np.zeros((height, width), facts.dtype)
    dot[height // 2, width // 2] = full
    noise = np.random.default_rng(0).integers(0, full + 1, (height, width))
    found = {
        "black": np.zeros((height, width)),
        "white": np.full((height, width), full),
        "one count": np.ones((height, width)),
        "saturated": np.minimum(cell.astype(np.int64) * 20, full),
        "underexposed": cell // 50,
        "one white pixel": dot,
        "one black pixel": full - dot,
        "checkerboard": (rows + columns) % 2 * full,
        "left half white": (columns < width / 2) * full,
        "noise": noise,
    }
    return {name: pixels.astype(facts.dtype) for name, pixels in found.items()}


def artefacts(version: Path, facts: DatasetFacts, manifest: dict):
    """Yields name, gate and predict function of every file; it maps unsigned pixels ``(N, H, W)`` to ``(N,)``."""
    for path in sorted(version.glob("*.tflite")):
        precision = path.stem.removeprefix("model_")
        for runtime in RUNTIMES:
            predictor = Predictor(path, runtime=runtime)
            yield (
                f"{precision}, {runtime}",
                precision,
                lambda pixels, predictor=predictor: np.array([predictor(p).probability for p in pixels]),
            )
    if parity.SAVED_MODEL in manifest["parity"]:
        unit = lambda pixels: to_unit(pixels[..., np.newaxis], facts)  # noqa: E731
        yield parity.SAVED_MODEL, parity.SAVED_MODEL, lambda p: parity.run_saved_model(version, unit(p))
        yield parity.SERVING_BYTES, parity.SERVING_BYTES, lambda p: parity.run_serving_bytes(version, unit(p), facts)


def refusals(predictor: Predictor, facts: DatasetFacts) -> dict[str, str]:
    """Error message for each image that must be refused, by name; "" if the image was predicted."""
    height, width = facts.image_size
    bad = {
        "1 x 1 px": np.zeros((1, 1), facts.dtype),
        "no pixels": np.zeros((0, 0), facts.dtype),
        "another size": np.zeros((height, width + 1), facts.dtype),
        "float": np.full((height, width), np.nan, np.float32),
        "colour": np.zeros((height, width, 3), facts.dtype),
        "above full scale": np.full((height, width), 65535, np.uint16),
    }
    found = {}
    for name, pixels in bad.items():
        try:
            predictor(pixels)
            found[name] = ""
        except ImageError as error:
            found[name] = str(error)
    return found


def check(options) -> dict:
    files = sorted(options.version.glob("*.tflite"))
    if not files:
        raise CheckError(f"{options.version} has no .tflite file")
    run, manifest = RunFolder.open(options.run), check_files(options.version)
    if manifest["weights_sha256"] != run.record["weights_sha256"]["student"]:
        raise CheckError(f"{options.version} is not an export of {options.run}")
    facts, model, threshold = run.facts, run.calibrated_student(), run.operating_point["threshold"]
    sets = {}
    for folder in options.cells:
        data = Manifest.open(folder)
        images = [data.cell(i).brightfield for i in range(min(options.most, len(data)))]
        kind = "simulated" if data.facts.simulated else "real"
        sets[f"{folder.name} ({kind})"] = np.stack([read_channel(file, facts)[..., 0] for file in images])
    extreme = extremes(facts, next(iter(sets.values()))[0])
    sets[EXTREME] = np.stack(list(extreme.values()))
    expected = {name: parity.keras_probabilities(model, to_unit(p[..., np.newaxis], facts)) for name, p in sets.items()}
    rows = []
    for name, gate, predict in artefacts(options.version, facts, manifest):
        for cells, pixels in sets.items():
            found = parity.compare(predict(pixels), expected[cells], threshold)
            bound = None if cells == EXTREME and gate in ("mixed", "int8", "dynamic") else parity.GATES[gate].bound
            rows.append({"artefact": name, "cells": cells, **found, "gate": parity.GATES[gate].measure, "bound": bound})
            log.info(
                "%-22s %-32s largest %.1e  mean %.1e  labels changed %d of %d",
                name, cells, found["max_abs"], found["mean_abs"], found["labels_changed"], found["images"],
            )  # fmt: skip
    refused = refusals(Predictor(files[0]), facts)
    for name, line in refused.items():
        log.info("refused: %-20s %s", name, line)
    keras = {name: round(float(p), 6) for name, p in zip(extreme, expected[EXTREME], strict=True)}
    return {"model": manifest["model_version"], "keras_on_extremes": keras, "rows": rows, "refused": refused}


def problem(found: dict) -> str:
    """Message if a file exceeds the bound of its gate, or an image was not refused."""
    # Written so that NaN fails.
    beyond = [row for row in found["rows"] if row["bound"] is not None and not row[row["gate"]] <= row["bound"]]
    problems = [f"{row['artefact']} on {row['cells']} is beyond the gate" for row in beyond]
    problems += [f"the image {name!r} was not refused" for name, line in found["refused"].items() if not line]
    return ", ".join(problems)
