"""The whole of a run as data: frozen dataclasses <-> one JSON or TOML file saved beside the weights."""

import dataclasses
import json
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI
from tfctc.errors import ConfigError

T = TypeVar("T")
#: Name of a registered thing -> its arguments. Checked by the registry that owns the name.
Parts = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class SplitConfig:
    """How patients are dealt. `by` is the manifest column that must never straddle two splits."""

    by: str = "patient_id"
    validation: float = 0.2
    test: float = 0.2

    def __post_init__(self):
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


@dataclass(frozen=True)
class DistillConfig:
    """Weights of the student's own loss and of each registered distillation loss (its `weight` among its arguments)."""

    student_weight: float = 1.0
    losses: Parts = field(default_factory=lambda: {"logits": {"weight": 1.0, "temperature": 2.0}})


@dataclass(frozen=True)
class TrainingConfig:
    """Optimisation.

    Args:
        patience: epochs without a better validation figure before training stops.
        precision: of the layers' arithmetic: "float32", "bfloat16", "float16" (with loss scaling), or "auto": what is
            fastest on this machine, measured once. Weights and what is saved are float32 in any case.
    """

    epochs: int = 60
    batch_size: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    warmup: float = 0.1
    patience: int = 15
    monitor: str = "val_auroc"
    class_weights: str = "balanced"
    precision: str = "auto"
    cache_mb: int = 1024

    def __post_init__(self):
        if self.epochs < 1 or self.batch_size < 1 or self.patience < 1:
            raise ConfigError("training.epochs, batch_size and patience must be at least 1")
        if not self.learning_rate > 0 or not 0 <= self.warmup < 1:
            raise ConfigError("training.learning_rate must be above 0 and warmup in [0, 1)")
        if self.class_weights not in ("balanced", "none"):
            raise ConfigError(f"training.class_weights must be balanced or none, got {self.class_weights!r}")
        if self.precision not in ("auto", "float32", "bfloat16", "float16"):
            raise ConfigError(f"training.precision must be auto, float32, bfloat16 or float16, got {self.precision!r}")


@dataclass(frozen=True)
class RunConfig:
    """Everything that decides a run, the seed included.

    Args:
        data: path of the manifest.
        mode: "distilled" (teacher, then student) or "brightfield" (no DAPI anywhere).
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
    training: TrainingConfig = TrainingConfig()

    def __post_init__(self):
        if self.mode not in ("distilled", "brightfield"):
            raise ConfigError(f"mode must be distilled or brightfield, got {self.mode!r}")
        if self.student.channels != (BRIGHTFIELD,):
            raise ConfigError(f"the student sees {BRIGHTFIELD} alone, got {list(self.student.channels)}")
        if not 0 <= self.seed < 2**31:
            raise ConfigError(f"seed must be 0 to 2^31 - 1, got {self.seed}")


def to_dict(value: Any) -> Any:
    """A dataclass as plain JSON values; tuples become lists."""
    if dataclasses.is_dataclass(value):
        return {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(k): to_dict(v) for k, v in value.items()}
    return [to_dict(v) for v in value] if isinstance(value, list | tuple) else value


def from_dict(kind: type[T], values: Any, where: str = "") -> T:
    """Builds dataclass `kind` from plain values.

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
    for name, f in known.items():
        if name not in values and f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise ConfigError(f"missing key {where}{name}")
    return kind(**{key: _convert(hints[key], value, f"{where}{key}") for key, value in values.items()})


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if dataclasses.is_dataclass(hint):
        return from_dict(hint, value, f"{where}.")
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
    name = hint.__name__ if isinstance(hint, type) and origin is None else str(hint)
    raise ConfigError(f"{where} must be {name}, got {value!r}")


def load(kind: type[T], path: str | Path, changes: Mapping[str, Any] | None = None) -> T:
    """Reads `kind` from a .json or .toml file; `changes` ("training.epochs" -> 5) win over what the file says."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except FileNotFoundError:
        raise ConfigError("no such file", path=path) from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise ConfigError(f"cannot be read ({error})", path=path, fix="JSON or TOML is expected") from None
    try:
        return from_dict(kind, with_changes(values, changes or {}))
    except ConfigError as error:
        raise ConfigError(error.problem, path=path, fix=error.fix) from None


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
