"""Version folder of an export: all files are written, checked and listed, or none is kept."""

import contextlib
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfctc.cells import DatasetFacts
from tfctc.errors import ExportError
from tfctc.exporters import parity
from tfctc.exporters.documents import model_card, readme
from tfctc.exporters.litert import PRECISIONS, convert
from tfctc.exporters.model import TrainedModel
from tfctc.exporters.quantization.tensor_errors import TensorError, input_levels, tensor_errors
from tfctc.exporters.saved_model import write_saved_model
from tfctc.exporters.serving import write_serving
from tfctc.io.files import atomic_folder, tensorflow_disk_errors, write_json
from tfctc.io.record import REFERENCE, SUMS, TRAINING_CELLS, VERSION_MANIFEST, append_record, file_sha256

log = logging.getLogger(__name__)
CARD, README = "MODEL_CARD.md", "README.md"
#: Number of cell images (without ids) in a version folder, for checks of parity on other machines.
REFERENCES = 64
#: Number of tensors in the log if int8 fails its gate.
WORST = 5
#: Advice if a file that was asked for fails its gate. It may be the choice of --quantize auto.
REMEDY = "use --quantize none in its place"
REMEDIES = {"int8": "use --quantize mixed in its place; if that fails too, --quantize none"}


def next_version(base: str | Path) -> int:
    """The next free integer below `base`, 1 for the first."""
    base = Path(base)
    taken = [int(p.name) for p in base.iterdir() if p.name.isdecimal()] if base.is_dir() else []
    return max(taken, default=0) + 1


def write_version(
    trained: TrainedModel,
    base: str | Path,
    images: np.ndarray,
    calibration: Sequence[np.ndarray] = (),
    saved_model: bool = True,
    precisions: Sequence[str] = ("none", "int8"),
    optional: Sequence[str] = (),
    choice: Mapping[str, Any] | None = None,
) -> Path:
    """Writes ``<base>/<next version>/``, so that `base` is a base path for TensorFlow Serving.

    Args:
        trained: the model.
        base: folder of all versions of the model.
        images: images for the comparison of every file with Keras, float32 ``(N, H, W, 1)`` in [0, 1].
        calibration: float32 images ``(H, W, 1)`` in [0, 1] from the training split, for "mixed" and "int8".
        saved_model: whether to write a SavedModel.
        precisions: TFLite files to write, keys of `PRECISIONS`.
        optional: precisions that are only left out, and listed as such in the manifest, if they fail a gate.
        choice: second result of `smallest_precision`, for the manifest.

    Returns:
        The version folder: the SavedModel with files for TensorFlow Serving, ``model_<precision>.tflite``,
        manifest.json, MODEL_CARD.md, README.md, and for `tfctc export --verify` SHA256SUMS and reference.npz.

    Raises:
        ExportError: a file that fails a gate; nothing is left on disk.
        OutputError: a folder that cannot be created, or a full disk; nothing is left on disk.
    """
    base = Path(base)
    if not len(images):
        raise ExportError("parity needs at least one image, got none")
    version = next_version(base)
    try:
        with atomic_folder(base / str(version)) as folder, tensorflow_disk_errors():
            found: dict[str, Any] = {}
            left_out: dict[str, Any] = {}
            expected = parity.keras_probabilities(trained.model, images)
            _write_reference(folder / REFERENCE, trained.facts, images[:REFERENCES], expected[:REFERENCES])
            if trained.training_cells:
                (folder / TRAINING_CELLS).write_bytes(trained.training_cells)
            if saved_model:
                log.info("Writing the SavedModel ...")
                found |= _saved_model(trained, folder, images, expected)
                write_serving(folder, trained.name, version, trained.facts, images[:REFERENCES])
                log.info(_parity_line(found[parity.SAVED_MODEL]))
            for precision in precisions:
                log.info("Converting %s ...", PRECISIONS[precision])
                try:
                    found |= _tflite(trained, version, folder, precision, images, expected, calibration)
                    log.info(_parity_line(found[PRECISIONS[precision]]))
                except ExportError as error:
                    if precision not in optional:
                        fix = None if precision == "none" else REMEDIES.get(precision, REMEDY)
                        raise ExportError(error.problem, path=error.path, fix=error.fix or fix) from None
                    left_out[PRECISIONS[precision]] = error.problem
                    log.info("  left out: %s", error.problem)
            manifest = trained.record(version) | {"parity": found, "left_out": left_out, "files": _files(folder)}
            manifest |= {"choice": choice} if choice else {}
            (folder / CARD).write_text(model_card(manifest, trained.evaluation), encoding="utf-8")
            (folder / README).write_text(readme(manifest), encoding="utf-8")
            manifest["files"] = _files(folder)
            write_json(folder / VERSION_MANIFEST, manifest)
            sums = {name: facts["sha256"] for name, facts in _files(folder).items()}
            (folder / SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()), "utf-8")
    except BaseException:
        # Removes the folder only if it is empty.
        with contextlib.suppress(OSError):
            base.rmdir()
        raise
    return base / str(version)


