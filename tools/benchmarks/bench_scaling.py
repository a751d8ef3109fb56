"""Time per cell and peak memory of build, input and predict for 1,000 to 1,000,000 cells; both should be constant.

    python tools/benchmarks/bench_scaling.py --json docs/evidence/speed/scaling.json

Cells: 10,000 distinct simulated cells. The images of each further cell are hard links to those of one of them, under
new names. Every 250 cells have a patient of their own. Each stage runs in a new process:

    build    open the manifest, split the patients, write the tfrecords
    input    everything that `fit` does except its training steps: open, split, find the tfrecords, count and measure
             the cells, one pass over the augmented training batches of both channels and one over the validation
             split; without the cache of `training.cache_mb`, which helps only from the second pass on
    predict  the command `tfctc predict MODEL manifest.csv` with an untrained compact network

Peak memory is the largest resident set of that process, imports included. Time starts after the imports. Time per cell
is (seconds of N cells - seconds of 1,000 cells) / (N - 1,000), which leaves out tracing and other fixed costs.
"""

import argparse
import csv
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

DISTINCT, BASE, PATIENTS, SEED = 10_000, 1_000, 40, 0
STAGES = ("build", "input", "predict")
#: Up to this number of cells a stage takes only a few seconds, and is repeated. Of the times the smallest is used,
#: because other work of the machine can only add to it; of the peaks of memory the median.
REPEATED, REPEATS = 10_000, 5
MODEL = "compact.tflite"


def make_distinct(folder: Path, size: int) -> None:
    """Writes the distinct simulated cells, which all sizes share."""
    from tfctc.data.simulate import SimulationOptions, write_dataset

    options = SimulationOptions(patients=PATIENTS, size=size, mpp=max(0.64, 20 / size))
    write_dataset(folder, DISTINCT, seed=SEED, options=options)


def make_cells(folder: Path, distinct: Path, n: int) -> None:
    """Writes a data set of `n` cells: cell i has links to the images of distinct cell i modulo `DISTINCT`."""
    from dataclasses import replace

    from tfctc.data.manifest import Manifest, write_manifest
    from tfctc.io.files import atomic_folder

    manifest = Manifest.open(distinct)

    def cells(room):
        made = 0
        for copy in range(math.ceil(n / DISTINCT)):
            for cell in manifest.cells():
                if made == n:
                    return
                patient, name = f"{cell.patient_id}-{copy:03d}", f"{cell.cell_id}-{copy:03d}"
                (room / "images" / patient).mkdir(parents=True, exist_ok=True)
                places = {c: f"images/{patient}/{name}_{c}.png" for c in ("brightfield", "dapi")}
                for channel, place in places.items():
                    os.link(getattr(cell, channel), room / place)
                yield replace(cell, cell_id=name, patient_id=patient, **places)
                made += 1

    with atomic_folder(folder) as room:
        write_manifest(room, manifest.facts, cells(room))


def make_model(path: Path, distinct: Path) -> None:
    """Writes an untrained compact network as `tfctc export` would."""
    from tfctc.config import ModelConfig, to_dict
    from tfctc.data.manifest import Manifest
    from tfctc.exporters.litert import convert
    from tfctc.io.record import append_record
    from tfctc.models.classifier import build_classifier
    from tfctc.models.fast import to_stock

    facts = Manifest.open(distinct).facts
    model = build_classifier(ModelConfig("compact"), tuple(facts.image_size), {"brightfield": (0.4, 0.1)}, "student")
    path.write_bytes(convert(to_stock(model), facts, "none"))
    record = {"schema": 1, "model_version": "untrained", "operating_point": {"threshold": 0.5}, "quality": {}}
    append_record(path, record | {"dataset": to_dict(facts)})


def ready_to_build() -> Callable[[Path], None]:
    from tfctc.config import RunConfig
    from tfctc.data.builder import build
    from tfctc.data.manifest import Manifest
    from tfctc.data.splits import Splits

    def run(folder):
        manifest = Manifest.open(folder)
        return build(manifest, Splits.make(manifest, RunConfig(seed=SEED)), progress=show_progress)

    return run


