"""A frozen model: the student of a run, or the model in an exported file, with the threshold that it has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfctc.cells import DatasetFacts
from tfctc.errors import ArtefactError, RunError
from tfctc.io.folders import is_file, is_folder
from tfctc.io.record import TRAINING_CELLS

if TYPE_CHECKING:
    from tfctc.evaluation.training_cells import TrainingCells
    from tfctc.runs.folder import RunFolder

#: Kinds of TFLite file in a version folder, in the order in which one is chosen.
PREFERRED = ("float32", "float16", "dynamic", "mixed", "int8")


@dataclass(frozen=True)
class FrozenModel:
    """A trained model whose weights and threshold do not change.

    Args:
        name: name for messages and for the output folder.
        facts: facts of the data set that it was trained on.
        threshold: threshold of the probability.
        rule: rule by which the threshold was chosen.
        predict: function from float32 images ``(B, H, W, 1)`` in [0, 1] to probabilities, ``(B,)`` or ``(B, 3)`` as
            of `tfctc.models.classifier.outputs`, and the quality of each image, or None if the model does not tell it.
        identity: the model for the record: path, version, hash of the weights.
        folder: folder in which results are written by default.
        training_cells: fingerprints of the patients and images that it was trained on; None if they are not known.
    """

    name: str
    facts: DatasetFacts
    threshold: float
    rule: str
    predict: Callable[[np.ndarray], tuple[np.ndarray, list[str] | None]]
    identity: Mapping[str, Any]
    folder: Path
    training_cells: "TrainingCells | None" = None

    @classmethod
    def open(cls, path: str | Path, runtime: str = "litert") -> "FrozenModel":
        """The model in a run folder, an exported version folder or a .tflite file.

        Raises:
            ArtefactError: a folder without a model.
            TfctcError: a run that is not finished, or a file that cannot be used.
        """
        path = Path(path)
        if is_folder(path, ArtefactError):
            if is_file(path / "config.json", ArtefactError):
                return _of_run(path)
            files = [path / f"model_{kind}.tflite" for kind in PREFERRED]
            found = next((file for file in files if is_file(file, ArtefactError)), None)
            if found is None:
                problem = "is neither a run folder nor an exported version with a TFLite file"
                raise ArtefactError(problem, path=path, fix="give the folder of tfctc fit, or of tfctc export --tflite")
            path = found
        return _of_file(path, runtime)


def _of_run(path: Path) -> FrozenModel:
    """The student of a run."""
    from tfctc.system.startup import start_tensorflow

    start_tensorflow()
    import tensorflow as tf

    from tfctc.cells import BRIGHTFIELD
    from tfctc.models.classifier import outputs
    from tfctc.runs.folder import RunFolder

    run = RunFolder.open(path)
    student, point = run.calibrated_student(), run.operating_point

    @tf.function(reduce_retracing=True, autograph=False)
    def probabilities(images):
        return outputs(student({BRIGHTFIELD: images}, training=False))

    return FrozenModel(
        name=run.name,
        facts=run.facts,
        threshold=point["threshold"],
        rule=str(point.get("rule", "")),
        predict=lambda images: (probabilities(tf.constant(images)).numpy(), None),
        identity={"run": str(path), "weights_sha256": run.record["weights_sha256"]["student"]},
        folder=path / "external",
        training_cells=_cells_of_run(run),
    )


def _cells_of_run(run: "RunFolder") -> "TrainingCells | None":
    """Training cells of a run; None for a run of an early version, whose record does not name them."""
    from tfctc.runs.leakage import training_cells

    try:
        return training_cells(run)
    except RunError:
        return None


def _of_file(path: Path, runtime: str) -> FrozenModel:
    """The model in a .tflite file."""
    from tfctc.evaluation.training_cells import TrainingCells
    from tfctc.inference.predictor import Predictor

    predictor = Predictor(path, runtime=runtime)
    cells = path.parent / TRAINING_CELLS

    def predict(images):
        outputs = np.stack([predictor.probabilities(image) for image in images])
        return outputs if predictor.facts.other else outputs[:, 0], [predictor.quality(image) for image in images]

    name = predictor.model_version.partition("+")[0]
    return FrozenModel(
        name=f"{name} ({path.stem})",
        facts=predictor.facts,
        threshold=predictor.threshold,
        rule=str(predictor.record["operating_point"].get("rule", "")),
        predict=predict,
        identity={"file": str(path), "model_version": predictor.model_version},
        training_cells=TrainingCells.read(cells) if is_file(cells, ArtefactError) else None,
        folder=Path("evaluations", name.replace("/", "-")),
    )
