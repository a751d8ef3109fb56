"""Every artefact of a version against the Keras model it comes from: on many cells, and on images no microscope takes.

    python tools/check_parity.py runs/jurkat exports/jurkat/1 --cells jurkat-cells --cells simulated/a --out parity.json

The cells are the first --most of each data set, of whatever split: parity asks for agreement, not for right answers.
LiteRT and OpenVINO both run every .tflite file. Of integers the extreme images lie outside what their scales were made
for: their figures are reported, and have no bound.
"""

import argparse
import shlex
import sys
from pathlib import Path

import numpy as np
from benchmark import machine

from tfctc.cells import DatasetFacts
from tfctc.data.manifest import Manifest
from tfctc.errors import ImageError
from tfctc.export import parity
from tfctc.files import write_json
from tfctc.images import read_channel, to_unit
from tfctc.inference.predictor import Predictor
from tfctc.inference.verify import check_files
from tfctc.runtime import RUNTIMES
from tfctc.training.run import Run

EXTREME = "extreme images"


def extremes(facts: DatasetFacts, cell: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> unsigned pixels ``(H, W)``, made from those of one `cell` where they need one."""
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
    """Name, its gate, and what gives probabilities ``(N,)`` for unsigned pixels ``(N, H, W)``."""
    for path in sorted(version.glob("*.tflite")):
        precision = path.stem.removeprefix("model_")
        for runtime in RUNTIMES:
            predictor = Predictor(path, runtime=runtime)
            # The tool calls it before it takes the next.
            yield (
                f"{precision}, {runtime}",
                precision,
                lambda pixels, predictor=predictor: np.array([predictor(p).probability for p in pixels]),
            )
    if parity.SAVED_MODEL in manifest["parity"]:
        unit = lambda pixels: to_unit(pixels[..., np.newaxis], facts)  # noqa: E731
        yield parity.SAVED_MODEL, parity.SAVED_MODEL, lambda p: parity.run_saved_model(version, unit(p))
        yield parity.SERVING_BYTES, parity.SERVING_BYTES, lambda p: parity.run_serving_bytes(version, unit(p), facts)


def refused(predictor: Predictor, facts: DatasetFacts) -> dict[str, str]:
    """What is said to images that are not of the model's kind."""
    height, width = facts.image_size
    bad = {
        "1 x 1 px": np.zeros((1, 1), facts.dtype),
        "no pixels": np.zeros((0, 0), facts.dtype),
        "another size": np.zeros((height, width + 1), facts.dtype),
        "float": np.full((height, width), np.nan, np.float32),
        "colour": np.zeros((height, width, 3), facts.dtype),
        "above full scale": np.full((height, width), 65535, np.uint16),
    }
    said = {}
    for name, pixels in bad.items():
        try:
            predictor(pixels)
        except ImageError as error:
            said[name] = str(error)
        else:
            raise SystemExit(f"{name} was answered")
    return said


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("version", type=Path)
    parser.add_argument("--cells", type=Path, action="append", required=True, help="data set folder, may be repeated")
    parser.add_argument("--most", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if not list(args.version.glob("*.tflite")):
        parser.error(f"{args.version} has no .tflite file")
    run, manifest = Run.open(args.run), check_files(args.version)
    if manifest["weights_sha256"] != run.record["weights_sha256"]["student"]:
        raise SystemExit(f"{args.version} is not an export of {args.run}")
    facts, model, threshold = run.facts, run.student(), run.operating_point["threshold"]
    sets = {}
    for folder in args.cells:
        data = Manifest.open(folder)
        files = [cell.brightfield for cell in data.cells()][: args.most]
        kind = "simulated" if data.facts.simulated else "real"
        sets[f"{folder.name} ({kind})"] = np.stack([read_channel(file, facts)[..., 0] for file in files])
    extreme = extremes(facts, next(iter(sets.values()))[0])
    sets[EXTREME] = np.stack(list(extreme.values()))
    expected = {name: parity.reference(model, to_unit(p[..., np.newaxis], facts)) for name, p in sets.items()}

    rows, failed = [], []
    for name, gate, answer in artefacts(args.version, facts, manifest):
        for cells, pixels in sets.items():
            figures = parity.compare(answer(pixels), expected[cells], threshold)
            bound = None if cells == EXTREME and gate in ("mixed", "int8", "dynamic") else parity.GATES[gate].bound
            figures |= {"gate": parity.GATES[gate].figure, "bound": bound}
            if bound is not None and not figures[figures["gate"]] <= bound:
                failed.append(f"{name} on {cells}")
            rows.append({"artefact": name, "cells": cells, **figures})
            print(
                f"{name:22} {cells:32} largest {figures['max_abs']:.1e}  mean {figures['mean_abs']:.1e}  "
                f"labels changed {figures['labels_changed']} of {figures['images']}"
            )
    keras = {name: round(float(p), 6) for name, p in zip(extreme, expected[EXTREME], strict=True)}
    said = refused(Predictor(sorted(args.version.glob("*.tflite"))[0]), facts)
    for name, line in said.items():
        print(f"refused: {name:20} {line}")
    if args.out:
        found = {"model": manifest["model_version"], "keras_on_extremes": keras, "rows": rows, "refused": said}
        write_json(args.out, {"command": shlex.join(["python", *sys.argv]), "machine": machine(), **found})
    if failed:
        raise SystemExit(f"beyond the gate: {', '.join(failed)}")


if __name__ == "__main__":
    main()
