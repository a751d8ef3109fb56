"""Does the C++ loader that TensorFlow Serving is made of read a version's SavedModel? Also that of another TensorFlow.

    python -m venv older && older/bin/pip install --no-deps numpy 'tensorflow==2.20.*'
    python tools/check_loader.py exports/ctc/1 --python older/bin/python --out docs/evidence/serving/loader.json

Holds the answers to the version's reference images against Keras's. The newest TensorFlow Serving is built on
TensorFlow 2.20, older than the one that writes the SavedModel.
"""

import argparse
import json
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from benchmark import machine
from tensorflow.core.protobuf import saved_model_pb2

from tfctc.cells import DatasetFacts
from tfctc.config import from_dict
from tfctc.files import write_json
from tfctc.images import to_unit
from tfctc.inference.verify import check_files, reference

LOADER, TOLERANCE = Path(__file__).parent / "c_loader.py", 1e-5


def check(folder: Path, python: str) -> dict:
    """The library's version, the number of cells and the largest difference in probability.

    Raises:
        CalledProcessError: the loader could not read or run the SavedModel.
    """
    facts = from_dict(DatasetFacts, check_files(folder)["dataset"])
    pixels, expected = reference(folder)
    model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    signature = model.meta_graphs[0].signature_def["serving_default"]
    names = signature.inputs["brightfield"].name, signature.outputs["probability"].name
    with tempfile.TemporaryDirectory() as scratch:
        images, answers = Path(scratch, "images.npy"), Path(scratch, "answers.json")
        np.save(images, to_unit(pixels, facts))
        subprocess.run([python, LOADER, folder, *names, images, answers], check=True)
        found = json.loads(answers.read_text())
    return {
        "tensorflow": found["tensorflow"],
        "cells": len(expected),
        "max_abs": float(np.abs(np.array(found["probability"]) - expected).max()),
    }


def main() -> int:
    """Prints the figures; 1 if the answers are not Keras's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("version", type=Path)
    parser.add_argument("--python", default=sys.executable, help="of the environment whose TensorFlow loads it")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found = check(arguments.version, arguments.python)
    print(json.dumps(found))
    if arguments.out:
        command = shlex.join(["python", *sys.argv])
        write_json(arguments.out, {"command": command, "machine": machine(), "tolerance": TOLERANCE, **found})
    return int(not found["max_abs"] < TOLERANCE)


if __name__ == "__main__":
    sys.exit(main())
