"""Predictions of a SavedModel by the C++ loader that TensorFlow Serving uses, also with another TensorFlow version.

    python -m venv older && older/bin/pip install --no-deps numpy 'tensorflow==2.20.*'
    python tools/evidence loader exports/ctc/1 --python older/bin/python --out docs/evidence/serving/loader.json

Compares the predictions for the version's reference images with those of Keras. The newest TensorFlow Serving is built
on TensorFlow 2.20, older than the one that writes the SavedModel.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import log
from tensorflow.core.protobuf import saved_model_pb2

from tfctc.cells import DatasetFacts
from tfctc.config import from_dict
from tfctc.inference.verify import check_files, reference
from tfctc.io.images import to_unit

LOADER, TOLERANCE = Path(__file__).parent / "c_loader.py", 1e-5


def add_options(parser) -> None:
    parser.add_argument("version", type=Path, help="folder NAME/VERSION of an export with a SavedModel")
    parser.add_argument(
        "--python", default=sys.executable, help="Python of the environment whose TensorFlow loads the model"
    )


def check(options) -> dict:
    """The library's version, the number of cells and the largest difference in probability.

    Raises:
        CalledProcessError: the loader could not read or run the SavedModel.
    """
    folder = options.version
    facts = from_dict(DatasetFacts, check_files(folder)["dataset"])
    pixels, expected = reference(folder)
    model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    signature = model.meta_graphs[0].signature_def["serving_default"]
    names = signature.inputs["brightfield"].name, signature.outputs["probability"].name
    with tempfile.TemporaryDirectory() as scratch:
        images, predictions = Path(scratch, "images.npy"), Path(scratch, "predictions.json")
        np.save(images, to_unit(pixels, facts))
        subprocess.run([options.python, LOADER, folder, *names, images, predictions], check=True)
        found = json.loads(predictions.read_text())
    result = {
        "tolerance": TOLERANCE,
        "tensorflow": found["tensorflow"],
        "cells": len(expected),
        "max_abs": float(np.abs(np.array(found["probability"]) - expected).max()),
    }
    log.info("%s", json.dumps(result))
    return result


def problem(found: dict) -> str:
    """Message if the difference is above the tolerance."""
    # Written so that NaN fails.
    return "" if found["max_abs"] < found["tolerance"] else f"differs from Keras by {found['max_abs']:.1e}"
