"""Studies of a run that are kept in its folder, so that a later page shows them while they still fit."""

import hashlib
import json
import zipfile
from dataclasses import asdict
from pathlib import Path

import msgspec
import numpy as np

from tfctc._version import __version__
from tfctc.data.manifest import Manifest
from tfctc.evaluation.predictions import Predictions
from tfctc.evaluation.robustness import RobustnessPoint
from tfctc.evaluation.saliency import NucleusEnergy
from tfctc.io.files import atomic_file
from tfctc.report.studies import Studies
from tfctc.runs.folder import CALIBRATION, STUDENT, RunFolder


def studies_key(run: RunFolder, manifest: Manifest, test: Predictions, threshold: float) -> str:
    """SHA-256 of everything that the studies of a run depend on, except the number of cells and the seed.

    These are the networks, the calibration, the data set (`Manifest.digest`), the test cells with their predictions,
    the threshold, and the version of tfctc.

    Args:
        run: the run.
        manifest: its data set.
        test: predictions for the test cells.
        threshold: a cell is called positive if its probability is this number or higher.
    """
    digest = hashlib.sha256(repr((__version__, manifest.digest, float(threshold))).encode())
    for path in (run.folder / STUDENT, run.folder / CALIBRATION, *sorted(run.folder.glob("teacher*.keras"))):
        if path.exists():
            with path.open("rb") as file:
                digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    for names in (test.cell_id, test.patient_id):
        digest.update(repr(names.tolist()).encode())
    digest.update(np.asarray(test.label, np.int64).tobytes())
    digest.update(np.asarray(test.probability, np.float32).tobytes())
    return digest.hexdigest()


def keep_studies(path: Path, studies: Studies, key: str, seed: int) -> None:
    """Writes studies into a file.

    Args:
        path: file of NumPy arrays (.npz) to write.
        studies: the studies.
        key: their `studies_key`.
        seed: seed of the cells that were measured and shown.

    Raises:
        OutputError: as `tfctc.io.files.atomic_file`.
    """
    values = {"key": key, "seed": seed, "cells": studies.cells}
    values |= {name: [asdict(one) for one in getattr(studies, name)] for name in ("energy", "robustness")}
    arrays = {"values": np.array(json.dumps(values))}
    arrays |= {str(position): energy for position, energy in studies.maps.items()}
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def kept_studies(path: Path, key: str) -> tuple[Studies, int] | None:
    """Studies that `keep_studies` wrote, and their seed; None without a file of this key, or if it is damaged."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            values = json.loads(str(file["values"]))
            if values["key"] != key:
                return None
            studies = Studies(
                int(values["cells"]),
                msgspec.convert(values["energy"], list[NucleusEnergy]),
                msgspec.convert(values["robustness"], list[RobustnessPoint]),
                {int(name): file[name] for name in file.files if name != "values"},
            )
            return studies, int(values["seed"])
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