def _write_reference(path: Path, facts: DatasetFacts, images: np.ndarray, expected: np.ndarray) -> None:
    counts = np.rint(images * facts.full_scale).astype(facts.dtype)
    np.savez_compressed(path, brightfield=counts, probability=expected.astype(np.float32))


def _saved_model(trained: TrainedModel, folder: Path, images: np.ndarray, expected: np.ndarray) -> dict[str, dict]:
    """Writes the SavedModel; returns the parity of both signatures."""
    write_saved_model(trained.model, trained.facts, folder)
    size = sum(path.stat().st_size for path in folder.glob("variables/variables.data*"))
    probabilities = {
        parity.SAVED_MODEL: parity.run_saved_model(folder, images),
        parity.SERVING_BYTES: parity.run_serving_bytes(folder, images, trained.facts),
    }
    parameters = trained.model.count_params()
    return {
        name: parity.check(name, size, parameters, found, expected, trained.threshold)
        for name, found in probabilities.items()
    }


def _tflite(
    trained: TrainedModel,
    version: int,
    folder: Path,
    precision: str,
    images: np.ndarray,
    expected: np.ndarray,
    calibration: Sequence[np.ndarray],
) -> dict[str, dict]:
    """Writes one TFLite file; returns its parity."""
    artefact = PRECISIONS[precision]
    flatbuffer = convert(trained.model, trained.facts, precision, calibration)
    parity.check_tflite_form(artefact, flatbuffer, trained.facts)
    found, parameters = parity.run_tflite(flatbuffer, images), trained.model.count_params()
    try:
        own = {artefact: parity.check(artefact, len(flatbuffer), parameters, found, expected, trained.threshold)}
    except ExportError:
        if precision == "int8":
            log.info("  At the input an image has %.0f different integers of 256.", input_levels(flatbuffer, images))
            _log_worst(tensor_errors(convert(trained.model, trained.facts, "none"), flatbuffer, images))
        raise
    path = folder / f"model_{artefact}.tflite"
    path.write_bytes(flatbuffer)
    append_record(path, trained.record(version) | {"parity": own})
    return own


def _log_worst(errors: list[TensorError]) -> None:
    """Logs the tensors with the largest quantization errors."""
    log.info("  int8 falls short; --quantize mixed may help. Tensors with the lowest signal-to-noise ratios:")
    for error in sorted(errors, key=lambda error: error.decibels)[:WORST]:
        log.info("  %6.1f dB  %s", error.decibels, error.name.split(";")[0])


def _parity_line(p: Mapping[str, Any]) -> str:
    labels = f"{p['labels_changed']} of {p['images']} labels change"
    return f"  against Keras: largest difference {p['max_abs']:.1e}, mean {p['mean_abs']:.1e}; {labels}"


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and SHA-256 of every file in `folder`, by its path in it."""
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": file_sha256(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
