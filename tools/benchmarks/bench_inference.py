"""Time of one image, and images a second, of one trained network on every runtime, side by side in one run.

    pip install -e '.[train,bench]'
    python tools/benchmarks/bench_inference.py --run runs/quickstart --json docs/evidence/speed/inference.json

Every arm is a function from float32 images in memory to probabilities, on the CPU. Before it is timed, its
probabilities for the cells of the test split are compared with those of Keras. Arms with float32 arithmetic and weights
must agree to 1e-4. The loss of F1 against Keras has a 95 % interval by patient.

    LiteRT         `tfctc.runtime.litert`, as in `tfctc predict`: one image in each call, also for many images
    ... batched    LiteRT's own interpreter, its input resized to all images
    SavedModel, Keras
    PyTorch        channels last, `torch_resnet50.py`; compiled: torch.compile with frozen weights, needs a C++ compiler
    ONNX Runtime   the PyTorch network, exported by torch.onnx; other backbones: the SavedModel, converted by tf2onnx
    OpenVINO       the same ONNX file in float32, and in the 16 bits it chooses itself if the processor has them;
                   and the .tflite files that LiteRT runs

The arms take turns. A turn begins with a pause, until the threads of the previous arm have stopped spinning, and with
one call that is not timed, to fill the caches.

Ratios are of one image on the most threads, by medians; above 1 the first is faster. Their names end in the image size,
after the backbone if it is not ResNet50. `_minimum` is by minima: if it differs much from the median, the machine was
busy. `_1_threads` is on fewer threads, which a busy machine disturbs least; `_throughput` is for many images.

PyTorch's threads sleep while they wait (OMP_WAIT_POLICY=PASSIVE, unless it is set). Spinning, PyTorch's default,
doubles its median or more on a busy machine, but gives its best times on an idle one: set ACTIVE if nothing else runs.
For that reason PyTorch has no ratio by minima.

With --table the rows are also written as a Markdown table. Without --run a ResNet50 is trained for a minute or two on
simulated cells: its speed is representative, its loss of F1 in int8 is not.
"""

import argparse
import logging
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from benchmark import ratio, report, row, with_interval
from inference_arms import BATCHED, KERAS, ONNX, RUNTIMES, SAVED_MODEL, TFLITE, TORCH, Arm, LeftOut, channels_first

from tfctc.system.startup import start_tensorflow

MOST_CELLS, TOLERANCE, INEXACT = 5000, 1e-4, ("bfloat16", "float16", "dynamic", "mixed", "int8")
MANY, REST_S = 32, 0.1
#: Number of images in a call -> number of timed calls in a turn.
CALLS = {1: 20, MANY: 2}
CELLS = "cells.npz"


#: Ratio -> arm in the numerator (expected to be slower), arm in the denominator.
PAIRS = {
    "litert_float32_over_saved_model": ("SavedModel", "LiteRT float32"),
    "litert_float32_over_keras": ("Keras", "LiteRT float32"),
    "litert_float32_over_torch": ("PyTorch", "LiteRT float32"),
    "litert_float32_over_torch_compiled": ("PyTorch, compiled", "LiteRT float32"),
    "litert_float32_over_onnxruntime": ("ONNX Runtime", "LiteRT float32"),
    "litert_float32_over_openvino": ("OpenVINO", "LiteRT float32"),
    "litert_int8_over_litert_float32": ("LiteRT float32", "LiteRT int8"),
    "litert_int8_over_openvino": ("OpenVINO", "LiteRT int8"),
    "litert_int8_over_openvino_bfloat16": ("OpenVINO bfloat16", "LiteRT int8"),
    "openvino_int8_over_litert_int8": ("LiteRT int8", "OpenVINO, int8.tflite"),
    "openvino_float32_tflite_over_litert_float32": ("LiteRT float32", "OpenVINO, float32.tflite"),
    "litert_batched_over_one_by_one_float32": ("LiteRT float32", "LiteRT float32, batched"),
    "litert_batched_over_one_by_one_int8": ("LiteRT int8", "LiteRT int8, batched"),
}


def train(folder: Path, size: int) -> None:
    """Trains a ResNet50 for a short time on simulated cells."""
    from tfctc.config import RunConfig, TrainingConfig
    from tfctc.data.simulate import SimulationOptions, write_dataset
    from tfctc.training.fit import fit

    data = write_dataset(folder / "cells", 600, seed=0, options=SimulationOptions(size=size))
    training = TrainingConfig(epochs=3, batch_size=16, precision="float32")
    fit(RunConfig(data=str(data), mode="brightfield", training=training), folder / "run")


