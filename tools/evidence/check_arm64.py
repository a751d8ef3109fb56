"""Plain install on emulated arm64: its packages, and its predictions compared with those of this machine.

    apt-get install qemu-user-static debootstrap        # on Debian; as root, as is what follows
    python tools/evidence arm64 exports/jurkat/1 jurkat-cells/manifest.csv --out docs/evidence/instrument/arm64.json

The check unpacks Debian for arm64 with its Python into a temporary folder, and installs tfctc without extras from
packages for arm64. It runs `tfctc export --verify` there. Then it runs `tfctc predict` with every .tflite file of the
version on both machines, and compares the predictions. The processor is emulated, so the check says nothing about speed
or about a real arm64 processor.
"""

import csv
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from check_install import clean_source
from common import CheckError, log

EMULATOR = Path("/usr/bin/qemu-aarch64-static")
DEBIAN = "bookworm"
#: Platform tags of wheels that pip may install: arm64 with glibc 2.27 or older.
PLATFORMS = ("manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")


def add_options(parser) -> None:
    parser.add_argument("version", type=Path, help="folder NAME/VERSION of an export")
    parser.add_argument("manifest", type=Path, help="manifest.csv of a data set")
    parser.add_argument("--cells", type=int, default=250, help="cells to predict, evenly spread over the manifest")


def missing() -> str:
    """Reason why the check cannot be carried out on this machine; "" if it can."""
    tools = [tool for tool in ("debootstrap", "dpkg-deb", str(EMULATOR)) if not shutil.which(tool)]
    if tools:
        return f"{', '.join(tools)} is not installed; on Debian: apt-get install qemu-user-static debootstrap"
    return "" if os.geteuid() == 0 else "debootstrap and chroot need root; run the check as root"


def unpack_system(root: Path) -> None:
    """Unpacks Debian for arm64 with Python. It is not configured, because that would run programs of arm64."""
    include = "--include=python3,libstdc++6"
    bootstrap = ["debootstrap", "--arch=arm64", "--foreign", "--variant=minbase", include, DEBIAN, str(root)]
    subprocess.run(bootstrap, check=True, stdout=subprocess.DEVNULL)
    for package in sorted((root / "var/cache/apt/archives").glob("*.deb")):
        subprocess.run(["dpkg-deb", "--extract", str(package), str(root)], check=True)
    shutil.copy(EMULATOR, root)


def install(root: Path) -> list[str]:
    """Installs tfctc without extras into /site of `root`; returns the names and versions of all packages there."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    with tempfile.TemporaryDirectory() as room:
        source = clean_source(Path(room))
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", room, str(source)], check=True)
        wheel = next(Path(room).glob("*.whl"))
        target = ["--target", str(root / "site"), "--python-version", "3.11", "--only-binary=:all:"]
        platforms = [word for name in PLATFORMS for word in ("--platform", name)]
        subprocess.run([*pip, "install", *target, *platforms, str(wheel)], check=True)
    return sorted(path.name.removesuffix(".dist-info") for path in (root / "site").glob("*.dist-info"))


def there(root: Path, *arguments: str) -> str:
    """Output of a Python command that runs in `root` on emulated arm64.

    Raises:
        CheckError: the command failed.
    """
    command = ["chroot", str(root), f"/{EMULATOR.name}", "-E", "PYTHONPATH=/site", "/usr/bin/python3", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise CheckError(f"on arm64, {shlex.join(arguments)}: {done.stderr}")
    return done.stdout.strip()


def read(table: Path) -> dict[str, tuple]:
    """Cell id -> probability, label and quality, from a table of predictions."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return {cell: (float(probability), label, quality) for cell, probability, label, quality, *_ in rows}


def compare(here: dict[str, tuple], on_arm64: dict[str, tuple]) -> dict:
    """Largest difference in probability, and numbers of cells with another label or quality."""
    if here.keys() != on_arm64.keys():
        raise CheckError("not the same cells were predicted")
    pairs = [(here[cell], on_arm64[cell]) for cell in here]
    return {
        "cells": len(pairs),
        "max_abs": float(max(abs(a[0] - b[0]) for a, b in pairs)),
        "labels_changed": sum(a[1] != b[1] for a, b in pairs),
        "quality_changed": sum(a[2] != b[2] for a, b in pairs),
    }


def check(options) -> dict:
    if reason := missing():
        raise CheckError(reason)
    with options.manifest.open(newline="", encoding="utf-8") as file:
        cells = [options.manifest.parent / row["brightfield"] for row in csv.DictReader(file)]
    chosen = np.linspace(0, len(cells) - 1, min(options.cells, len(cells))).astype(int)
    with tempfile.TemporaryDirectory() as root:
        root = Path(root)
        unpack_system(root)
        found = {"packages": install(root)}
        found["system"] = there(root, "-c", "import platform as p; print(p.machine(), 'Python', p.python_version())")
        shutil.copytree(options.version, root / "version")
        (root / "images").mkdir()
        for number in chosen:
            shutil.copy(cells[number], root / "images")
        found["verify"] = there(root, "-m", "tfctc", "export", "--verify", "/version").splitlines()
        found["predict"] = {}
        for model in sorted(path.name for path in options.version.glob("*.tflite")):
            here, on_arm64 = f"here-{model}.csv", f"arm64-{model}.csv"
            there(root, "-m", "tfctc", "predict", f"/version/{model}", "/images", "-o", f"/{on_arm64}")
            ours = [root / "version" / model, root / "images", "-o", root / here]
            subprocess.run([sys.executable, "-m", "tfctc", "predict", *ours], check=True, capture_output=True)
            found["predict"][model] = compare(read(root / here), read(root / on_arm64))
    for key, value in found.items():
        log.info("%s: %s", key, value)
    return found