def ready_to_read() -> Callable[[Path], None]:
    from tfctc.augment.policy import Policy
    from tfctc.cells import CHANNELS
    from tfctc.config import RunConfig
    from tfctc.data import pipeline
    from tfctc.data.statistics import measure

    config, build = RunConfig().training, ready_to_build()
    size, policy = config.batch_size, Policy.from_config(None)

    def run(folder):
        started = time.perf_counter()
        builder = build(folder)
        measure(builder, CHANNELS)
        weights = pipeline.class_weights(builder)
        say(f"  counted and measured after {time.perf_counter() - started:.0f} s")
        batches = pipeline.train_batches(
            builder,
            CHANNELS,
            draw=[(pipeline.LABELLED, size)],
            seed=SEED,
            augment=policy,
            class_weights=weights,
            cache_mb=0,
        )
        steps = math.ceil(pipeline.count(builder, "train") / size)
        for i, _ in enumerate(batches.take(steps)):
            if i % 4000 == 3999:
                say(f"  {(i + 1) * size} training cells after {time.perf_counter() - started:.0f} s")
        for _ in pipeline.eval_batches(builder, "validation", CHANNELS, size):
            pass

    return run


def ready_to_predict(model: Path) -> Callable[[Path], None]:
    import tfctc.inference.batch
    import tfctc.inference.predictor
    import tfctc.inference.sources  # noqa: F401
    from tfctc.cli import main as tfctc

    def run(folder):
        out = folder / "predictions.csv"
        tfctc(["predict", str(model), str(folder / "manifest.csv"), "-o", str(out)], standalone_mode=False)
        with out.open(newline="") as file, (folder / "manifest.csv").open(newline="") as manifest:
            rows = sum(1 for row in csv.reader(file) if row[2] != "refused")
            if rows != sum(1 for _ in csv.reader(manifest)):
                raise RuntimeError("not every cell was predicted")

    return run


def measure_here(stage: str, folder: Path, model: Path) -> dict:
    """Seconds and processor seconds of a stage, and the peak memory of this process."""
    if stage == "predict":
        run = ready_to_predict(model)
    else:
        from tfctc.system.startup import start_tensorflow

        start_tensorflow()
        run = ready_to_build() if stage == "build" else ready_to_read()
    if stage == "build":
        shutil.rmtree(folder / "tfrecords", ignore_errors=True)
    started, worked = time.perf_counter(), time.process_time()
    run(folder)
    seconds, worked = time.perf_counter() - started, time.process_time() - worked
    # In kilobytes on Linux, in bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return {"seconds": seconds, "processor_seconds": worked, "peak_mb": peak / 2**20}


def measure(stage: str, n: int, folder: Path) -> dict:
    """One row of the table; every run of the stage has a new process."""
    if stage == "input" and not (folder / f"cells-{n}" / "tfrecords").exists():
        child("stage", "build", str(n), folder=folder)
    runs = [child("stage", stage, str(n), folder=folder) for _ in range(REPEATS if n <= REPEATED else 1)]
    return {
        "stage": stage,
        "cells": n,
        "distinct_images": min(n, DISTINCT),
        "runs": len(runs),
        "seconds": min(run["seconds"] for run in runs),
        "processor_seconds": min(run["processor_seconds"] for run in runs),
        "peak_mb": statistics.median(run["peak_mb"] for run in runs),
    }


def per_cell(row: dict, base: dict) -> dict:
    """Microseconds per cell: of the cells that `row` has more than `base`, and of all cells, start included."""
    more = row["cells"] - base["cells"]
    times = {"us_per_cell_and_start": row["seconds"] / row["cells"] * 1e6}
    for metric, name in (("seconds", "us_per_cell"), ("processor_seconds", "processor_us_per_cell")):
        times[name] = (row[metric] - base[metric]) / more * 1e6 if more else None
    return times


