"""External validation: a frozen model on another data set, from a run or from an exported file."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfctc.api.frozen_model import FrozenModel
from tfctc.cells import OTHER, same_scale
from tfctc.errors import ConfigError, DependencyError, ImageError, ManifestError, OutputError
from tfctc.inference.counting import Patients, count_cell
from tfctc.io.duplicates import image_fingerprint
from tfctc.io.files import write_json
from tfctc.io.folders import is_file
from tfctc.io.images import crop_or_pad, read_channel, to_unit
from tfctc.io.names import abbreviated, counted
from tfctc.progress import Progress, Task, silent
from tfctc.quality import OK

if TYPE_CHECKING:
    from tfctc.data.manifest import Manifest
    from tfctc.evaluation.counts import PatientCount
    from tfctc.evaluation.evaluate import Evaluation
    from tfctc.evaluation.predictions import Predictions

BATCH = 64
REFUSED = "refused"


@dataclass(frozen=True)
class ExternalEvaluation:
    """Metrics of a frozen model on another data set, not saved yet.

    Args:
        evaluation: the metrics.
        predictions: predictions for the labelled cells.
        counts: counts of every patient.
        manifest: the data set.
        model: the model.
        quality: cell id -> quality of its image; {} if the model does not tell it.
        refused: cell id -> why its image could not be used.
    """

    evaluation: "Evaluation"
    predictions: "Predictions"
    counts: "tuple[PatientCount, ...]"
    manifest: "Manifest"
    model: FrozenModel
    quality: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def save(self, folder: str | Path | None = None) -> list[Path]:
        """Writes metrics, predictions and counts; returns their paths. `folder` is created if needed."""
        from tfctc.evaluation.counts import write_counts
        from tfctc.runs.predictions import write_predictions

        target = Path(folder) if folder else self.model.folder / self.manifest.facts.name
        self._check_folder(target)
        written = [target / name for name in ("evaluation.json", "predictions.csv", "counts.csv")]
        write_json(written[0], self.evaluation.to_dict())
        others = {"quality": self.quality, REFUSED: self.refused}
        others = {name: column for name, column in others.items() if column}
        threshold = self.evaluation.threshold
        write_predictions(written[1], self.predictions, self.manifest, threshold, others, self.model.facts)
        # The rates of the test set itself would give back its own counts.
        write_counts(written[2], self.counts, self.model.facts.positive, None)
        return written

    def _check_folder(self, folder: Path) -> None:
        """Checks that `folder` holds no evaluation of another model or on another data set."""
        path = folder / "evaluation.json"
        if not is_file(path, OutputError):
            return
        try:
            before = json.loads(path.read_text(encoding="utf-8"))["origin"]
            same = all(before[key] == json.loads(json.dumps(self.evaluation.origin[key])) for key in ("model", "data"))
        except (OSError, ValueError, KeyError, TypeError):
            same = False
        if not same:
            problem = "holds an evaluation of another model or data set"
            raise OutputError(problem, path=folder, fix="choose another --output")


def evaluate_external(
    model: str | Path,
    data: str | Path,
    *,
    threshold: float | None = None,
    runtime: str = "litert",
    progress: Progress = silent,
) -> ExternalEvaluation:
    """Metrics of a frozen model on all labelled cells of another data set, not written yet.

    Args:
        model: run folder, exported version folder, or .tflite file. The last two need no TensorFlow.
        data: folder of the data set, as `tfctc import` writes it.
        threshold: threshold of the probability; None for the model's own.
        runtime: runtime of a .tflite file, one of `tfctc.runtime.RUNTIMES`.
        progress: called with the progress, counted in cells.

    Raises:
        DependencyError: scikit-learn is not installed.
        ConfigError: images or classes that the model cannot take.
        ManifestError: a data set without a labelled cell, or none of whose images can be used.
        TfctcError: a model or data set that cannot be used.
    """
    try:
        from tfctc.evaluation.evaluate import evaluate
    except ModuleNotFoundError as error:
        fix = "install it with: pip install 'tfctc[evaluate]'"
        raise DependencyError(f"{error.name} is not installed, and metrics need it", fix=fix) from None
    from tfctc.data.manifest import Manifest
    from tfctc.evaluation.original_labels import by_label

    manifest, frozen = Manifest.open(data), FrozenModel.open(model, runtime)
    cautions = _check_facts(frozen, manifest)
    leak_check = _check_patients(frozen, manifest)
    predictions, quality, refused = _predict(frozen, manifest, progress)
    limit = frozen.threshold if threshold is None else threshold
    evaluation = evaluate(
        predictions,
        limit,
        rule=frozen.rule if threshold is None else repr(threshold),
        validation_cells=None,
        model=frozen.name,
        channels=("brightfield",),
        data=manifest.facts.name,
        simulated=manifest.facts.simulated,
        classes=replace(frozen.facts, other=frozen.facts.other or manifest.facts.other).compared,
        by_label=by_label(predictions, limit, frozen.facts),
        interval_by=manifest.facts.group,
        kind="external",
        cautions=tuple(cautions),
        origin={
            "model": {**frozen.identity, "trained_on": frozen.facts.name},
            "data": {"folder": str(manifest.folder), "name": manifest.facts.name, "manifest": manifest.digest},
            "leak_check": leak_check,
            "refused": len(refused),
            "frozen_threshold": threshold is None,
        },
    )
    counts = _counts(manifest, predictions, frozen.facts.positive, evaluation.threshold, quality, refused)
    return ExternalEvaluation(evaluation, predictions, counts, manifest, frozen, quality, refused)


def _check_facts(model: FrozenModel, manifest: "Manifest") -> list[str]:
    """Checks that the model can take the images and labels; returns cautions about differences that it can."""
    ours, theirs = model.facts, manifest.facts
    if set(ours.classes) != set(theirs.classes):
        problem = f"has the classes {', '.join(theirs.classes)}, and the model {', '.join(ours.classes)}"
        renamed = " ".join(f"--map YOUR_NAME={name}" for name in ours.classes)
        fix = f"import it again with --classes {','.join(ours.classes)} {renamed}"
        if ours.other:
            fix += f", and --{OTHER} YOUR_NAME for labels of neither"
        raise ConfigError(problem, path=manifest.folder, fix=fix)
    if ours.bit_depth != theirs.bit_depth:
        problem = f"has bright-field images of {theirs.bit_depth} bit, and the model takes {ours.bit_depth} bit"
        fix = f"export the images from the instrument with {ours.bit_depth} bit, and import them again"
        raise ConfigError(problem, path=manifest.folder, fix=fix)
    if ours.image_size != theirs.image_size and not ours.crop_or_pad:
        (height, width), (own_height, own_width) = theirs.image_size, ours.image_size
        problem = f"has images of {height} x {width} px, and the model takes {own_height} x {own_width}"
        fix = f"import it again with --size {own_height}x{own_width}"
        raise ConfigError(problem, path=manifest.folder, fix=fix)
    found = []
    if ours.classes != theirs.classes:
        found.append(
            f"The data set has the classes in another order ({', '.join(theirs.classes)}); they were matched by name."
        )
    if ours.mpp is not None and theirs.mpp is not None and not same_scale(theirs.mpp, ours.mpp):
        found.append(
            f"The images have {theirs.mpp:g} micrometres a pixel, and the model was trained at {ours.mpp:g}: import "
            f"them again with --mpp {ours.mpp:g} --rescale-mpp to see cells at the model's scale."
        )
    return found


def _check_patients(model: FrozenModel, manifest: "Manifest") -> str:
    """Checks that the model was trained on no patient of the data set; returns what was compared.

    Raises:
        ConfigError: a patient that the model was trained on.
    """
    if model.training_cells is None:
        return "not possible: the model does not tell its training patients"
    if known := model.training_cells.known_patients(manifest):
        problem = f"the model was trained on {counted(len(known), manifest.facts.group)} of it: {abbreviated(known)}"
        fix = (
            "leave out their cells; if they are other people, import it again with sites (a group {site} in --files, "
            "or --site-column) or other ids, and train on data with sites"
        )
        raise ConfigError(problem, path=manifest.folder, fix=fix)
    if model.training_cells.images is None:
        return f"no {manifest.facts.group} of it in training; images not compared"
    return f"no {manifest.facts.group} and no image of it in training"


def _predict(
    model: FrozenModel, manifest: "Manifest", progress: Progress
) -> tuple["Predictions", dict[str, str], dict[str, str]]:
    """Predictions for all labelled cells; quality of each image; and why an image was refused, by cell id."""
    from tfctc.evaluation.predictions import Predictions, described, split_outputs

    labelled = [i for i, code in enumerate(manifest.index.codes["label"]) if manifest.index.names["label"][code]]
    if not labelled:
        raise ManifestError("has no labelled cell", path=manifest.folder, fix="import it again with --labels")
    task = Task(progress, f"Predicting cells of {manifest.facts.name}", len(labelled))
    quality: dict[str, str] = {}
    refused: dict[str, str] = {}
    leaks: list[str] = []
    kept: list[int] = []
    outputs: list[np.ndarray] = []

    def images() -> Iterator[tuple[int, np.ndarray]]:
        for i in labelled:
            task.advance()
            cell = manifest.cell(i)
            try:
                counts = read_channel(cell.brightfield, manifest.facts)
            except ImageError as error:
                refused[cell.cell_id] = str(error)
                continue
            if model.training_cells and model.training_cells.knows_image(image_fingerprint(counts)):
                leaks.append(cell.cell_id)
            pixels = to_unit(counts, manifest.facts)
            if model.facts.image_size != manifest.facts.image_size:
                pixels = crop_or_pad(pixels[..., 0], model.facts.image_size)[..., np.newaxis]
            yield i, pixels

    readable = images()
    while batch := list(islice(readable, BATCH)):
        found, qualities = model.predict(np.stack([pixels for _, pixels in batch]))
        kept += [i for i, _ in batch]
        outputs.append(found)
        quality |= {manifest.index[i].cell_id: one for (i, _), one in zip(batch, qualities or (), strict=False)}
    if leaks:
        problem = f"the model was trained on the images of {counted(len(leaks), 'cell')} of it: {abbreviated(leaks)}"
        raise ConfigError(problem, path=manifest.folder, fix="leave out these cells")
    if not kept:
        reason = next(iter(refused.values()))
        raise ManifestError(f"none of {len(refused)} images can be used: {reason}", path=manifest.folder)
    cells = [manifest.index[i] for i in kept]
    probability, is_other = split_outputs(np.concatenate(outputs))
    predictions = Predictions(
        cell_id=np.array([cell.cell_id for cell in cells]),
        patient_id=np.array([cell.patient_id for cell in cells]),
        label=np.array([int(cell.label == model.facts.positive) for cell in cells]),
        probability=probability,
        is_other=is_other,
    )
    return described(predictions, manifest), quality, refused


def _counts(
    manifest: "Manifest",
    predictions: "Predictions",
    positive: str,
    threshold: float,
    quality: Mapping[str, str],
    refused: Mapping[str, str],
) -> tuple["PatientCount", ...]:
    """Counts of every patient, sorted by site and patient."""
    from tfctc.evaluation.counts import counts_of

    called = np.asarray(predictions.probability, np.float64) >= threshold
    calls = dict(zip(predictions.cell_id.tolist(), called.tolist(), strict=True))
    found: Patients = {}
    for cell in manifest.index:
        if cell.cell_id in calls or cell.cell_id in refused:
            count_cell(
                found,
                cell.patient_id,
                cell.site,
                cell.label,
                refused=cell.cell_id in refused,
                unlike=quality.get(cell.cell_id, OK) != OK,
                called=calls.get(cell.cell_id, False),
            )
    return tuple(counts_of(found, positive))