def prepare(run: Path, folder: Path) -> str:
    """Writes the student of `run` for every runtime, with cells and Keras's probabilities; returns a short name."""
    from tfctc.data.pipeline import labelled_batches
    from tfctc.errors import ExportError
    from tfctc.exporters import litert, parity
    from tfctc.exporters.quantization.calibration import calibration_set
    from tfctc.exporters.saved_model import write_saved_model
    from tfctc.runs.folder import RunFolder

    # The converters print many messages.
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    run = RunFolder.open(run)
    model = run.calibrated_student()
    batches = labelled_batches(run.builder(), "train", ("brightfield",), 64).as_numpy_iterator()
    images = calibration_set(batches)
    cells = next(labelled_batches(run.builder(), "test", ("brightfield",), MOST_CELLS).as_numpy_iterator())
    expected = parity.keras_probabilities(model, cells["brightfield"])
    np.savez(
        folder / CELLS,
        images=cells["brightfield"],
        labels=cells["label"],
        patients=np.unique(cells["patient_id"], return_inverse=True)[1],
        expected=expected,
        threshold=run.operating_point["threshold"],
    )
    print(
        f"{run.name}: Keras's probabilities for {len(expected)} cells are {expected.min():.3f} to {expected.max():.3f}"
    )
    model.save(folder / KERAS)
    write_saved_model(model, run.facts, folder / SAVED_MODEL)
    for option, precision in litert.PRECISIONS.items():
        try:
            flatbuffer = litert.convert(model, run.facts, option, images)
        except ExportError as error:
            print(f"No {precision}.tflite: {error}")
            continue
        (folder / TFLITE.format(precision)).write_bytes(flatbuffer)
    if run.config.student.backbone != "resnet50":
        write_onnx(folder)
        return f"{run.config.student.backbone}_{images.shape[1]}"
    try:
        write_torch(model, images[:2], folder)
    except ImportError as error:
        print(f"No network for PyTorch, or for ONNX Runtime and OpenVINO: {error}")
    return str(images.shape[1])


def write_onnx(folder: Path) -> None:
    command = ["-m", "tf2onnx.convert", "--saved-model", SAVED_MODEL, "--signature_def", "serving_default"]
    done = subprocess.run([sys.executable, *command, "--output", ONNX], cwd=folder, capture_output=True, text=True)
    if done.returncode:
        print(f"No network for ONNX Runtime and OpenVINO: {(done.stderr.splitlines() or ['?'])[-1]}")


def write_torch(model, images: np.ndarray, folder: Path) -> None:
    import torch
    from torch_resnet50 import from_keras

    network = torch.nn.Sequential(from_keras(model), torch.nn.Softmax(1)).eval()
    torch.save(network, folder / TORCH)
    torch.onnx.export(
        network,
        (torch.from_numpy(channels_first(images)),),
        folder / ONNX,
        input_names=["images"],
        dynamic_shapes=({0: "batch"},),
        external_data=False,
        verbose=False,
    )


def check(name: str, arm: Arm, folder: Path, images: int) -> dict:
    """Largest difference in probability from Keras, loss of F1, and number of cells.

    Raises:
        SystemExit: an arm with float32 arithmetic differs by more than `TOLERANCE`.
    """
    from tfctc.evaluation.difference import f1_loss

    cells = dict(np.load(folder / CELLS))
    x, expected = cells["images"], cells["expected"]
    whole = len(x) // images * images
    found = np.concatenate([arm(x[i : i + images]) for i in range(0, whole, images)])
    difference = float(np.abs(found - expected[:whole]).max())
    loss = f1_loss(cells["labels"][:whole], cells["patients"][:whole], cells["threshold"], expected[:whole], found)
    print(f"{name:34} differs from Keras by {difference:.1e} at most; F1 lost {with_interval(**loss)}")
    # Written so that NaN fails.
    if not (difference <= TOLERANCE or any(word in name for word in INEXACT)):
        raise SystemExit(f"{name} differs from Keras by {difference:.1e}, at most {TOLERANCE:.0e} allowed")
    return {"max_abs_difference": difference, "f1_loss": loss, "cells": whole}


