"""The whole of a run as data: frozen dataclasses <-> one JSON or TOML file saved beside the weights."""

import dataclasses
import json
import math
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI
from tfctc.errors import ConfigError, TfctcError

T = TypeVar("T")
#: Name of a registered thing -> its arguments. Checked by the registry that owns the name.
Parts = Mapping[str, Mapping[str, Any]]
#: By what the student learns from beside the labels.
MODES = (
    "distilled",  # a teacher that sees DAPI, on labelled and unlabelled cells
    "brightfield",  # nothing, no DAPI anywhere
    "dapi-augmented",  # DAPI images shown among the bright-field ones
    "self-training",  # a bright-field teacher, on labelled and unlabelled cells, no DAPI anywhere
)


@dataclass(frozen=True)
class SplitConfig:
    """How patients are dealt.

    Args:
        by: the manifest column that must never straddle two splits.
        seed: None is the run's own; a number keeps the patients of each split the same while the run's seed changes.
    """

    by: str = "patient_id"
    validation: float = 0.2
    test: float = 0.2
    seed: int | None = None

    def __post_init__(self):
        if self.seed is not None and not 0 <= self.seed < 2**31:
            raise ConfigError(f"split.seed must be 0 to 2^31 - 1, got {self.seed}")
        if not (self.validation > 0 and self.test > 0 and self.validation + self.test < 1):
            raise ConfigError(
                f"split.validation and split.test must be above 0 and sum below 1, got {self.validation}, {self.test}"
            )


@dataclass(frozen=True)
class ModelConfig:
    """One network.

    Args:
        backbone: a registered backbone.
        channels: what it sees, in order.
        weights: "none", "imagenet", or the path of a weights file.
        dropout: rate in front of the logits.
        batchnorm_momentum: None keeps the backbone's own (0.99 in Keras), which needs thousands of steps to settle.
    """

    backbone: str = "resnet50"
    channels: tuple[str, ...] = (BRIGHTFIELD,)
    weights: str = "none"
    dropout: float = 0.0
    batchnorm_momentum: float | None = 0.9

    def __post_init__(self):
        if not self.channels or not set(self.channels) <= set(CHANNELS) or len(set(self.channels)) < len(self.channels):
            raise ConfigError(f"channels must be some of {', '.join(CHANNELS)}, each once, got {list(self.channels)}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must be in [0, 1), got {self.dropout}")
        if self.batchnorm_momentum is not None and not 0 <= self.batchnorm_momentum < 1:
            raise ConfigError(f"batchnorm_momentum must be in [0, 1), got {self.batchnorm_momentum}")


@dataclass(frozen=True)
class DistillConfig:
    """How a student is taught.

    Args:
        student_weight: factor of the student's own loss, that of the labels: a mean over the whole batch, to which an
            unlabelled cell adds nothing.
        losses: registered distillation losses, each with its arguments, `weight` among them.
        schedule: of the distillation losses' weights over training: "constant", "fade-in" or "fade-out" (by a cosine).
        folds: teachers, each trained without the patients of one fold and asked about those alone (cross-fitting), so
            that no cell is taught by a teacher that has seen its label; 1 is one teacher trained on all.
        teacher_epochs: of a teacher's training, None for as many as the student's. A teacher learns from the labels
            alone, and learns few of them by heart long before its student has seen all that it is taught.
        teachers: folder of a run whose teachers are taken over instead of being trained.
        dapi_dropout: share of the cells that a teacher is shown without their DAPI while it learns, so that it knows
            what bright-field alone says as well.
        start: the student's first weights: "teacher", those of the (first) teacher, as it is without DAPI, or
            "student", those that `student.weights` names.
    """

    student_weight: float = 1.0
    losses: Parts = field(default_factory=lambda: {"logits": {"weight": 2.0, "temperature": 2.0}})
    schedule: str = "constant"
    folds: int = 1
    teacher_epochs: int | None = None
    teachers: str | None = None
    dapi_dropout: float = 0.0
    start: str = "student"

    def __post_init__(self):
        if not 0 <= self.dapi_dropout < 1:
            raise ConfigError(f"distill.dapi_dropout must be in [0, 1), got {self.dapi_dropout}")
        if self.start not in ("student", "teacher"):
            raise ConfigError(f"distill.start must be student or teacher, got {self.start!r}")
        if not (self.student_weight >= 0 and math.isfinite(self.student_weight)):
            raise ConfigError(f"distill.student_weight must be 0 or more, got {self.student_weight}")
        if self.schedule not in ("constant", "fade-in", "fade-out"):
            raise ConfigError(f"distill.schedule must be constant, fade-in or fade-out, got {self.schedule!r}")
        if self.folds < 1:
            raise ConfigError(f"distill.folds must be at least 1, got {self.folds}")
        if self.teacher_epochs is not None and self.teacher_epochs < 1:
            raise ConfigError(f"distill.teacher_epochs must be at least 1, got {self.teacher_epochs}")


