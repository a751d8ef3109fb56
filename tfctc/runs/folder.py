"""The run folder: settings, split, networks and metrics of a training."""

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
from tfctc.io.folders import is_file
from tfctc.progress import Progress, silent
from tfctc.runs.cells import CELLS_USED, cell_digests
from tfctc.runs.history import read_history

CONFIG, SPLITS, RECORD = "config.json", "splits.json", "run.json"
STUDENT, TEACHER, HISTORY = "student.keras", "teacher.keras", "history.csv"
OPERATING_POINT, EVALUATION, PREDICTIONS = "operating_point.json", "evaluation.json", "predictions.csv"


@dataclass(frozen=True)
class RunFolder:
    """A finished run.

    Args:
        folder: path of the run folder.
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
            raise RunError(f"has no {error}", path=self.folder / SPLITS, fix="run fit again") from None

    def history(self, stage: str) -> list[dict[str, str]]:
        """Metrics of every epoch of a stage, in order; from history.csv."""
        return read_history(self.folder / HISTORY, stage)

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
        # Version 0.1 called them figures at first.
        return found if "metrics" in found else {**found, "metrics": found.get("figures", {})}

    def student(self) -> keras.Model:
        """The bright-field-only model.

        Raises:
            RunError: its file is damaged.
        """
        return self._model(STUDENT)

    def teachers(self) -> list[keras.Model]:
        """The teachers: one, or one for each fold.

        Raises:
            RunError: the run has none, or a file is damaged.
        """
        if self.config.distill.folds == 1:
            return [self._model(TEACHER)]
        return [self._model(f"teacher-{fold}.keras") for fold in range(self.config.distill.folds)]

    def teacher(self) -> keras.Model:
        """The teacher; of several, one model with the mean of their probabilities, as logits ``(B, 2)``."""
        teachers = self.teachers()
        if len(teachers) == 1:
            return teachers[0]
        inputs = {name: keras.Input(x.shape[1:], name=name) for name, x in teachers[0].input.items()}
        probabilities = [keras.layers.Softmax()(teacher(inputs)) for teacher in teachers]
        mean = keras.layers.Average()(probabilities)
        return keras.Model(inputs, keras.ops.log(keras.ops.maximum(mean, 1e-30)), name="teacher")

    def was_trained_on(self, manifest: Manifest) -> bool:
        """Whether the data set had the same cells at the time of the training; True for old runs that do not say."""
        return self.record.get("manifest", manifest.digest) == manifest.digest

    def builder(self, progress: Progress = silent) -> Cells:
        """The run's own data as tfrecords, split exactly as for the training.

        Raises:
            RunError: the data are not there, or the facts or the cells of training or validation have changed.
        """
        check_data(self.config, self.folder)
        manifest = Manifest.open(self.config.data)
        if manifest.facts != self.facts:
            raise RunError("has other facts than in training", path=manifest.folder, fix="run fit again")
        builder = build(manifest, self.splits, progress=progress)
        # Otherwise a cell that was learnt from could be taken for a cell of a patient never seen.
        for key, digest in cell_digests(manifest, self.splits).items():
            if self.record.get(key, digest) != digest:  # Old runs do not say, and are believed.
                split, used = CELLS_USED[key]
                problem = f"its {split.replace('train', 'training')} cells are not those that {self.folder} {used}"
                raise RunError(problem, path=manifest.folder, fix="run fit again on the data as they are now")
        return builder

    def check_cells(self, builder: Cells, channels: tuple[str, ...], splits: Mapping[str, bool]) -> None:
        """Checks that the data set still has the cells that are needed, which labels may have left since training.

        Args:
            builder: the run's data.
            channels: channels of the model that predicts.
            splits: split -> whether it needs cells of both classes, or of any.

        Raises:
            ManifestError: a split has none.
        """
        selection = visible_to(channels)
        for split, both in splits.items():
            lost = missing_classes(builder, split, selection)
            if len(lost) == 2 or (lost and both):
                kind = lost[0] if len(lost) == 1 else "labelled"
                raise ManifestError(
                    f"holds no {kind} cell{' with DAPI' if selection.with_dapi else ''} of the {split} split",
                    path=self.config.data,
                    fix="label or add some, or run fit again on the data as they are now",
                )

    def _json(self, name: str) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / name).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"cannot be read ({error})", path=self.folder / name, fix="run fit again") from None

    def _model(self, name: str) -> keras.Model:
        path = self.folder / name
        if not path.exists():
            raise RunError(f"has no {name}", path=self.folder, fix="fit with --mode distilled")
        try:
            return keras.saving.load_model(path, compile=False)
        except Exception as error:  # Of a damaged file, whatever Keras, zipfile or h5py meet.
            problem = f"cannot be loaded ({type(error).__name__}: {str(error)[:200]})"
            raise RunError(problem, path=path, fix="copy the run folder again, or run fit again") from None


def check_data(config: RunConfig, folder: Path) -> None:
    """Checks that the data set of the run in `folder` is still there.

    Raises:
        RunError: it is not.
    """
    if not os.path.exists(config.data):
        fix = f"put it back, or change data in {folder / CONFIG} to where it is now"
        raise RunError(f"was begun with the cells in {config.data}, which are not there", path=folder, fix=fix)
