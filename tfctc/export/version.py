"""One version folder: every artefact written, gated and listed, or nothing at all."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfctc.artefact import REFERENCE, SUMS, VERSION_MANIFEST, file_sha256, seal
from tfctc.cells import DatasetFacts
from tfctc.errors import ExportError
from tfctc.export import parity
from tfctc.export.card import model_card
from tfctc.export.layers import TensorError, tensor_errors
from tfctc.export.litert import PRECISIONS, convert
from tfctc.export.readme import readme
from tfctc.export.saved_model import write_saved_model
from tfctc.export.serving import write_serving
from tfctc.export.subject import Subject
from tfctc.files import atomic_folder, tensorflow_disk_errors, write_json

CARD, README = "MODEL_CARD.md", "README.md"
#: Images of cells, without their ids, that go along so that parity can be checked anywhere.
REFERENCES = 64
#: Tensors named where int8 falls short.
WORST = 5


def next_version(base: str | Path) -> int:
    """The next free integer below `base`, 1 for the first."""
    base = Path(base)
    taken = [int(p.name) for p in base.iterdir() if p.name.isdecimal()] if base.is_dir() else []
    return max(taken, default=0) + 1


def write_version(
    subject: Subject,
    base: str | Path,
    images: np.ndarray,
    calibration: Sequence[np.ndarray] = (),
    saved_model: bool = True,
    precisions: Sequence[str] = ("none", "int8"),
    optional: Sequence[str] = (),
    say: Callable[[str], None] = print,
    choice: Mapping[str, Any] | None = None,
) -> Path:
    """Writes ``<base>/<next version>/``, so that `base` is a TensorFlow Serving base path.

    Args:
        images: real ones to compare every artefact with Keras on, float32 ``(N, H, W, 1)`` in [0, 1].
        calibration: float32 images ``(H, W, 1)`` in [0, 1] from the training split, for "mixed" and "int8".
        precisions: TFLite files to write, keys of `PRECISIONS`.
        optional: those of them that are left out, and listed as such, if they fail a gate.
        say: told what is going on.
        choice: what `tfctc.export.choice` found, for the manifest.

    Returns:
        The version folder: the SavedModel with `tfctc.export.serving`'s files, ``model_<precision>.tflite``,
        manifest.json, MODEL_CARD.md, README.md, and what `tfctc.inference.verify` needs: SHA256SUMS and reference.npz.

    Raises:
        ExportError: an artefact did not pass a gate; nothing is left on disk.
        OutputError: the folder cannot be made, or a disk is full; nothing is left there either.
    """
    base = Path(base)
    if not len(images):
        raise ExportError("parity needs at least one image, got none")
    version = next_version(base)
    try:
        with atomic_folder(base / str(version)) as folder, tensorflow_disk_errors():
            found, left_out = {}, {}
            expected = parity.reference(subject.model, images)
            _write_reference(folder / REFERENCE, subject.facts, images[:REFERENCES], expected[:REFERENCES])
            if saved_model:
                say("Writing the SavedModel ...")
                found |= _saved_model(subject, folder, images, expected)
                write_serving(folder, subject.name, version, subject.facts, images[:REFERENCES])
                say(_figures(found[parity.SAVED_MODEL]))
            for precision in precisions:
                say(f"Converting {PRECISIONS[precision]} ...")
                try:
                    found |= _tflite(subject, version, folder, precision, images, expected, calibration, say)
                    say(_figures(found[PRECISIONS[precision]]))
                except ExportError as error:
                    if precision not in optional:
                        raise
                    left_out[PRECISIONS[precision]] = error.problem
                    say(f"  left out: {error.problem}")
            manifest = subject.record(version) | {"parity": found, "left_out": left_out, "files": _files(folder)}
            manifest |= {"choice": choice} if choice else {}
            (folder / CARD).write_text(model_card(manifest, subject.evaluation), encoding="utf-8")
            (folder / README).write_text(readme(manifest), encoding="utf-8")
            manifest["files"] = _files(folder)
            write_json(folder / VERSION_MANIFEST, manifest)
            sums = {name: facts["sha256"] for name, facts in _files(folder).items()}
            (folder / SUMS).write_text("".join(f"{digest}  {name}\n" for name, digest in sums.items()), "utf-8")
    except BaseException:
        # Succeeds only on an empty folder: one that this call made, or that held no version.
        with contextlib.suppress(OSError):
            base.rmdir()
        raise
    return base / str(version)


def _write_reference(path: Path, facts: DatasetFacts, images: np.ndarray, expected: np.ndarray) -> None:
    counts = np.rint(images * facts.full_scale).astype(facts.dtype)
    np.savez_compressed(path, brightfield=counts, probability=expected.astype(np.float32))


def _saved_model(subject: Subject, folder: Path, images: np.ndarray, expected: np.ndarray) -> dict:
    write_saved_model(subject.model, subject.facts, folder)
    size = sum(path.stat().st_size for path in folder.glob("variables/variables.data*"))
    answers = {
        parity.SAVED_MODEL: parity.run_saved_model(folder, images),
        parity.SERVING_BYTES: parity.run_serving_bytes(folder, images, subject.facts),
    }
    parameters = subject.model.count_params()
    return {
        name: parity.check(name, size, parameters, found, expected, subject.threshold)
        for name, found in answers.items()
    }


def _tflite(subject, version: int, folder: Path, precision: str, images, expected, calibration, say) -> dict:
    artefact = PRECISIONS[precision]
    flatbuffer = convert(subject.model, subject.facts, precision, calibration)
    parity.check_tflite_form(artefact, flatbuffer, subject.facts)
    answers, parameters = parity.run_tflite(flatbuffer, images), subject.model.count_params()
    try:
        figures = {artefact: parity.check(artefact, len(flatbuffer), parameters, answers, expected, subject.threshold)}
    except ExportError:
        if precision == "int8":
            _report(tensor_errors(convert(subject.model, subject.facts, "none"), flatbuffer, images), say)
        raise
    path = folder / f"model_{artefact}.tflite"
    path.write_bytes(flatbuffer)
    seal(path, subject.record(version) | {"parity": figures})
    return figures


def _report(errors: list[TensorError], say) -> None:
    """Which tensors int8 spoils most."""
    say("  int8 falls short. Tensors that are worst off, by signal over error; --quantize mixed may help:")
    for error in sorted(errors, key=lambda error: error.decibels)[:WORST]:
        say(f"  {error.decibels:6.1f} dB  {error.name.split(';')[0]}")


def _figures(p: dict) -> str:
    labels = f"{p['labels_changed']} of {p['images']} labels change"
    return f"  against Keras: largest difference {p['max_abs']:.1e}, mean {p['mean_abs']:.1e}; {labels}"


def _files(folder: Path) -> dict[str, dict]:
    """Size and SHA-256 of every file in `folder`, by its path in it."""
    return {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": file_sha256(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
