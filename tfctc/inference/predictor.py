"""Predictor: one image in, one probability out, as on the instrument. No TensorFlow."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfctc.cells import DatasetFacts
from tfctc.config import from_dict
from tfctc.errors import ArtefactError, DependencyError, OutputError, TfctcError, UnknownNameError
from tfctc.inference.quality import FAULTS, describe_quality
from tfctc.io.images import as_declared, read_channel, to_unit
from tfctc.io.record import read_record
from tfctc.runtime import load


class Prediction(NamedTuple):
    """Prediction for one cell.

    Attributes:
        probability: probability of the positive class, in [0, 1].
        label: class by the threshold.
        quality: "ok", or the faults of the image (`tfctc.inference.quality`): the model may have seen none like it.
    """

    probability: float
    label: str
    quality: str


class Predictor:
    """A .tflite file that `tfctc export` wrote, ready to predict. Not to be shared between threads.

        predictor = Predictor("exports/ctc/1/model_int8.tflite")
        probability, label, quality = predictor("cell_0001_BF.tif")

    Attributes: `path`, `threads`, `runtime`, `record` (the file's description of itself), `facts` (of the images it
    takes), `threshold`, `model_version`.

    Args:
        path: path of the file.
        threads: threads for one image; None leaves them to the runtime.
        runtime: name of a runtime, one of `tfctc.runtime.RUNTIMES`.

    Raises:
        ArtefactError: not a file of tfctc, or no longer as written.
        UnknownNameError, DependencyError: there is no such runtime, or it is not installed.
        OutputError: OpenVINO has no room for its temporary file.
    """

    def __init__(self, path: str | Path, threads: int | None = None, runtime: str = "litert"):
        self.path, self.threads, self.runtime = Path(path), threads, runtime
        flatbuffer, self.record = read_record(path)
        try:
            self.facts = from_dict(DatasetFacts, self.record["dataset"])
            self.threshold = float(self.record["operating_point"]["threshold"])
            self._limits: dict[str, tuple[float, ...]] = {
                name: tuple(map(float, ends)) for name, ends in self.record["quality"].items()
            }
            if not set(self._limits) <= set(FAULTS) or not all(len(ends) == 2 for ends in self._limits.values()):
                raise ValueError(f"quality limits {self.record['quality']}")
            self.model_version = str(self.record["model_version"])
            self._run = load(flatbuffer, threads, runtime)
        except (DependencyError, OutputError, UnknownNameError):
            raise
        except (AttributeError, KeyError, TypeError, ValueError, TfctcError) as error:
            problem = f"cannot be used ({type(error).__name__}: {str(error)[:200]})"
            raise ArtefactError(problem, path=path, fix="export the model again") from None

    def __call__(self, image: str | Path | np.ndarray, threshold: float | None = None) -> Prediction:
        """Predicts one bright-field image: a file, or its unsigned pixels ``(H, W)`` or ``(H, W, 1)``.

        Args:
            threshold: threshold of the probability; None for the model's own.

        Raises:
            ImageError: not a grey image of the size, pixel type and bit depth that the model was trained on.
        """
        if isinstance(image, str | Path):
            pixels = read_channel(image, self.facts)
        else:
            pixels = as_declared(np.asarray(image), self.facts)
        unit = to_unit(pixels, self.facts)
        probability = float(self._run(unit[np.newaxis])[0])
        return Prediction(probability, self.label(probability, threshold), describe_quality(unit, self._limits))

    def label(self, probability: float, threshold: float | None = None) -> str:
        """The class name: the positive one at `threshold` (the model's own if None) or above."""
        limit = self.threshold if threshold is None else threshold
        return self.facts.positive if probability >= limit else self.facts.negative