def child(*words: str, folder: Path) -> dict:
    """Result of this file in a new process, so that one measurement does not affect the next."""
    with tempfile.TemporaryDirectory() as room:
        answer = Path(room, "answer.json")
        subprocess.run([sys.executable, __file__, "--folder", folder, "--child", answer, *words], check=True)
        return json.loads(answer.read_text())


def be_child(answer: Path, folder: Path, size: int, words: list[str]) -> None:
    distinct, model = folder / "distinct", folder / MODEL
    found = {}
    if words[0] == "stage":
        stage, n = words[1], int(words[2])
        found = measure_here(stage, folder / f"cells-{n}", model)
    elif words[0] == "distinct":
        make_distinct(distinct, size)
    elif words[0] == "cells":
        make_cells(folder / f"cells-{words[1]}", distinct, int(words[1]))
    else:
        make_model(model, distinct)
    answer.write_text(json.dumps(found))


def prepare(folder: Path, size: int, sizes: list[int]) -> None:
    """Writes cells and model, unless they exist."""
    if not (folder / "distinct").exists():
        say(f"Simulating {DISTINCT} cells")
        child("distinct", "--image-size", str(size), folder=folder)
    if not (folder / MODEL).exists():
        child("model", folder=folder)
    for n in sizes:
        if not (folder / f"cells-{n}").exists():
            say(f"Making {n} cells, of which {min(n, DISTINCT)} are distinct images")
            child("cells", str(n), folder=folder)


def show_progress(task: str, done: int, total: int) -> None:
    """Prints a line for every 50,000 cells."""
    if done % 50_000 == 0:
        say(f"  {task}: {done} of {total}")


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000], help="cells")
    parser.add_argument("--stages", choices=STAGES, nargs="+", default=list(STAGES))
    parser.add_argument("--image-size", type=int, default=40, help="height and width, pixels")
    parser.add_argument("--folder", type=Path, help="folder for the cells; kept, and used again in the next run")
    parser.add_argument("--json", help="file to write")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if args.child:
        be_child(args.child, args.folder, args.image_size, args.words)
        return

    sizes, rows, ratios = sorted({BASE, *args.sizes}), [], {}
    with nullcontext(args.folder) if args.folder else tempfile.TemporaryDirectory() as folder:
        folder = Path(folder).absolute() / f"{args.image_size}-px"
        folder.mkdir(parents=True, exist_ok=True)
        prepare(folder, args.image_size, sizes)
        for stage in args.stages:
            found = {}
            for n in sizes:
                say(f"{stage}, {n} cells")
                found[n] = measure(stage, n, folder)
                found[n] |= {"image_size": args.image_size} | per_cell(found[n], found[BASE])
                show(found[n])
            rows += found.values()
            if {10_000, 1_000_000} <= set(sizes):
                small, large = found[10_000], found[1_000_000]
                ratios[f"memory_1m_over_10k_{stage}"] = large["peak_mb"] / small["peak_mb"]
                ratios[f"time_per_cell_1m_over_10k_{stage}"] = large["us_per_cell"] / small["us_per_cell"]
                worked = "processor_us_per_cell"
                ratios[f"processor_time_per_cell_1m_over_10k_{stage}"] = large[worked] / small[worked]
    # Imported last: a child process inherits its parent's peak memory, and NumPy is a third of that of predict.
    from benchmark import report

    report(rows, ratios, args.json)


def show(row: dict) -> None:
    times = [f"{row[name]:6.0f}" if row[name] else "     -" for name in ("us_per_cell", "processor_us_per_cell")]
    print(
        f"{row['stage']:8} {row['cells']:8} cells ({row['distinct_images']} distinct)  {times[0]} us a cell, "
        f"{times[1]} of processor time  {row['seconds']:7.1f} s  peak {row['peak_mb']:6.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
