"""Recipe: everything that a training will do, decided before it starts, as a value that can be printed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from tfctc.augment.channels import ChannelChange
from tfctc.augment.policy import Policy
from tfctc.cells import BRIGHTFIELD, DAPI
from tfctc.config import ModelConfig, TrainingConfig
from tfctc.data.selection import Selection
from tfctc.data.splits import Splits
from tfctc.distill.losses import DistillationLoss
from tfctc.distill.teacher_kinds import TEACHER_KINDS

STUDENT = "student"
#: Names of the random streams of a run, in a fixed order that decides their seeds. The teachers of folds 1, 2, ... have
#: the streams after these.
STREAMS = ("teacher", "student", "pretraining", "labels")


@dataclass(frozen=True)
class Network:
    """One network of a run.

    Args:
        config: settings of the network: backbone, channels and initial weights.
        seed: seed of the random initial weights.
    """

    config: ModelConfig
    seed: int


@dataclass(frozen=True)
class Stage:
    """One training of one network.

    Args:
        name: name of the stage: "teacher", "teacher-0", "pretraining", "student".
        network: name of the network that is trained.
        cells: selections of training cells. Of two selections, the first has `training.labelled_share` of every batch.
        validation: validation cells by which each epoch is measured.
        training: settings of the training.
        monitor: metric that chooses the best epoch; smaller is better if its name ends in "loss". With "last" the last
            epoch is kept.
        seed: seed of the order of the cells and of the augmentation.
        losses: distillation losses by name; {} to learn from the labels alone.
        label_weight: weight of the label loss in the total loss.
        schedule: factor of the distillation losses over the training: "constant", "fade-in" or "fade-out".
        teachers: names of the teacher networks that the losses read.
        soft_labels: kinds of teachers that give the soft labels which a loss reads; () for none.
        balanced_draw: whether cells without a label are drawn so that half of them are positive by the soft labels.
        channels: change of the channels of training batches, or None.
        start_from: name of the network whose weights are copied before the stage begins, or None.
        required: training cells that must include both classes; None where labels are not used.
        saved_as: file name in the run folder, or None for a network that a later stage saves.
    """

    name: str
    network: str
    cells: tuple[Selection, ...]
    training: TrainingConfig
    monitor: str
    seed: int
    validation: Selection = Selection()
    losses: Mapping[str, DistillationLoss] = field(default_factory=dict)
    label_weight: float = 1.0
    schedule: str = "constant"
    teachers: tuple[str, ...] = ()
    soft_labels: tuple[str, ...] = ()
    balanced_draw: bool = False
    channels: ChannelChange | None = None
    start_from: str | None = None
    required: Selection | None = None
    saved_as: str | None = None

    @property
    def taught_by(self) -> tuple[str, ...]:
        """Teachers of the stage: networks that losses read, and kinds of teachers that give soft labels."""
        return *self.teachers, *self.soft_labels

    def __str__(self) -> str:
        learns = [f"{self.label_weight:g} x label loss"] if self.label_weight else []
        learns += [f"{loss.weight:g} x {name}" for name, loss in self.losses.items()]
        if self.losses and self.schedule != "constant":
            learns.append(self.schedule)
        lines = [
            f"cells      {' and '.join(map(str, self.cells))}",
            f"loss       {' + '.join(learns)}" + (f", taught by {', '.join(self.taught_by)}" if self.taught_by else ""),
            f"epochs     {self.training.epochs}, "
            + ("the last is kept" if self.monitor == "last" else f"best by {self.monitor} on {self.validation}")
            + f"; learning rate {self.training.learning_rate:g}",
        ]
        lines += [f"channels   {self.channels}"] if self.channels else []
        lines += [f"starts as  {self.start_from}"] if self.start_from else []
        lines += [f"saved as   {self.saved_as}"] if self.saved_as else []
        return "\n".join([self.name, *(f"  {line}" for line in lines)])


@dataclass(frozen=True)
class Recipe:
    """Everything that a training run does: networks, stages, losses and saved files.

    Args:
        mode: name of the recipe.
        networks: every network by name, teachers first.
        stages: trainings, in order.
        augmentation: augmentation of all training batches.
        teachers: names of the teachers, in the order of their folds; () for none.
        teachers_from: folder of the run whose trained teachers are used; None to train them.
        can_teach: settings of the network of this run that another run may use as its teacher: of the teacher, or in
            mode brightfield of the student. None if there is no such network.
        precision: arithmetic of the layers: "float32", "bfloat16" or "float16".
    """

    mode: str
    networks: Mapping[str, Network]
    stages: tuple[Stage, ...]
    augmentation: Policy
    teachers: tuple[str, ...] = ()
    teachers_from: str | None = None
    can_teach: ModelConfig | None = None
    precision: str = "float32"

    @property
    def student(self) -> ModelConfig:
        """Settings of the student's network."""
        return self.networks[STUDENT].config

    @property
    def teacher(self) -> ModelConfig | None:
        """Settings of the teachers' network, which are the same for all teachers; None without teachers."""
        return self.networks[self.teachers[0]].config if self.teachers else None

    @property
    def teacher_channels(self) -> tuple[str, ...]:
        """Channels that the teachers read, networks and other kinds, bright-field first; () without a teacher."""
        read: set[str] = set(self.teacher.channels if self.teacher else ())
        for stage in self.stages:
            read.update(*(TEACHER_KINDS[kind].channels for kind in stage.soft_labels))
        return tuple(channel for channel in (BRIGHTFIELD, DAPI) if channel in read)

    @property
    def channels(self) -> tuple[str, ...]:
        """Channels that any stage reads, bright-field first."""
        read = [channel for stage in self.stages for channel in self.channels_of(stage)]
        return tuple(dict.fromkeys([BRIGHTFIELD, *read]))

    def channels_of(self, stage: Stage) -> tuple[str, ...]:
        """Channels that a stage reads: those of its network and of its teachers, and DAPI if a loss reads it."""
        names = (stage.network, *stage.teachers)
        read = [channel for name in names for channel in self.networks[name].config.channels]
        dapi = stage.channels or any(loss.reads_dapi for loss in stage.losses.values())
        return tuple(dict.fromkeys([*read, *([DAPI] if dapi else [])]))

    def with_learning_rate(self, rate: float) -> "Recipe":
        """The recipe with another learning rate in all stages."""
        stages = (replace(one, training=replace(one.training, learning_rate=rate)) for one in self.stages)
        return replace(self, stages=tuple(stages))

    @property
    def folds(self) -> int:
        """Number of folds that the training patients are split into; 1 for none."""
        return max(len(self.teachers), 1)

    @property
    def uses_unlabelled_cells(self) -> bool:
        """Whether any stage learns from cells without a label."""
        return any(selection.labels != "labelled" for stage in self.stages for selection in stage.cells)

    @property
    def initial_weights(self) -> dict[str, str]:
        """Source of the initial weights of every network that does not start anew, by the network's name."""
        sources = {name: network.config.weights for name, network in self.networks.items()}
        return {name: source for name, source in sources.items() if source != "none"}

    def on(self, splits: Splits) -> "Recipe":
        """A copy of the recipe for a split data set: its selections have the folds and the kept labels of `splits`."""
        stages = [
            replace(
                stage,
                cells=tuple(selection.on(splits) for selection in stage.cells),
                required=stage.required.on(splits) if stage.required else None,
            )
            for stage in self.stages
        ]
        return replace(self, stages=tuple(stages))

    def __str__(self) -> str:
        """Text that `tfctc fit --dry-run` prints."""
        channels = dict.fromkeys([*self.channels, *self.teacher_channels])
        lines = [f"recipe {self.mode}, {self.precision}, channels {' + '.join(channels)}", "", "networks"]
        for name, network in self.networks.items():
            config = network.config
            origin = "" if config.weights == "none" else f", weights from {config.weights}"
            if name in self.teachers and self.teachers_from:
                origin = f", trained in {self.teachers_from}"
            lines.append(f"  {name:10} {config.backbone} on {' + '.join(config.channels)}{origin}")
        lines += ["", "stages"]
        for number, stage in enumerate(self.stages, 1):
            first, *rest = str(stage).splitlines()
            lines += [f"  {number} {first}", *(f"  {line}" for line in rest)]
        return "\n".join([*lines, "", f"augmentation  {self.augmentation}"])


def stream_seed(seed: int, stream: str, fold: int = 0) -> int:
    """Seed of one random stream of a run.

    Args:
        seed: seed of the run.
        stream: one of `STREAMS`.
        fold: number of a teacher's fold; 0 for every other stream.
    """
    position = len(STREAMS) + fold - 1 if fold else STREAMS.index(stream)
    return int(np.random.SeedSequence(seed).generate_state(position + 1)[-1]) >> 1
