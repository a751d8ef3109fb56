"""What the trainings of one run have in common."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import keras
import numpy as np

from tfctc.cells import DAPI
from tfctc.config import ModelConfig, RunConfig
from tfctc.data import pipeline
from tfctc.data.budget import keep_labels
from tfctc.data.selection import Selection, seen_through
from tfctc.data.summary import Summary, summarise
from tfctc.errors import ManifestError
from tfctc.files import atomic_file
from tfctc.models.classifier import build_classifier
from tfctc.training.checkpoints import Checkpoint
from tfctc.training.roles import all_losses, channels_of, teacher_of
from tfctc.training.stage import Stage

STATE, LOGS = "state", "logs"
#: What of a run has a random stream of its own, in the order of the streams; teachers of further folds follow.
STREAMS = ("teacher", "student", "pretraining", "labels")


@dataclass(frozen=True)
class Course:
    """A run on its way.

    Args:
        dealt: as `Run.dealt` has it.
        cells: `Manifest.digest` of the data set.
        known: which labels are kept, as `Selection` has it.
        outcomes: stage -> its checkpoint, filled as the stages end.
    """

    config: RunConfig
    builder: object
    folder: Path
    dealt: dict
    cells: str
    summary: Summary
    known: tuple[int, int] | None
    say: Callable[[str], None]
    outcomes: dict[str, Checkpoint] = field(default_factory=dict)

    @classmethod
    def prepare(cls, config: RunConfig, builder, folder: Path, dealt: dict, cells: str, say) -> "Course":
        """Counts the cells and measures their pixels.

        Raises:
            ManifestError: a class without a cell for one of those who learn.
        """
        say("Counting cells and measuring the training pixels")
        summary = summarise(builder, channels_of(config))
        budget = config.training.label_budget
        known = None if budget is None else keep_labels(builder, budget, stream_seed(config, "labels"))
        course = cls(config, builder, folder, dealt, cells, summary, known, say)
        course._check_cells()
        return course

    @property
    def folds(self) -> dict[str, int]:
        """Group -> fold, empty for one teacher."""
        return self.dealt.get("folds", {})

    @property
    def channels(self) -> tuple[str, ...]:
        return channels_of(self.config)

    @property
    def teacher(self) -> ModelConfig | None:
        return teacher_of(self.config)

    def selection(self, labels: str = "labelled", **options) -> Selection:
        """Cells whose labels are known as far as the run may know them."""
        seed = stream_seed(self.config, "labels")
        folds = tuple(sorted(self.folds.items()))
        return Selection(labels, known=self.known, seed=seed, by=self.config.split.by, folds=folds, **options)

    def taught_selection(self, fold: int | None = None) -> Selection:
        """The cells that the teacher of `fold`, or the only one, learns from."""
        return self.selection(pairs=DAPI in self.teacher.channels, outside=fold)

    def validation(self) -> Selection:
        """The validation cells that a teacher is judged by."""
        return seen_through(self.teacher.channels)

    def network(self, part: ModelConfig, name: str, seed: int) -> keras.Model:
        """Seeded by its own number, so that a run continued after the teacher starts the same student."""
        keras.utils.set_random_seed(seed)
        return build_classifier(part, tuple(self.builder.facts.image_size), self.summary.normalisation, name)

    def stage(self, name: str, seed: int, **training) -> Stage:
        """One of the run's trainings, with settings `training` in place of the run's."""
        config = replace(self.config, training=replace(self.config.training, **training))
        return Stage(name, seed, config, self.folder / STATE, self.folder / LOGS, self.builder)

    def save(self, model: keras.Model, name: str) -> None:
        with atomic_file(self.folder / name) as temporary:
            model.save(temporary)

    def _check_cells(self) -> None:
        """Both classes are there for whoever learns them."""
        pairs = self.config.mode == "dapi-augmented"
        selections = {"the student": (self.selection(pairs=pairs), Selection())}
        if self.teacher:
            for fold in range(self.config.distill.folds) if self.folds else [None]:
                who = "the teacher" if fold is None else f"the teacher of fold {fold}"
                selections[who] = (self.taught_selection(fold), self.validation())
        for who, chosen in selections.items():
            for split, selection in zip(("training", "validation"), chosen, strict=True):
                if lacking := pipeline.classes_lacking(self.builder, split.removesuffix("ing"), selection):
                    kind = "labelled cell with DAPI" if selection.pairs else "labelled cell"
                    raise ManifestError(
                        f"{who} has no {kind} of class {lacking[0]} in the {split} split",
                        path=self.config.data,
                        fix="--mode brightfield" if selection.pairs else "label more cells",
                    )
        reading = [name for name, loss in all_losses(self.config).items() if DAPI in loss.teacher_taps]
        if reading and not pipeline.count(self.builder, "train", self.selection("all", pairs=True)):
            problem = f"no cell in the training split has the DAPI that {reading[0]} reads"
            raise ManifestError(problem, path=self.config.data, fix="--mode brightfield, without pretraining")


def stream_seed(config: RunConfig, stream: str, fold: int = 0) -> int:
    """The seed of one of `STREAMS`; of the teachers, of that of `fold`."""
    place = len(STREAMS) + fold - 1 if fold else STREAMS.index(stream)
    return int(np.random.SeedSequence(config.seed).generate_state(place + 1)[-1]) >> 1