@dataclass(frozen=True)
class PretrainConfig:
    """What the student learns before it is shown a label: its own DAPI images, of all training cells that have one.

    Args:
        epochs: 0 for no pretraining.
        losses: distillation losses that need no teacher.
    """

    epochs: int = 0
    losses: Parts = field(default_factory=lambda: {"staining": {}})

    def __post_init__(self):
        if self.epochs < 0:
            raise ConfigError(f"pretrain.epochs must be 0 or more, got {self.epochs}")


@dataclass(frozen=True)
class DapiAugmentedConfig:
    """Mode dapi-augmented: this share of the cells is shown as DAPI at first, none from `until` of training on."""

    share: float = 0.5
    until: float = 0.6

    def __post_init__(self):
        if not (0 <= self.share <= 1 and 0 < self.until <= 1):
            raise ConfigError(
                f"dapi_augmented.share must be in [0, 1] and until in (0, 1], got {self.share}, {self.until}"
            )


@dataclass(frozen=True)
class TrainingConfig:
    """Optimisation.

    Args:
        steps_per_epoch: None is one pass over the cells.
        labelled_share: of a batch's cells, where unlabelled ones are learnt from as well. None is their share of the
            cells, so that all are shown equally often, but at least a tenth.
        label_budget: so many labelled training cells keep their label, None for all; to learn what labels are worth.
        patience: epochs without a better validation figure before training stops.
        weight_average: momentum of an exponential moving average of the weights, which is validated and kept in place
            of the last weights: 0.99 looks back some hundred steps, 0 none.
        precision: of the layers' arithmetic: "float32", "bfloat16", "float16" (with loss scaling), or "auto": what is
            fastest on this machine, measured once. Weights and what is saved are float32 in any case.
    """

    epochs: int = 60
    steps_per_epoch: int | None = None
    batch_size: int = 32
    labelled_share: float | None = None
    label_budget: int | None = None
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup: float = 0.1
    weight_average: float = 0.0
    patience: int = 15
    monitor: str = "val_auroc"
    class_weights: str = "balanced"
    precision: str = "auto"
    cache_mb: int = 1024

    def __post_init__(self):
        if self.epochs < 1 or self.batch_size < 1 or self.patience < 1:
            raise ConfigError("training.epochs, batch_size and patience must be at least 1")
        if self.steps_per_epoch is not None and self.steps_per_epoch < 1:
            raise ConfigError(f"training.steps_per_epoch must be at least 1, got {self.steps_per_epoch}")
        if self.labelled_share is not None and not 0 < self.labelled_share <= 1:
            raise ConfigError(f"training.labelled_share must be in (0, 1], got {self.labelled_share}")
        if self.monitor not in ("val_auroc", "val_loss"):
            raise ConfigError(f"training.monitor must be val_auroc or val_loss, got {self.monitor!r}")
        if not 0 < self.learning_rate < math.inf or not 0 <= self.warmup < 1:
            raise ConfigError("training.learning_rate must be above 0 and warmup in [0, 1)")
        if not 0 <= self.weight_average < 1:
            raise ConfigError(f"training.weight_average must be in [0, 1), got {self.weight_average}")
        if not 0 <= self.weight_decay < 1:
            raise ConfigError(f"training.weight_decay must be in [0, 1), got {self.weight_decay}")
        if self.class_weights not in ("balanced", "none"):
            raise ConfigError(f"training.class_weights must be balanced or none, got {self.class_weights!r}")
        if self.precision not in ("auto", "float32", "bfloat16", "float16"):
            raise ConfigError(f"training.precision must be auto, float32, bfloat16 or float16, got {self.precision!r}")


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run, the seed included.

    Args:
        data: path of the manifest.
        mode: one of `MODES`.
        augment: operations of the augmentation policy by name, each with its strengths; None is the default policy.
    """

    data: str = ""
    seed: int = 0
    mode: str = "distilled"
    split: SplitConfig = SplitConfig()
    augment: Parts | None = None
    student: ModelConfig = ModelConfig()
    teacher: ModelConfig = ModelConfig(channels=(BRIGHTFIELD, DAPI))
    distill: DistillConfig = DistillConfig()
    pretrain: PretrainConfig = PretrainConfig()
    dapi_augmented: DapiAugmentedConfig = DapiAugmentedConfig()
    training: TrainingConfig = TrainingConfig()

    def __post_init__(self):
        if self.mode not in MODES:
            raise ConfigError(f"mode must be one of {', '.join(MODES)}, got {self.mode!r}")
        if self.mode == "distilled" and DAPI not in self.teacher.channels:
            raise ConfigError(
                f"the teacher of mode distilled sees {DAPI}, got teacher.channels {list(self.teacher.channels)}",
                fix="a teacher that sees bright-field alone is mode self-training",
            )
        if self.taught_by and self.training.batch_size < 2:
            raise ConfigError(f"training.batch_size must be at least 2 in mode {self.mode}, for unlabelled cells too")
        if self.student.channels != (BRIGHTFIELD,):
            raise ConfigError(f"the student sees {BRIGHTFIELD} alone, got {list(self.student.channels)}")
        if self.pretrain.epochs and self.mode in ("brightfield", "self-training"):
            raise ConfigError(
                f"mode {self.mode} shows no DAPI, so pretrain.epochs must be 0, got {self.pretrain.epochs}"
            )
        if not 0 <= self.seed < 2**31:
            raise ConfigError(f"seed must be 0 to 2^31 - 1, got {self.seed}")

    @property
    def taught_by(self) -> ModelConfig | None:
        """The teacher that the mode is meant for, None where there is none."""
        if self.mode == "self-training":
            return replace(self.teacher, channels=(BRIGHTFIELD,))
        return self.teacher if self.mode == "distilled" else None


def to_dict(value: Any) -> Any:
    """A dataclass as plain JSON values; tuples become lists."""
    if dataclasses.is_dataclass(value):
        return {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_dict(v) for k, v in value.items()}
    return [to_dict(v) for v in value] if isinstance(value, list | tuple) else value


def from_dict(kind: type[T], values: Any, where: str = "", default: T | None = None) -> T:
    """Builds dataclass `kind` from plain values; a key left out has the value that `default` has, or the class's own.

    Raises:
        ConfigError: an unknown key (the known ones are listed), a missing one, or a value of another type.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where or kind.__name__} must be a table of keys, got {values!r}")
    known = {f.name: f for f in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    for key in values:
        if key not in known:
            raise ConfigError(f"unknown key {where}{key}", fix=f"known keys: {', '.join(known)}")
    defaults = {name: f.default for name, f in known.items()}
    for name, f in known.items():
        if default is not None:
            defaults[name] = getattr(default, name)
        elif name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise ConfigError(f"missing key {where}{name}")
    given = {key: _convert(hints[key], value, f"{where}{key}", defaults[key]) for key, value in values.items()}
    return kind(**given) if default is None else replace(default, **given)


def _convert(hint: Any, value: Any, where: str, default: Any = None) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return from_dict(hint, value, f"{where}.", default if isinstance(default, hint) else None)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        return _convert(next(a for a in arguments if a is not type(None)), value, where)
    if origin is tuple and isinstance(value, list | tuple):
        items = arguments[:1] * len(value) if arguments[-1:] == (...,) else arguments
        if len(items) == len(value):
            return tuple(_convert(a, v, where) for a, v in zip(items, value, strict=True))
    if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, Mapping):
        return {str(k): _convert(arguments[1], v, f"{where}.{k}") for k, v in value.items()}
    if hint is Any:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(hint, type) and isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    if origin is tuple:
        name = "a list" if arguments[-1:] == (...,) else f"a list of {len(arguments)}"
    else:
        name = hint.__name__ if origin is None else "a table"
    raise ConfigError(f"{where} must be {name}, got {value!r}")


