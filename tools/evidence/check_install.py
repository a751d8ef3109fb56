"""Plain install without TensorFlow, as on an instrument, in a new environment: size, memory and speed of predictions.

    python tools/evidence install exports/jurkat/1/model_int8.tflite simulated/cells/manifest.csv --out install.json

The check makes a virtual environment in a temporary folder, installs tfctc without extras and measures its size. Then
it runs `tfctc predict` there on all images of the manifest, with one process and with --workers processes: every image
must be predicted, and both tables must be equal. The time to the first prediction is that of a whole command for one
image, from the start of the process to its end.
"""

import csv
import shutil
import subprocess
import tempfile
import time
import venv
from pathlib import Path

import numpy as np
from common import ROOT, CheckError, log

HEAVY = ("tensorflow", "keras", "scikit-learn", "scipy", "matplotlib")
#: Code that runs a command and prints the peak memory of the command, or of its largest child process, in kB.
PEAK = (
    # Refused images are counted later, from the table.
    "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], capture_output=True, text=True); "
    "assert done.returncode == 0 or 'were refused' in done.stderr, done.stderr; "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


def add_options(parser) -> None:
    parser.add_argument("model", type=Path, help="exported .tflite file")
    parser.add_argument("manifest", type=Path, help="manifest.csv of a data set")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--starts", type=int, default=20, help="number of timed commands for one image")


def clean_source(folder: Path) -> Path:
    """A clean copy of the source: pip builds in the source folder, and would pack files of an earlier build."""
    source = folder / "source"
    shutil.copytree(ROOT / "tfctc", source / "tfctc", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    return source


def install(folder: Path) -> tuple[Path, dict]:
    """Installs tfctc into a new environment; returns its `bin` folder, and the size and names of the packages."""
    venv.create(folder, with_pip=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    empty, empty_compiled = megabytes(packages), megabytes(packages, "*.pyc")
    source = clean_source(folder.parent)
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", source], check=True)
    freeze = subprocess.run([*pip, "list", "--format=freeze"], check=True, capture_output=True, text=True).stdout
    names = {line.split("==")[0].lower().replace("_", "-") for line in freeze.split()}
    if found := names.intersection(HEAVY):
        raise CheckError(f"the plain install has {', '.join(sorted(found))}")
    total = megabytes(packages) - empty
    return folder / "bin", {
        "megabytes": total,
        "megabytes_without_bytecode": total - (megabytes(packages, "*.pyc") - empty_compiled),
        "packages": sorted(names - {"pip", "setuptools"}),
    }


def megabytes(folder: Path, pattern: str = "*") -> float:
    """Size of all files in a folder whose names match a pattern."""
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file()) / 1e6


def predict(binaries: Path, *arguments) -> dict:
    """Seconds and peak memory of one `tfctc predict`."""
    command = [binaries / "python", "-c", PEAK, binaries / "tfctc", "predict", *arguments]
    started = time.perf_counter()
    done = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, text=True)
    return {"seconds": time.perf_counter() - started, "peak_megabytes": int(done.stdout.split()[-1]) / 1e3}


def check(options) -> dict:
    with options.manifest.open(newline="", encoding="utf-8") as file:
        cells = list(csv.DictReader(file))
    one = options.manifest.parent / cells[0]["brightfield"]
    with tempfile.TemporaryDirectory() as room:
        room = Path(room)
        binaries, installed = install(room / "environment")
        found = {"install": installed, "images": len(cells), "model": options.model.name}
        # The first start is left out, because it compiles Python files to bytecode.
        starts = [predict(binaries, options.model, one, "-o", room / "one.csv") for _ in range(options.starts + 1)][1:]
        seconds = [start["seconds"] for start in starts]
        found["first_prediction_s"] = {"median": float(np.median(seconds)), "worst": max(seconds)}
        found["first_prediction_peak_megabytes"] = max(start["peak_megabytes"] for start in starts)
        tables = []
        for workers in (1, options.workers):
            table = room / f"{workers}.csv"
            run = predict(binaries, options.model, options.manifest, "-o", table, "--workers", workers)
            found[f"workers_{workers}"] = run | {"images_per_s": len(cells) / run["seconds"]}
            tables.append(table.read_bytes())
        rows = list(csv.DictReader(tables[0].decode().splitlines()))
    found["predicted"] = sum(row["call"] not in ("", "refused") for row in rows)
    found["same_with_workers"] = tables[0] == tables[1]
    for key, value in found.items():
        log.info("%s: %s", key, value)
    return found


def problem(found: dict) -> str:
    """Message if an image has no prediction, or if several processes gave another table."""
    complete = found["predicted"] == found["images"] and found["same_with_workers"]
    return "" if complete else "not every image was predicted, or several processes gave another table"
