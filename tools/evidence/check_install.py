"""The instrument side as an instrument has it: a fresh environment, the plain install, no TensorFlow.

    python tools/evidence install exports/jurkat/1/model_int8.tflite simulated/cells/manifest.csv --out install.json

Makes a virtual environment in a temporary folder, installs tfctc without extras, measures what that takes, and runs
`tfctc predict` there on all images of the manifest, with one process and with --workers of them: all must be predicted,
and alike. The time to the first prediction is that of a whole command for one image, from the start of the process to
its end.
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
#: Runs a command and prints the peak memory of it, or of its largest child, in kB.
PEAK = (
    # Where images are refused, the table says which.
    "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], capture_output=True, text=True); "
    "assert done.returncode == 0 or 'were refused' in done.stderr, done.stderr; "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


def add_options(parser) -> None:
    parser.add_argument("model", type=Path, help="exported .tflite file")
    parser.add_argument("manifest", type=Path, help="manifest.csv of a data set")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--starts", type=int, default=20, help="commands for one image each")


def clean_source(folder: Path) -> Path:
    """A copy to install from: pip builds in the folder, and would pack what an earlier build left there."""
    source = folder / "source"
    shutil.copytree(ROOT / "tfctc", source / "tfctc", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, source)
    return source


def install(folder: Path) -> tuple[Path, dict]:
    """The environment's `bin`, and what is installed there."""
    venv.create(folder, with_pip=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    empty = megabytes(packages)
    source = clean_source(folder.parent)
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", source], check=True)
    freeze = subprocess.run([*pip, "list", "--format=freeze"], check=True, capture_output=True, text=True).stdout
    names = {line.split("==")[0].lower().replace("_", "-") for line in freeze.split()}
    if found := names.intersection(HEAVY):
        raise CheckError(f"the plain install has {', '.join(sorted(found))}")
    return folder / "bin", {"megabytes": megabytes(packages) - empty, "packages": sorted(names - {"pip", "setuptools"})}


def megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6


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
        # The first start compiles Python's files.
        starts = [predict(binaries, options.model, one, "-o", room / "one.csv") for _ in range(options.starts + 1)][1:]
        seconds = [start["seconds"] for start in starts]
        found["first_answer_s"] = {"median": float(np.median(seconds)), "worst": max(seconds)}
        found["first_answer_peak_megabytes"] = max(start["peak_megabytes"] for start in starts)
        tables = []
        for workers in (1, options.workers):
            table = room / f"{workers}.csv"
            run = predict(binaries, options.model, options.manifest, "-o", table, "--workers", workers)
            found[f"workers_{workers}"] = run | {"images_per_s": len(cells) / run["seconds"]}
            tables.append(table.read_bytes())
        rows = list(csv.DictReader(tables[0].decode().splitlines()))
    found["answered"] = sum(bool(row["label"]) and row["label"] != "refused" for row in rows)
    found["same_with_workers"] = tables[0] == tables[1]
    for key, value in found.items():
        log.info("%s: %s", key, value)
    return found


def problem(found: dict) -> str:
    """Images without a prediction, or other predictions with several processes."""
    complete = found["answered"] == found["images"] and found["same_with_workers"]
    return "" if complete else "not every image was predicted, or not alike with several processes"
