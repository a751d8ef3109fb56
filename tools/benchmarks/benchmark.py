"""Parts that all benchmarks share: timing of arms in turns, description of the machine, table and JSON file.

An arm is one implementation that is compared with others.
"""

import importlib.metadata
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable

import numpy as np

from tfctc.io.files import write_json
from tfctc.system.processor import processor_name
from tfctc.system.startup import ONEDNN

LIBRARIES = (
    "tensorflow",
    "keras",
    "numpy",
    "ai-edge-litert",
    "torch",
    "albumentations",
    "opencv-python-headless",
    "onnxruntime",
    "openvino",
)


def machine() -> dict:
    """Description of the machine: processor, system and versions of libraries."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "libraries": versions,
        ONEDNN: os.environ.get(ONEDNN, "not set"),
    }


def with_interval(value: float, low: float | None, high: float | None) -> str:
    """A difference as text, with its interval if it has one."""
    return f"{value:+.4f}" if low is None else f"{value:+.4f} ({low:+.4f} to {high:+.4f})"


def measure(
    arms: dict[str, Callable[[], object]], rounds: int, warmup: int = 2, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Seconds of every timed call, by arm. The arms take turns, so that a busy machine slows all of them alike.

    Args:
        arms: name -> function to time.
        rounds: number of timed calls of each arm.
        warmup: number of calls before, which are not timed.
        clock: function that returns the time in seconds.
    """
    seconds = {name: [] for name in arms}
    for i in range(-warmup, rounds):
        for name, arm in arms.items():
            started = clock()
            arm()
            if i >= 0:
                seconds[name].append(clock() - started)
    return seconds


def row(arm: str, seconds: list[float], images: int, **facts) -> dict:
    """One row of the table, which is also printed.

    Args:
        arm: name of the arm.
        seconds: time of each round.
        images: number of images in a round.
        facts: further columns, such as the image size.
    """
    median, least = float(np.median(seconds)), min(seconds)
    metrics = {"median_s": median, "min_s": least, "images_per_s": images / median, "rounds": len(seconds)}
    print(
        f"{arm:34} {' '.join(f'{k} {v}' for k, v in facts.items()):20} {images / median:8.1f} images/s   "
        f"median {median * 1e3:9.2f} ms   minimum {least * 1e3:9.2f} ms",
        flush=True,
    )
    return {"arm": arm, **facts, **metrics}


def ratio(rows: list[dict], slow: str, fast: str, metric: str = "median_s", **facts) -> dict:
    """Time of arm `slow` over that of arm `fast`, in the rows with these facts."""
    found = {r["arm"]: r for r in rows if all(r[k] == v for k, v in facts.items())}
    return found[slow][metric] / found[fast][metric]


def report(rows: list[dict], ratios: dict[str, float], json_file: str | None = None) -> None:
    """Prints the ratios, and writes rows, ratios, command and machine to `json_file`, if given."""
    print()
    for name, value in ratios.items():
        print(f"{name:44} {value:.2f}")
    if json_file:
        command = shlex.join(["python", *sys.argv])
        write_json(json_file, {"command": command, "machine": machine(), "rows": rows, "ratios": ratios})
        print(f"written to {json_file}")
