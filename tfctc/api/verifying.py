"""Verification of an exported version: `tfctc.verify`. Needs no TensorFlow."""

import logging
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verification:
    """An exported version that passed: its files are unchanged, and on this machine they predict as Keras did.

    Args:
        folder: path of the version folder.
        model_version: name, version and hash of the weights.
        differences: kind of file -> name of the measure that is limited ("max_abs" or "mean_abs", of the difference in
            probability from Keras), and its value on this machine.
        tflite: paths of its TFLite files.
    """

    folder: Path
    model_version: str
    differences: dict[str, tuple[str, float]] = field(default_factory=dict)
    tflite: tuple[Path, ...] = ()


def verify(version: str | Path, runtime: str = "litert") -> Verification:
    """Checks every file of an exported version against its checksum, and the predictions on this machine against Keras.

    The SavedModel is run only where TensorFlow is installed.

    Args:
        version: folder NAME/VERSION of an export.
        runtime: runtime of the TFLite files, "litert" or "openvino".

    Raises:
        ArtefactError: a file that is missing, changed or not listed, or gives other predictions on this machine.
        DependencyError, UnknownNameError: a runtime that is not installed or not known.
    """
    from tfctc.inference.verify import check_files, check_tflite

    folder = Path(version)
    manifest = check_files(folder)
    found = check_tflite(folder, manifest, runtime)
    if "saved_model" in manifest["parity"]:
        if find_spec("tensorflow"):
            found |= _check_saved_model(folder, manifest)
        else:
            log.info("note: the SavedModel was not run: TensorFlow is not installed")
    differences = {name: (manifest["parity"][name]["gate"], value) for name, value in found.items()}
    return Verification(folder, manifest["model_version"], differences, tuple(sorted(folder.glob("*.tflite"))))


def _check_saved_model(folder: Path, manifest: dict[str, Any]) -> dict[str, float]:
    from tfctc.system.startup import start_tensorflow

    start_tensorflow()
    from tfctc.cells import DatasetFacts
    from tfctc.config import from_dict
    from tfctc.exporters import parity
    from tfctc.inference.verify import check_predictions, reference
    from tfctc.io.images import to_unit

    facts = from_dict(DatasetFacts, manifest["dataset"])
    pixels, expected = reference(folder)
    images = to_unit(pixels, facts)
    probabilities = {
        parity.SAVED_MODEL: parity.run_saved_model(folder, images),
        parity.SERVING_BYTES: parity.run_serving_bytes(folder, images, facts),
    }
    return {
        name: check_predictions(folder / "saved_model.pb", found, expected, manifest["parity"][name])
        for name, found in probabilities.items()
    }