def load(kind: type[T], path: str | Path) -> T:
    """Reads `kind` from a .json or .toml file."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        values = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except FileNotFoundError:
        raise ConfigError("no such file", path=path) from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"cannot be read ({error})", path=path, fix="JSON or TOML is expected") from None
    try:
        return from_dict(kind, values)
    except TfctcError as error:
        raise type(error)(error.problem, path=path, fix=error.fix) from None


def with_changes(values: Any, changes: Mapping[str, Any], where: str = "") -> Any:
    """Nested plain `values` with dotted keys set: {"training.epochs": 5} -> {"training": {"epochs": 5}}.

    Raises:
        ConfigError: a key below a value that is no table.
    """
    if not isinstance(values, Mapping):
        if where:
            name = where.removesuffix(".")
            raise ConfigError(f"{name} is {values!r}, not a table: {where}{next(iter(changes))} cannot be set")
        return values
    values = dict(values)
    for dotted, value in changes.items():
        head, _, tail = dotted.partition(".")
        below = {} if values.get(head) is None else values[head]
        values[head] = with_changes(below, {tail: value}, f"{where}{head}.") if tail else value
    return values


def parse_assignment(text: str) -> tuple[str, Any]:
    """``key=value`` from a command line; the value is JSON where it parses as such, else a string."""
    key, sign, value = text.partition("=")
    if not (key and sign):
        raise ConfigError(f"expected key=value, got {text!r}", fix="for example training.epochs=20")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
