"""Is an exported version still what was written, and does it answer here as it did there? No TensorFlow."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from tfctc.artefact import REFERENCE, SUMS, VERSION_MANIFEST, file_sha256, read_sums, unseal
from tfctc.errors import ArtefactError
from tfctc.inference.predictor import Predictor

FIX = "copy the whole version folder again, or export the model again"


def check_files(folder: str | Path) -> dict[str, Any]:
    """Holds every file against `SUMS`, and the record in each .tflite against the manifest.

    Returns:
        The manifest.

    Raises:
        ArtefactError: the first file that is missing, changed, not listed, or contradicts the manifest.
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
            raise ArtefactError(f"is not listed in {SUMS}", path=path, fix="take it away, or copy the folder again")
    if VERSION_MANIFEST not in sums or REFERENCE not in sums:
        raise ArtefactError(f"lists no {VERSION_MANIFEST} or no {REFERENCE}", path=folder / SUMS, fix=FIX)
    manifest = json.loads((folder / VERSION_MANIFEST).read_text(encoding="utf-8"))
    for path in sorted(folder.glob("*.tflite")):
        record = unseal(path)[1]
        for key in record.keys() - {"parity", "flatbuffer"}:
            if record[key] != manifest.get(key):
                raise ArtefactError(f"says another {key} than {VERSION_MANIFEST}", path=path, fix=FIX)
    return manifest


def reference(folder: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Unsigned pixels ``(N, H, W, 1)`` and the Keras model's probabilities ``(N,)``, from `REFERENCE`."""
    with np.load(Path(folder) / REFERENCE, allow_pickle=False) as saved:
        return saved["brightfield"], saved["probability"]


def check_tflite(folder: str | Path, manifest: dict[str, Any], runtime: str = "litert") -> dict[str, float]:
    """Artefact -> the figure of its gate, on this machine, of every .tflite file.

    Raises:
        ArtefactError: one that does not pass here.
    """
    pixels, expected = reference(folder)
    figures = {}
    for path in sorted(Path(folder).glob("*.tflite")):
        predictor = Predictor(path, runtime=runtime)
        name = path.stem.removeprefix("model_")
        found = np.array([predictor(image).probability for image in pixels])
        figures[name] = check_answers(path, found, expected, manifest["parity"][name])
    return figures


def check_answers(path: Path, found: np.ndarray, expected: np.ndarray, gate: dict[str, Any]) -> float:
    """The gated figure of answers ``(N,)``: "max_abs" or "mean_abs" of their difference from `expected`.

    Raises:
        ArtefactError: it is beyond the gate's bound.
    """
    difference = np.abs(found.astype(np.float64) - expected)
    figure = float({"max_abs": np.max, "mean_abs": np.mean}[gate["gate"]](difference))
    # Written so that NaN fails.
    if not figure <= gate["bound"]:
        problem = (
            f"answers otherwise here than Keras did: {gate['gate']} {figure:.3g}, at most {gate['bound']:g} allowed"
        )
        fix = "install the ai-edge-litert version that the model card names, or choose another --runtime"
        raise ArtefactError(problem, path=path, fix=fix)
    return figure
