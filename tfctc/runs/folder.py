"""Run folder: settings, split, networks and metrics of a training."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import keras

from tfctc import config as configs
from tfctc.cells import DatasetFacts
from tfctc.config import RunConfig
from tfctc.data.builder import Cells, build
from tfctc.data.manifest import FACTS, Manifest
from tfctc.data.pipeline import missing_classes
from tfctc.data.selection import visible_to
from tfctc.data.splits import Splits
from tfctc.errors import ManifestError, RunError
from tfctc.evaluation.calibration import Calibration
from tfctc.evaluation.out_of_fold import OutOfFold, read_out_of_fold
from tfctc.io.folders import is_file
from tfctc.models.calibrated import fold_calibration
from tfctc.progress import Progress, silent
from tfctc.runs.cells import CELLS_USED, cell_digests
from tfctc.runs.history import read_history

CONFIG, SPLITS, RECORD = "config.json", "splits.json", "run.json"
STUDENT, TEACHER, HISTORY = "student.keras", "teacher.keras", "history.csv"
#: Fingerprints of the images that the run was trained and validated on.
IMAGES = "images.npy"
OPERATING_POINT, EVALUATION, PREDICTIONS = "operating_point.json", "evaluation.json", "predictions.csv"
REPORT, REPORT_VALUES = "report.html", "report.json"
#: Saliency and robustness as `tfctc report` measured them.
STUDIES = "studies.npz"
CALIBRATION, VALIDATION_PREDICTIONS = "calibration.json", "validation_predictions.csv"
#: Of a cross-validated run: the run folders of its folds, predictions for every labelled cell, and facts of the folds.
FOLDS, OUT_OF_FOLD, CROSS_VALIDATION = "folds", "out_of_fold.csv", "cross_validation.json"
#: Remedy for a run that cannot be used: `fit` refuses the folder of a finished run.
TRAIN_AGAIN = "run fit again with another --output"


@dataclass(frozen=True)
class RunFolder:
    """The folder of a finished run.

    Args:
        folder: path of the folder.
        config: settings of the training.
        facts: facts of the data set at the time of the training.
    """

    folder: Path
    config: RunConfig
    facts: DatasetFacts

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Opens a finished run.

        Raises:
            RunError: not a run folder, one that cannot be read, or a training that did not finish.
        """
        folder = Path(folder)
        if not is_file(folder / CONFIG, RunError):
            raise RunError("is not a run folder", path=folder, fix="give the folder that tfctc fit wrote")
        if not is_file(folder / RECORD, RunError):
            raise RunError("is not finished", path=folder, fix=f"continue it with: tfctc fit --resume {folder}")
        return cls(folder, configs.load(RunConfig, folder / CONFIG), configs.load(DatasetFacts, folder / FACTS))

    @classmethod
    def of(cls, run: "str | Path | RunFolder") -> Self:
        """The run in a folder, or `run` itself if it has been opened already.

        Raises:
            RunError: as `open`.
        """
        if isinstance(run, cls):
            return run
        return cls(run.folder, run.config, run.facts) if isinstance(run, RunFolder) else cls.open(run)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.resolve().name

    @cached_property
    def record(self) -> dict[str, Any]:
        """Versions, seed, number of cells, weight hashes, patients; from run.json."""
        return self._json(RECORD)

    @cached_property
    def splits(self) -> Splits:
        """Split of the patients at the time of the training."""
        try:
            return Splits.from_dict(self._json(SPLITS))
        except KeyError as error:
            raise RunError(f"has no {error}", path=self.folder / SPLITS, fix=TRAIN_AGAIN) from None

    def history(self, stage: str) -> list[dict[str, str]]:
        """Metrics of every epoch of a stage, in order; from history.csv."""
        return read_history(self.folder / HISTORY, stage)

    @cached_property
    def calibration(self) -> Calibration:
        """Calibration of the student's probability; one that changes nothing if the run is of an earlier version.

        Raises:
            RunError: its file is damaged.
        """
        if not (self.folder / CALIBRATION).exists():
            return Calibration()
        try:
            return Calibration.from_dict(self._json(CALIBRATION))
        except (TypeError, ValueError) as error:
            problem, fix = f"is no calibration ({error})", f"copy the run folder again, or {TRAIN_AGAIN}"
            raise RunError(problem, path=self.folder / CALIBRATION, fix=fix) from None

    @property
    def operating_point(self) -> dict[str, Any]:
        """Threshold, and how it was chosen."""
        return self._json(OPERATING_POINT)

    @property
    def evaluation(self) -> dict[str, Any] | None:
        """Metrics of the student on the test split, as `tfctc evaluate` wrote them; None before that."""
        if not (self.folder / EVALUATION).exists():
            return None
        found = self._json(EVALUATION)
        # Early files of version 0.1 have the key "figures" instead.
        return found if "metrics" in found else {**found, "metrics": found.get("figures", {})}

    @cached_property
    def cross_validation(self) -> dict[str, Any] | None:
        """Folds and metrics of a cross-validated run (`tfctc fit --folds`); None for a run with a single split."""
        return self._json(CROSS_VALIDATION) if (self.folder / CROSS_VALIDATION).exists() else None

    def out_of_fold(self) -> OutOfFold:
        """Out-of-fold predictions of a cross-validated run.

        Raises:
            RunError: a run with a single split, or a damaged table.
        """
        return read_out_of_fold(self.folder / OUT_OF_FOLD, self.facts.positive)

    def student(self) -> keras.Model:
        """The bright-field-only model as it was trained. Its probability is not calibrated.

        Raises:
            RunError: its file is damaged.
        """
        return self._model(STUDENT)

    def calibrated_student(self, student: keras.Model | None = None) -> keras.Model:
        """The bright-field-only model for predictions. The threshold of the run belongs to its probability.

        Args:
            student: the student, if it has been loaded already.

        Raises:
            RunError: the file of the student or of the calibration is damaged.
        """
        model, calibration = student or self.student(), self.calibration
        if not calibration.is_fitted:
            return model
        return fold_calibration(model, calibration.scale, calibration.biases(len(self.facts.labels)))

    def teachers(self) -> list[keras.Model]:
        """The teachers: one, or one for each fold.

        Raises:
            RunError: the run has none, or a file is damaged.
        """
        return [self._model(name) for name in self._teacher_files]

    @property
    def has_teacher(self) -> bool:
        """Whether the run has trained a teacher."""
        return any((self.folder / name).exists() for name in self._teacher_files)

    @property
    def _teacher_files(self) -> list[str]:
        folds = self.config.distill.folds
        return [TEACHER] if folds == 1 else [f"teacher-{fold}.keras" for fold in range(folds)]

    def teacher(self) -> keras.Model:
        """The teacher; for several, one model whose logits ``(B, K)`` are the log of their mean probabilities.

        Raises:
            RunError: the run has none, or a file is damaged.
        """
        teachers = self.teachers()
        if len(teachers) == 1:
            return teachers[0]
        inputs = {name: keras.Input(x.shape[1:], name=name) for name, x in teachers[0].input.items()}
        probabilities = [keras.layers.Softmax()(teacher(inputs)) for teacher in teachers]
        mean = keras.layers.Average()(probabilities)
        return keras.Model(inputs, keras.ops.log(keras.ops.maximum(mean, 1e-30)), name="teacher")

    def was_trained_on(self, manifest: Manifest) -> bool:
        """Whether the run was trained on the cells of `manifest`; True for early runs, which have no digest of them."""
        return self.record.get("manifest", manifest.digest) == manifest.digest

    def builder(self, progress: Progress = silent) -> Cells:
        """The run's data set as tfrecords, split as in the training.

        Raises:
            RunError: the data set is missing, or its facts or its training or validation cells have changed.
        """
        check_data(self.config, self.folder)
        manifest = Manifest.open(self.config.data)
        if manifest.facts != self.facts:
            raise RunError("has other facts than in training", path=manifest.folder, fix=TRAIN_AGAIN)
        builder = build(manifest, self.splits, progress=progress)
        # Otherwise a cell that the run was trained on could come to be tested.
        for key, digest in cell_digests(manifest, self.splits).items():
            if self.record.get(key, digest) != digest:  # Early runs have no digests.
                split, used = CELLS_USED[key]
                problem = f"its {split.replace('train', 'training')} cells are not those that {self.folder} {used}"
                raise RunError(problem, path=manifest.folder, fix=TRAIN_AGAIN)
        return builder

    def check_cells(self, builder: Cells, channels: tuple[str, ...], splits: Mapping[str, bool]) -> None:
        """Checks that the splits still have labelled cells: labels may have been removed since the training.

        Args:
            builder: the run's data.
            channels: channels of the model that predicts.
            splits: split -> True if it needs cells of both classes, False if one class is enough.

        Raises:
            ManifestError: a split lacks such cells.
        """
        selection = visible_to(channels)
        for split, both in splits.items():
            lost = missing_classes(builder, split, selection)
            if len(lost) == 2 or (lost and both):
                kind = lost[0] if len(lost) == 1 else "labelled"
                raise ManifestError(
                    f"holds no {kind} cell{' with DAPI' if selection.with_dapi else ''} of the {split} split",
                    path=self.config.data,
                    fix=f"put the labels and images of such cells back, or {TRAIN_AGAIN}",
                )

    def _json(self, name: str) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / name).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            fix = f"check permissions, copy the run folder again, or {TRAIN_AGAIN}"
            raise RunError(f"cannot be read ({error})", path=self.folder / name, fix=fix) from None

    def _model(self, name: str) -> keras.Model:
        path = self.folder / name
        if not path.exists():
            fix = "fit with --mode distilled and a loss that needs a teacher, such as logits"
            if name == STUDENT:
                fix = f"copy the run folder again, or {TRAIN_AGAIN}"
            raise RunError(f"has no {name}", path=self.folder, fix=fix)
        try:
            return keras.saving.load_model(path, compile=False)
        except Exception as error:  # On a damaged file, Keras, zipfile and h5py raise many types of error.
            problem = f"cannot be loaded ({type(error).__name__}: {str(error)[:200]})"
            raise RunError(problem, path=path, fix=f"copy the run folder again, or {TRAIN_AGAIN}") from None


def check_data(config: RunConfig, folder: Path) -> None:
    """Checks that the data set of the run in `folder` is still there.

    Raises:
        RunError: there is no such file or folder.
    """
    if not os.path.exists(config.data):
        fix = f"put the cells back, or change data in {folder / CONFIG} to where they are now"
        raise RunError(f"was begun with the cells in {config.data}, which are not there", path=folder, fix=fix)
