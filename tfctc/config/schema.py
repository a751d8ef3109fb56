"""Settings of a training run: frozen dataclasses, one for each table of the settings file.

Types and ranges are part of each field's annotation; msgspec checks them when settings are read (`tfctc.config.codec`).
Whether a setting suits the training mode is decided in `tfctc.recipes`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta

from tfctc.cells import BRIGHTFIELD, DAPI
from tfctc.errors import ConfigError

#: Name of a registered loss or augmentation -> its arguments. Both are checked when it is built.
Parts = Mapping[str, Mapping[str, Any]]
Count = Annotated[int, Meta(ge=1)]
Seed = Annotated[int, Meta(ge=0, lt=2**31)]
#: Values of `cross_validation.folds` that leave out one group at a time.
PATIENT, SITE = "patient", "site"
#: A number of 0 or more and below 1.
Fraction = Annotated[float, Meta(ge=0, lt=1)]


@dataclass(frozen=True)
class SplitConfig:
    """Split of the patients into train, validation and test.

    Args:
        by: manifest column of the groups, "patient_id" or "site". All cells of a group go to the same split.
        validation, test: shares of the labelled cells, above 0, together below 1.
        seed: seed of the split; None uses the run's seed. A number keeps the split while the run's seed changes.
        file: path of a table that gives the splits, with the columns `patient_id` and `split` (train, validation, test,
            or empty to have the patient assigned). Every patient must be listed.
        of: folder of an earlier run whose patients stay in their splits; the others are assigned, so that the shares
            come out.
        test_site: name of a site whose patients are all tested; the others are assigned to train and validation.

    Raises:
        ConfigError: the two shares sum to 1 or more, or two of `file`, `of` and `test_site` are set.
    """

    by: str = "patient_id"
    validation: Annotated[float, Meta(gt=0)] = 0.2
    test: Annotated[float, Meta(gt=0)] = 0.2
    seed: Seed | None = None
    file: str | None = None
    of: str | None = None
    test_site: str | None = None

    def __post_init__(self):
        given = [f"split.{name}" for name in ("file", "of", "test_site") if getattr(self, name)]
        if len(given) > 1:
            problem = f"the splits must be given in one way, got {' and '.join(given)}"
            raise ConfigError(problem, fix=f"leave out {' or '.join(given)}")
        if not self.validation + self.test < 1:
            raise ConfigError(
                f"split.validation and split.test must sum to less than 1, got {self.validation} and {self.test}"
            )


@dataclass(frozen=True)
class CrossValidationConfig:
    """Cross-validation: every patient is tested once, by a model trained without it. Not the teachers' `distill.folds`.

    Args:
        folds: number of folds, 2 or more; "patient" tests one patient at a time, "site" one site. None for a single
            split.
        repeats: number of times that the patients are assigned to folds, each time in another way.
        fold: name of the one fold that a run is of, such as "0-2": repeat 0, fold 2; tfctc sets it. None for the run of
            the final model.

    Raises:
        ConfigError: `folds` is none of these, repeats of folds that are the same each time, or a fold without `folds`.
    """

    folds: int | str | None = None
    repeats: Count = 1
    fold: Annotated[str, Meta(pattern=r"^\d+-\d+$")] | None = None

    def __post_init__(self):
        number = isinstance(self.folds, int) and self.folds >= 2
        if not (number or self.folds in (None, PATIENT, SITE)):
            problem = f'cross_validation.folds must be a whole number of 2 or more, "{PATIENT}" or "{SITE}"'
            raise ConfigError(f"{problem}, got {self.folds!r}")
        if self.repeats > 1 and not number:
            problem = f"cross_validation.repeats needs a number of folds, got folds {self.folds!r}"
            raise ConfigError(problem, fix="leave out repeats, or set cross_validation.folds to a number")
        if self.fold and not self.folds:
            problem = f"cross_validation.fold is one of cross_validation.folds, which is not set, got {self.fold}"
            raise ConfigError(problem, fix="set cross_validation.folds, or leave out cross_validation.fold")


@dataclass(frozen=True)
class ModelConfig:
    """One network.

    Args:
        backbone: name of a registered backbone. Where it is left out, `tfctc fit` and `tfctc compare` choose it by the
            size of the images: see `tfctc.recipes.defaults`.
        channels: input channels, in order.
        weights: initial weights: "none" (random), "imagenet", or the path of a weights file.
        dropout: dropout rate before the logits.
        batchnorm_momentum: momentum of every BatchNorm; None keeps the backbone's own (0.99 in Keras), which needs
            thousands of steps to settle.

    Raises:
        ConfigError: no channel, or a channel named twice.
    """

    backbone: str = "resnet50"
    channels: tuple[Literal["brightfield", "dapi"], ...] = (BRIGHTFIELD,)
    weights: str = "none"
    dropout: Fraction = 0.0
    batchnorm_momentum: Fraction | None = 0.9

    def __post_init__(self):
        if not self.channels or len(set(self.channels)) < len(self.channels):
            raise ConfigError(f"channels of a network must be one or more, each named once, got {list(self.channels)}")


@dataclass(frozen=True)
class DistillConfig:
    """Distillation: teachers, and the losses by which the student learns from them.

    Args:
        student_weight: weight of the label loss. That loss is a mean over the whole batch; an unlabelled cell adds 0.
        losses: distillation losses by name, each with its arguments, `weight` among them.
        teacher_kinds: kinds of teachers that give soft labels together; only for the loss soft-labels. "dapi-forest" is
            a random forest on measurements of the DAPI image, "brightfield-forest" one on measurements of the
            bright-field image where DAPI shows the nucleus, and "network" a network on `teacher.channels`.
        draw: draw of the cells without a label where there are soft labels: "uniform" all equally often; "balanced" as
            if half of them were positive, by the soft labels, but none more than ten times as often as the average.
        schedule: factor of all distillation losses over the training: "constant" is 1, "fade-in" rises from 0 to 1 and
            "fade-out" falls from 1 to 0, both by half a cosine wave.
        folds: number of teachers. With 2 or more, each teacher trains without the patients of one fold and teaches only
            those (cross-fitting), so that no cell is taught by a teacher that has seen its label.
        teacher_epochs: epochs of a teacher's training; None uses `training.epochs`. Fewer may be better where few cells
            are labelled: a teacher learns from these alone, and may memorise them before the student has seen all
            cells.
        teachers: folder of a run whose trained teachers are used; None trains new ones.
        dapi_dropout: share of the cells whose DAPI image is hidden from a teacher while it trains, so that it also
            learns what bright-field alone shows.
        start: initial weights of the student: "student" uses `student.weights`; "teacher" copies those of the (first)
            teacher.

    Raises:
        ConfigError: a `student_weight` that is not finite.
    """

    student_weight: Annotated[float, Meta(ge=0)] = 1.0
    losses: Parts = field(default_factory=lambda: {"soft-labels": {}})
    teacher_kinds: Annotated[tuple[str, ...], Meta(min_length=1)] = ("dapi-forest", "brightfield-forest")
    draw: Literal["balanced", "uniform"] = "uniform"
    schedule: Literal["constant", "fade-in", "fade-out"] = "constant"
    folds: Count = 1
    teacher_epochs: Count | None = None
    teachers: str | None = None
    dapi_dropout: Fraction = 0.0
    start: Literal["student", "teacher"] = "student"

    def __post_init__(self):
        if not math.isfinite(self.student_weight):
            raise ConfigError(f"distill.student_weight must be a finite number, got {self.student_weight}")


@dataclass(frozen=True)
class PretrainConfig:
    """Pretraining of the student without labels, on all training cells that have a DAPI image.

    Args:
        epochs: epochs of pretraining; 0 for none.
        losses: distillation losses that need no teacher and no labels.
    """

    epochs: Annotated[int, Meta(ge=0)] = 0
    losses: Parts = field(default_factory=lambda: {"staining": {}})


@dataclass(frozen=True)
class DapiAugmentedConfig:
    """Mode dapi-augmented: DAPI images of some cells in place of their bright-field images.

    Args:
        share: share of the cells whose DAPI image is used in place of the bright-field one, at the first step.
        until: fraction of the training steps, above 0 and up to 1, over which this share falls linearly to 0.
    """

    share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    until: Annotated[float, Meta(gt=0, le=1)] = 0.6


@dataclass(frozen=True)
class TrainingConfig:
    """Training of a network: batches, learning rate, stopping and precision.

    Args:
        epochs: largest number of epochs.
        steps_per_epoch: training steps of an epoch; None is one pass over the cells, but at least 20 steps, so that few
            cells are not trained on for too short a time.
        batch_size: cells of a batch.
        labelled_share: share of the labelled cells in a batch where unlabelled cells are used too. None is their share
            of all training cells, so that every cell is drawn equally often, but at least a tenth; with soft labels at
            least a tenth where half of the unlabelled cells are positive, up to a half where none is.
        label_budget: number of training cells that keep their label; None for all labelled ones.
        learning_rate: highest learning rate of the schedule (cosine decay after the warm-up). Where it is left out,
            `tfctc fit` chooses it by the backbone: see `tfctc.recipes.defaults`.
        weight_decay: decoupled weight decay of AdamW.
        warmup: fraction of the training steps over which the learning rate rises from 0.
        weight_average: momentum of a moving average of the weights, which is validated and saved in place of the last
            weights; 0.99 averages over about a hundred steps, 0 is off.
        patience: epochs without a better validation metric before training stops; not used with `monitor` "last".
        monitor: "last" keeps the last epoch, to which the learning rate has fallen to 0, and ends no training early; a
            validation metric chooses the best epoch.
        class_weights: "balanced" gives all classes the same total weight, "none" gives every cell the same weight.
        precision: arithmetic of the layers: "float32", "bfloat16", "float16" (with loss scaling), or "auto": bfloat16
            where the processor has instructions for it and the network gains. Weights and files are float32 anyway.
        cache_mb: memory for decoded cells, in megabytes.

    Raises:
        ConfigError: a `learning_rate` that is not finite.
    """

    epochs: Count = 60
    steps_per_epoch: Count | None = None
    batch_size: Count = 32
    labelled_share: Annotated[float, Meta(gt=0, le=1)] | None = None
    label_budget: int | None = None
    learning_rate: Annotated[float, Meta(gt=0)] = 1e-3
    weight_decay: Fraction = 1e-4
    warmup: Fraction = 0.1
    weight_average: Fraction = 0.0
    patience: Count = 15
    monitor: Literal["last", "val_auroc", "val_loss"] = "last"
    class_weights: Literal["balanced", "none"] = "balanced"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    cache_mb: int = 1024

    def __post_init__(self):
        if not math.isfinite(self.learning_rate):
            raise ConfigError(f"training.learning_rate must be a finite number, got {self.learning_rate}")


@dataclass(frozen=True)
class RunConfig:
    """All settings of a training run.

    Args:
        data: path of the data set folder.
        seed: seed of the split, the initial weights, the order of the cells and the augmentation.
        mode: name of a registered recipe; see `tfctc.recipes`.
        augment: augmentation operations by name, each with its strengths; None is the default policy.

    Raises:
        ConfigError: a student with other input channels than bright-field alone, or settings of the cross-validation
            that contradict others.
    """

    data: str = ""
    seed: Seed = 0
    mode: str = "distilled"
    split: SplitConfig = SplitConfig()
    cross_validation: CrossValidationConfig = CrossValidationConfig()
    augment: Parts | None = None
    student: ModelConfig = ModelConfig()
    teacher: ModelConfig = ModelConfig(channels=(BRIGHTFIELD, DAPI))
    distill: DistillConfig = DistillConfig()
    pretrain: PretrainConfig = PretrainConfig()
    dapi_augmented: DapiAugmentedConfig = DapiAugmentedConfig()
    training: TrainingConfig = TrainingConfig()

    def __post_init__(self):
        if self.student.channels != (BRIGHTFIELD,):
            raise ConfigError(f"student.channels must be {BRIGHTFIELD} alone, got {list(self.student.channels)}")
        if self.cross_validation.folds:
            self._check_cross_validation()

    def _check_cross_validation(self):
        """Raises for settings by which folds could not be what `cross_validation.folds` says."""
        folds, split = self.cross_validation.folds, self.split
        if given := [f"split.{name}" for name in ("file", "of", "test_site") if getattr(split, name)]:
            problem = f"cross_validation.folds tests every patient, and {given[0]} says whom to test"
            raise ConfigError(problem, fix=f"leave out one of the two: {given[0]}, or --folds")
        if folds == PATIENT and split.by != "patient_id":
            raise ConfigError(f"{PATIENT} folds need split.by patient_id, got {split.by}", fix="--folds site")
        # Teachers of one fold are those of the same fold of another run: `find_teachers` compares the splits.
        if self.distill.teachers and not self.cross_validation.fold:
            problem = "every fold trains teachers of its own, and distill.teachers names those of another run"
            raise ConfigError(problem, fix="leave out one of the two: distill.teachers, or --folds")
