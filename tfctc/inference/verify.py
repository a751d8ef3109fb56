"""Verification of an exported version: files are unchanged, and predict on this machine as Keras did. No TensorFlow."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tfctc.errors import ArtefactError
from tfctc.inference.predictor import Predictor
from tfctc.io.images import fit_to_facts, to_unit
from tfctc.io.record import REFERENCE, SUMS, VERSION_MANIFEST, file_sha256, read_record, read_sums

FIX = "copy the whole version folder again, or export the model again"


def check_files(folder: str | Path) -> dict[str, Any]:
    """Checks every file against `SUMS`, and the record in each .tflite against the manifest.

    Returns:
        The manifest.

    Raises:
        ArtefactError: a file that is missing, changed, not listed, or contradicts the manifest.
    """
    folder = Path(folder)
    sums = read_sums(folder)
    for name, digest in sums.items():
        found = file_sha256(folder / name)
        if found != digest:
            problem = "is missing" if found is None else f"is not the file that {SUMS} lists"
            raise ArtefactError(problem, path=folder / name, fix=FIX)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in sums and name != SUMS:
            raise ArtefactError(f"is not listed in {SUMS}", path=path, fix="remove it, or copy the folder again")
    if VERSION_MANIFEST not in sums or REFERENCE not in sums:
        raise ArtefactError(f"lists no {VERSION_MANIFEST} or no {REFERENCE}", path=folder / SUMS, fix=FIX)
    manifest = json.loads((folder / VERSION_MANIFEST).read_text(encoding="utf-8"))
    for path in sorted(folder.glob("*.tflite")):
        record = read_record(path)[1]
        for key in record.keys() - {"parity", "flatbuffer"}:
            if record[key] != manifest.get(key):
                raise ArtefactError(f"has another {key} than {VERSION_MANIFEST}", path=path, fix=FIX)
    return manifest


def reference(folder: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Reference images of a version: unsigned pixels ``(N, H, W, 1)`` and Keras's probabilities, as exported."""
    with np.load(Path(folder) / REFERENCE, allow_pickle=False) as saved:
        return saved["brightfield"], saved["probability"]


def check_tflite(folder: str | Path, manifest: dict[str, Any], runtime: str = "litert") -> dict[str, float]:
    """Difference of every .tflite file from Keras on this machine, by kind of file.

    Args:
        folder: the version folder.
        manifest: its manifest.
        runtime: name of a runtime, one of `tfctc.runtime.RUNTIMES`.

    Raises:
        ArtefactError: a difference above its bound.
    """
    pixels, expected = reference(folder)
    differences = {}
    for path in sorted(Path(folder).glob("*.tflite")):
        predictor = Predictor(path, runtime=runtime, mpp=manifest["dataset"].get("mpp"))
        name = path.stem.removeprefix("model_")
        units = (to_unit(fit_to_facts(image, predictor.facts), predictor.facts) for image in pixels)
        found = np.stack([predictor.probabilities(unit) for unit in units]).reshape(expected.shape)
        differences[name] = check_predictions(path, found, expected, manifest["parity"][name])
    return differences


def check_predictions(path: Path, found: np.ndarray, expected: np.ndarray, gate: dict[str, Any]) -> float:
    """Difference of probabilities, ``(N,)`` or ``(N, 3)``, from those expected.

    Args:
        path: the file that predicted, for error messages.
        found: its probabilities.
        expected: probabilities of the Keras model.
        gate: "gate", the measure that is limited ("max_abs" or "mean_abs"), and its "bound".

    Raises:
        ArtefactError: a difference above the bound.
    """
    difference = np.abs(found.astype(np.float64) - expected)
    measures: dict[str, Callable] = {"max_abs": np.max, "mean_abs": np.mean}
    measured = float(measures[gate["gate"]](difference))
    # Written so that NaN fails.
    if not measured <= gate["bound"]:
        problem = (
            f"differs from Keras on this machine: {gate['gate']} {measured:.3g}, at most {gate['bound']:g} allowed"
        )
        fix = "install the versions of ai-edge-litert and tensorflow that the model card names, or change --runtime"
        raise ArtefactError(problem, path=path, fix=fix)
    return measured
