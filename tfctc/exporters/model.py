"""The model that is exported, and its record, which is part of every exported file."""

import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import keras

from tfctc._version import __version__
from tfctc.cells import BRIGHTFIELD, DatasetFacts
from tfctc.config import to_dict
from tfctc.errors import ConfigError
from tfctc.io.record import SCHEMA
from tfctc.models.weights import weights_sha256

LIBRARIES = ("tensorflow", "keras", "ai-edge-litert", "numpy")


def model_name(run: str) -> str:
    """A valid model name from the name of a run: other characters become hyphens; "model" if none is left."""
    inner = re.sub(r"^[^A-Za-z0-9]+|[^A-Za-z0-9_.-]+$", "", run)
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", inner) or "model"


def preprocessing(facts: DatasetFacts) -> str:
    """Words for the way from an image to the network's input: type, size, scale."""
    height, width = facts.image_size
    size = f"{height} x {width} px"
    if facts.crop_or_pad:
        size = (
            f"any size, cropped or padded around its middle to {size} with the lower median of its outermost pixels, "
            "never resized"
        )
    scale = "" if facts.mpp is None else f", at {facts.mpp:g} micrometres per pixel"
    unit = f"grey {facts.dtype} pixels / {facts.full_scale} as float32"
    return f"{unit}, {size}{scale}, never scaled by an image's own range"


@dataclass(frozen=True)
class TrainedModel:
    """A trained bright-field-only model, with everything that is needed to use it.

    Args:
        model: ``brightfield`` float32 ``(B, H, W, 1)`` in [0, 1] -> logits ``(B, K)``, negative class first.
        name: name of the model, and of its folder.
        facts: facts of the data set it was trained on.
        operating_point: `threshold`, and its origin: `rule` and `chosen_on`.
        evaluation: content of evaluation.json; None if the run has not been evaluated.
        training: facts of the run for the record: name, mode, seed, numbers of cells.
        training_cells: fingerprints of the patients and images of the training, for `TRAINING_CELLS`; empty for none.
        quality: density of the training images, as `tfctc.exporters.quality_model.learn_quality` returns it.
        calibration: facts of the calibration that `model` contains: scale, bias, and the prevalence of the cells it was
            fitted on; None if the probability is not calibrated.
        trained_sha256: SHA-256 of the weights as they were trained, where calibration has changed those of `model`.

    Raises:
        ConfigError: a name that no model can have, or a model with other inputs than bright-field.
    """

    model: keras.Model
    name: str
    facts: DatasetFacts
    operating_point: Mapping[str, Any]
    evaluation: Mapping[str, Any] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    training_cells: bytes = b""
    quality: Mapping[str, Any] = field(default_factory=dict)
    calibration: Mapping[str, Any] | None = None
    trained_sha256: str | None = None

    def __post_init__(self):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", self.name):
            problem = (
                f"a model name must be letters, digits, - _ and ., and begin with a letter or digit, got {self.name!r}"
            )
            raise ConfigError(problem, fix="give another --name")
        if set(self.model.input) != {BRIGHTFIELD}:
            raise ConfigError(f"only a {BRIGHTFIELD}-only model can be exported, got inputs {sorted(self.model.input)}")

    @property
    def threshold(self) -> float:
        """Threshold of the probability."""
        return self.operating_point["threshold"]

    @property
    def rates(self) -> Mapping[str, float] | None:
        """Sensitivity and false-positive rate by the evaluation; None without one at the threshold of the model."""
        rates = (self.evaluation or {}).get("rates")
        return dict(rates) if rates and rates["threshold"] == self.threshold else None

    @cached_property
    def weights_sha256(self) -> str:
        """SHA-256 of the weights as they were trained."""
        return self.trained_sha256 or weights_sha256(self.model)

    def record(self, version: int) -> dict[str, Any]:
        """Description of the model as plain JSON values; the same in every file of one version."""
        facts = self.facts
        return {
            "schema": SCHEMA,
            "name": self.name,
            "version": version,
            "model_version": f"{self.name}/{version}+{self.weights_sha256[:12]}",
            "classes": list(facts.labels),
            "positive": facts.positive,
            "operating_point": dict(self.operating_point),
            "calibration": None if self.calibration is None else dict(self.calibration),
            # By way of asdict: to_dict leaves out defaults that the file of the facts did not name.
            "dataset": to_dict(asdict(facts)),
            "input": BRIGHTFIELD,
            "preprocessing": preprocessing(facts),
            "quality": to_dict(self.quality),
            "simulated": facts.simulated,
            "weights_sha256": self.weights_sha256,
            "training": dict(self.training),
            "rates": self.rates,
            "tfctc": __version__,
            "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES},
        }
