"""Time per file and peak memory of `tfctc import` for 10,000 and 100,000 files; both should be nearly constant.

    python tools/benchmarks/bench_import.py --json docs/evidence/speed/import.json

Files: 16-bit TIFF of 24 x 24 px, noise, a folder for each patient with five cells in both channels, and a label table.
Every import runs in a new process; its start and its imports of libraries are left out of the time, not of the memory.
"""

import argparse
import csv
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIDE, CELLS, CHANNELS = 24, 5, ("BF", "DAPI")
FILES = (10_000, 100_000)


def make_files(folder: Path, files: int) -> None:
    """Writes the images, each with noise of its own, and the label table."""
    import numpy as np
    import tifffile

    rng = np.random.default_rng(files)
    template = folder / "template.tif"
    tifffile.imwrite(template, np.zeros((SIDE, SIDE), np.uint16), photometric="minisblack", metadata=None)
    with tifffile.TiffFile(template) as image:
        start = image.pages[0].dataoffsets[0]
    content = bytearray(template.read_bytes())
    with (folder / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["cell_id", "label"])
        for number in range(files // len(CHANNELS)):
            patient, cell = divmod(number, CELLS)
            home = folder / "scans" / f"P{patient:05}"
            home.mkdir(parents=True, exist_ok=True)
            for channel in CHANNELS:
                content[start:] = rng.integers(0, 4096, SIDE * SIDE, np.uint16).tobytes()
                (home / f"{cell:04}_{channel}.tif").write_bytes(content)
            table.writerow([f"P{patient:05}/{cell:04}", ("leukocyte", "ctc")[number % 2]])


def import_here(folder: Path) -> None:
    """Imports the files in this process; prints its seconds and the peak of its memory in megabytes."""
    from tfctc.cli import import_, main  # noqa: F401

    arguments = ["import", folder / "scans", "--files", "{patient}/{cell}_{channel}.tif", "--bit-depth", 12]
    arguments += ["--labels", folder / "labels.csv", "--output", folder / f"cells-{time.time_ns()}"]
    started = time.perf_counter()
    main(list(map(str, arguments)), standalone_mode=False)
    seconds = time.perf_counter() - started
    # In kilobytes on Linux, in bytes on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    print(f"{seconds} {peak / 2**20}")


def measure(files: int, runs: int) -> dict:
    """One row of the table: the fastest of the runs, and the highest peak."""
    with tempfile.TemporaryDirectory() as room:
        folder = Path(room)
        make_files(folder, files)
        command = [sys.executable, __file__, "--here", str(folder)]
        found = []
        for _ in range(runs):
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found.append(tuple(map(float, done.stdout.splitlines()[-1].split())))
    return {
        "files": files,
        "patients": files // len(CHANNELS) // CELLS,
        "seconds": min(seconds for seconds, _ in found),
        "us_per_file": min(seconds for seconds, _ in found) / files * 1e6,
        "peak_mb": max(peak for _, peak in found),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="imports of each number of files")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.here:
        return import_here(options.here)
    from benchmark import machine

    from tfctc.io.files import write_json

    rows = []
    for files in FILES:
        rows.append(measure(files, options.runs))
        print("{files:7} files  {us_per_file:7.0f} us a file  {peak_mb:6.0f} MB".format(**rows[-1]))
    first, last = rows
    ratios = {name: last[name] / first[name] for name in ("us_per_file", "peak_mb")}
    print("ratio: time a file {us_per_file:.2f}, peak memory {peak_mb:.2f}".format(**ratios))
    if options.json:
        write_json(options.json, {"machine": machine(), "rows": rows, "ratios": ratios})


if __name__ == "__main__":
    main()