def bytes_of(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def turns(arms: dict[str, Arm], x: np.ndarray, rounds: int) -> dict[str, list[float]]:
    """Seconds of every timed call."""
    seconds = {name: [] for name in arms}
    for _ in range(rounds):
        for name, arm in arms.items():
            time.sleep(REST_S)
            arm(x)
            for _ in range(CALLS[len(x)]):
                started = time.perf_counter()
                arm(x)
                seconds[name].append(time.perf_counter() - started)
    return seconds


def time_all(folder: Path, network: str, threads: int, images: int, rounds: int, chosen: list[str]) -> list[dict]:
    """Rows of all arms that can run on this machine and whose names contain a word of `chosen`, if there are any."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    warnings.simplefilter("ignore")
    arms, checked = {}, {}
    for name, (make, file) in (RUNTIMES | (BATCHED if images > 1 else {})).items():
        if not chosen or any(word in name for word in chosen):
            try:
                arms[name] = make(folder, threads, images)
            except (ImportError, FileNotFoundError, LeftOut) as error:
                print(f"{name:34} is left out: {error}")
                continue
            checked[name] = check(name, arms[name], folder, images) | {"bytes": bytes_of(folder / file)}
    rows = []
    for name, seconds in turns(arms, np.load(folder / CELLS)["images"][:images], rounds).items():
        p99 = float(np.quantile(seconds, 0.99))
        facts = {"network": network, "threads": threads, "batch": images, "p99_ms": round(p99 * 1e3, 2)}
        rows.append(row(name, seconds, images, **facts) | checked[name])
    return rows


def ratios_of(rows: list[dict], network: str, threads: list[int]) -> dict[str, float]:
    """All ratios of one network for which there are rows."""
    most = max(threads)
    kinds = {"": (most, 1, "median_s"), "_minimum": (most, 1, "min_s"), "_throughput": (most, MANY, "median_s")}
    kinds |= {f"_{n}_threads": (n, 1, "median_s") for n in threads if n < most}
    found = {}
    for tail, (n, images, metric) in kinds.items():
        facts = {"network": network, "threads": n, "batch": images}
        arms = {r["arm"] for r in rows if all(r[k] == v for k, v in facts.items())}
        for name, (slow, fast) in PAIRS.items():
            if {slow, fast} <= arms and not (metric == "min_s" and "PyTorch" in slow):
                found[f"{name}_{network}{tail}"] = ratio(rows, slow, fast, metric, **facts)
    return found


def table(rows: list[dict], threads: list[int]) -> str:
    """Markdown table: time of one image, and images per second for many at once."""
    latency = [f"{what}, {n} thread{'s' * (n > 1)}" for n in threads for what in ("median ms", "99th percentile")]
    head = ["network", "runtime", "MB", *latency, f"images/s, {MANY} at once, {max(threads)} threads", "F1 lost"]
    lines = [head, ["---"] * len(head)]
    found = {(r["network"], r["arm"], r["threads"], r["batch"]): r for r in rows}
    for network, arm in dict.fromkeys((r["network"], r["arm"]) for r in rows if r["batch"] == 1):
        name = f"ResNet50, {network} px" if network.isdigit() else f"{network.replace('_', ', ')} px"
        one = [found[network, arm, n, 1] for n in threads]
        times = [f"{value:.2f}" for r in one for value in (r["median_s"] * 1e3, r["p99_ms"])]
        many = found.get((network, arm, max(threads), MANY))
        speed = f"{many['images_per_s']:.0f}" if many else "n/a"
        lines.append([name, arm, f"{one[-1]['bytes'] / 1e6:.2f}", *times, speed, with_interval(**one[-1]["f1_loss"])])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def alone(function: Callable, *arguments):
    """Result of `function` in a new process: TensorFlow's number of threads can be set only once in a process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, nargs="+", default=[], help="finished run folders, of one image size each")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 96], help="pixels; without --run")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=10, help="turns of every arm")
    parser.add_argument("--arms", nargs="+", default=[], help="only arms whose names contain one of these words")
    parser.add_argument("--json", help="file to write")
    parser.add_argument("--table", type=Path, help="Markdown file to write")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    start_tensorflow(training=True)

    rows, ratios = [], {}
    with tempfile.TemporaryDirectory() as room:
        runs = args.run
        if not runs:
            print("Trained for a minute or two on simulated cells: the loss of F1 in int8 is not representative")
            for size in args.sizes:
                alone(train, Path(room, str(size)), size)
            runs = [Path(room, str(size), "run") for size in args.sizes]
        for i, run in enumerate(runs):
            folder = Path(room, f"for_runtimes_{i}")
            folder.mkdir()
            network = alone(prepare, run, folder)
            for threads in args.threads:
                for images in CALLS:
                    rows += alone(time_all, folder, network, threads, images, args.rounds, args.arms)
            ratios |= ratios_of(rows, network, args.threads)
    report(rows, ratios, args.json)
    if args.table:
        args.table.write_text(table(rows, args.threads), encoding="utf-8")
        print(f"table written to {args.table}")


if __name__ == "__main__":
    main()
