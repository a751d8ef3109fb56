"""One image in, one probability out, on LiteRT. What runs on the instrument: no TensorFlow."""

from pathlib import Path

import numpy as np

from tfctc.artefact import unseal
from tfctc.cells import DatasetFacts
from tfctc.config import from_dict
from tfctc.errors import ArtefactError, TfctcError
from tfctc.images import read_channel, to_unit
from tfctc.runtime import Runtime


class Predictor:
    """A .tflite file that `tfctc export` wrote, ready to answer. Not to be shared between threads.

    Attributes: `record` (what the file says of itself), `facts` (of the images it takes), `threshold`, `model_version`.

    Args:
        path: the file.
        threads: for one image; None leaves it to LiteRT.

    Raises:
        ArtefactError: not such a file, or no longer what was written.
    """

    def __init__(self, path: str | Path, threads: int | None = None):
        flatbuffer, self.record = unseal(path)
        try:
            self.facts = from_dict(DatasetFacts, self.record["dataset"])
            self.threshold = float(self.record["operating_point"]["threshold"])
            self.model_version = str(self.record["model_version"])
            self._runtime = Runtime(flatbuffer, threads)
        except (KeyError, TypeError, ValueError, TfctcError) as error:
            problem = f"cannot be used ({type(error).__name__}: {str(error)[:200]})"
            raise ArtefactError(problem, path=path, fix="export the model again") from None

    def predict_file(self, path: str | Path) -> float:
        """Probability of the positive class for one bright-field image file.

        Raises:
            ImageError: not a grey image of the size and bit depth that the model was trained on.
        """
        return self.predict_one(read_channel(path, self.facts))

    def predict_one(self, pixels: np.ndarray) -> float:
        """Probability of the positive class for unsigned pixels ``(H, W, 1)``, 0 to the declared full scale."""
        return float(self._runtime(to_unit(pixels, self.facts)[np.newaxis])[0])

    def label(self, probability: float, threshold: float | None = None) -> str:
        """The class name: the positive one at `threshold` (the model's own if None) or above."""
        limit = self.threshold if threshold is None else threshold
        return self.facts.positive if probability >= limit else self.facts.negative
