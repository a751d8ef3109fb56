"""A run folder: everything `fit` leaves behind, and how to read it again."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tfctc import config as configs
from tfctc.cells import DatasetFacts
from tfctc.config import RunConfig
from tfctc.data.manifest import FACTS, Manifest
from tfctc.data.unique import fingerprint
from tfctc.errors import RunError
from tfctc.files import is_file

CONFIG, SPLITS, RECORD = "config.json", "splits.json", "run.json"
STUDENT, TEACHER, HISTORY = "student.keras", "teacher.keras", "history.csv"
#: Key of the record -> of which split's cells it says which they were, and what came of them.
SEEN = {"learnt_from": ("train", "has learnt from"), "chosen_by": ("validation", "was chosen by")}
OPERATING_POINT, EVALUATION, PREDICTIONS = "operating_point.json", "evaluation.json", "predictions.csv"


def seen_in(manifest: Manifest, assignment: Mapping[str, str], by: str) -> dict[str, str]:
    """Says, for the record, which cells the splits hold that are no longer new to the run, in whatever order.

    Args:
        assignment: group -> split.
        by: the column that holds the group.

    Returns:
        A key of `SEEN` -> a digest, equal only if the cells are the same ones.
    """
    sums = dict.fromkeys(SEEN, 0)
    keys = {split: key for key, (split, _) in SEEN.items()}
    for cell in manifest.cells():
        if key := keys.get(assignment[getattr(cell, by)]):
            sums[key] += fingerprint(cell.cell_id)
    return {key: f"{total % 2**64:016x}" for key, total in sums.items()}


def teacher_names(folds: int) -> list[str]:
    """What the one teacher is called, or that of each fold; their files too."""
    return ["teacher"] if folds == 1 else [f"teacher-{fold}" for fold in range(folds)]


def check_data(config: RunConfig, folder: Path) -> None:
    """Raises a RunError if the data set that the run in `folder` has been begun with is not there any more."""
    if not os.path.exists(config.data):
        fix = f"put it back, or have data in {folder / CONFIG} say where it is now"
        raise RunError(f"was begun with the cells in {config.data}, which are not there", path=folder, fix=fix)


@dataclass(frozen=True)
class Run:
    """A finished run. `config` and `facts` as trained; `record` holds versions, seed, counts and weight hashes."""

    folder: Path
    config: RunConfig
    facts: DatasetFacts

    @classmethod
    def open(cls, folder: str | Path) -> "Run":
        """Opens a finished run.

        Raises:
            RunError: not a run folder, one that cannot be read, or one whose training did not finish.
        """
        folder = Path(folder)
        if not is_file(folder / CONFIG, RunError):
            raise RunError("is not a run folder", path=folder, fix="give the folder that tfctc fit wrote")
        if not is_file(folder / RECORD, RunError):
            raise RunError("is not finished", path=folder, fix=f"continue it with: tfctc fit --resume {folder}")
        return cls(folder, configs.load(RunConfig, folder / CONFIG), configs.load(DatasetFacts, folder / FACTS))

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @cached_property
    def record(self) -> dict:
        return self._json(RECORD)

    @property
    def operating_point(self) -> dict:
        return self._json(OPERATING_POINT)

    @property
    def evaluation(self) -> dict | None:
        return self._json(EVALUATION) if (self.folder / EVALUATION).exists() else None

    @cached_property
    def assignment(self) -> dict[str, str]:
        """Group -> split, as dealt when the run was trained."""
        return self.dealt["groups"]

    @property
    def dealt(self) -> dict:
        """What a group is dealt by, the assignment, and with several teachers the fold of each training group."""
        return self._json(SPLITS)

    def student(self):
        """The bright-field-only Keras model.

        Raises:
            RunError: its file is damaged.
        """
        return self._model(STUDENT)

    def teachers(self) -> list:
        """The DAPI-informed Keras models: one, or one for each fold.

        Raises:
            RunError: the run had none, or a file is damaged.
        """
        return [self._model(f"{name}.keras") for name in teacher_names(self.config.distill.folds)]

    def had(self, cells: str) -> bool:
        """Whether it began with the cells of this `Manifest.digest`. An older run does not say, and is believed."""
        return self.record.get("manifest", cells) == cells

    def teacher(self):
        """The teacher; of several, the mean of their probabilities, as one Keras model with logits ``(B, 2)``."""
        teachers = self.teachers()
        if len(teachers) == 1:
            return teachers[0]
        import keras

        inputs = {name: keras.Input(x.shape[1:], name=name) for name, x in teachers[0].input.items()}
        probabilities = [keras.layers.Softmax()(teacher(inputs)) for teacher in teachers]
        mean = keras.layers.Average()(probabilities)
        return keras.Model(inputs, keras.ops.log(keras.ops.maximum(mean, 1e-30)), name="teacher")

    def builder(self, progress=None):
        """The TFDS builder of the run's own data, dealt exactly as it was for training.

        Raises:
            RunError: they are not there, or the facts, or the cells of training or validation, are others than they
                were.
        """
        from tfctc.data.builder import build

        check_data(self.config, self.folder)
        manifest = Manifest.open(self.config.data)
        if manifest.facts != self.facts:
            raise RunError("is not described as it was in training", path=manifest.folder, fix="run fit again")
        builder = build(manifest, self.assignment, self.config.split.by, progress=progress)
        # Else a cell that was learnt from could be taken for one of a patient never seen.
        for key, digest in seen_in(manifest, self.assignment, self.config.split.by).items():
            split, what = SEEN[key]
            if self.record.get(key, digest) != digest:  # An older run does not say, and is believed.
                problem = f"its {split.replace('train', 'training')} cells are not those that {self.folder} {what}"
                fix = "put the manifest back as it was, or run fit again"
                raise RunError(problem, path=manifest.folder, fix=fix)
        return builder

    def _json(self, name: str) -> dict:
        try:
            return dict(json.loads((self.folder / name).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"cannot be read ({error})", path=self.folder / name, fix="run fit again") from None

    def _model(self, name: str):
        import keras

        path = self.folder / name
        if not path.exists():
            raise RunError(f"has no {name}", path=self.folder, fix="fit with --mode distilled")
        try:
            return keras.saving.load_model(path, compile=False)
        except Exception as error:  # Of a damaged file, whatever Keras, zipfile or h5py happen to stumble over.
            problem = f"cannot be loaded ({type(error).__name__}: {str(error)[:200]})"
            raise RunError(problem, path=path, fix="copy the run folder again, or run fit again") from None
