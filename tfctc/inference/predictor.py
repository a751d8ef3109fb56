"""Predictor: one image in, one probability out, as on the instrument. It needs no TensorFlow."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfctc.cells import BRIGHTFIELD, OTHER, DatasetFacts, is_other
from tfctc.config import from_dict
from tfctc.errors import ArtefactError, DependencyError, OutputError, TfctcError, UnknownNameError
from tfctc.inference.prior import PriorShift
from tfctc.inference.scale import Scale
from tfctc.io.images import fit_to_facts, to_unit
from tfctc.io.naming import Names, named_planes, plain
from tfctc.io.pixels import plane_names, read_plane
from tfctc.io.record import read_record
from tfctc.quality import describe_quality, read_quality
from tfctc.runtime import load_network


class Prediction(NamedTuple):
    """Prediction for one cell.

    Attributes:
        probability: probability of the positive class, in [0, 1].
        call: name of the class: the positive one if the probability is the threshold or higher; else the negative one,
            or "other" if the model has this class and it is the more probable of the two.
        quality: "ok", or the faults of an image that is unlike the training images (`tfctc.quality`).
    """

    probability: float
    call: str
    quality: str


class Predictor:
    """A model in a .tflite file that `tfctc export` wrote. Threads cannot share a predictor.

    Args:
        path: path of the file.
        threads: number of threads for one image; None leaves the choice to the runtime.
        runtime: name of a runtime, one of `tfctc.runtime.RUNTIMES`.
        mpp: micrometres per pixel of the images; None takes what their files declare, else those of the model.
        rescale: whether images of another scale are rescaled to that of the model; otherwise they are refused.
        prevalence: share of positive cells among the cells to predict, in (0, 1), to which the probabilities and the
            model's threshold are shifted; labels do not change. None for that of the calibration.

    Attributes:
        path: path of the file.
        threads: number of threads for one image, or None.
        runtime: name of the runtime.
        record: description of the model, from the file.
        facts: facts of the images that the model takes: size, bit depth, classes.
        naming: names of image files and of their planes, at first those of the training images; may be set; None if
            they are not known.
        scale: check of the scale of the images.
        prior: shift of the probability to `prevalence`.
        threshold: the model's threshold of the (shifted) probability.
        model_version: name, version and hash of the model's weights.

    Raises:
        ArtefactError: a file that tfctc did not write, or that has changed since then.
        UnknownNameError, DependencyError: a runtime that is not known, or not installed.
        OutputError: no space for the temporary file that OpenVINO needs.
        ConfigError: `mpp` is not that of the model, and `rescale` is not set; or `prevalence` is given and the
            probability of the file is not calibrated.

    Example:
        >>> predictor = Predictor("exports/ctc/1/model_int8.tflite")
        >>> probability, call, quality = predictor("cell_0001_BF.tif")
    """

    def __init__(
        self,
        path: str | Path,
        threads: int | None = None,
        runtime: str = "litert",
        *,
        mpp: float | None = None,
        rescale: bool = False,
        prevalence: float | None = None,
    ):
        self.path, self.threads, self.runtime = Path(path), threads, runtime
        flatbuffer, self.record = read_record(path)
        try:
            self.facts = from_dict(DatasetFacts, self.record["dataset"])
            self._threshold = float(self.record["operating_point"]["threshold"])
            self._quality = read_quality(self.record["quality"])
            self.model_version = str(self.record["model_version"])
            self._run = load_network(flatbuffer, threads, runtime)
        except (DependencyError, OutputError, UnknownNameError):
            raise
        except (AttributeError, KeyError, TypeError, ValueError, TfctcError) as error:
            problem = f"cannot be used ({type(error).__name__}: {str(error)[:200]})"
            raise ArtefactError(problem, path=path, fix="export the model again") from None
        self.scale, self.naming = Scale(self.facts, mpp, rescale), self.facts.naming
        self.prior = PriorShift.to(prevalence, self.record)

    @property
    def threshold(self) -> float:
        """The model's threshold of the (shifted) probability."""
        return self.prior(self._threshold)

    def __call__(
        self,
        image: str | Path | np.ndarray,
        threshold: float | None = None,
        plane: int | None = None,
        mpp: float | None = None,
    ) -> Prediction:
        """Prediction for one bright-field image.

        Args:
            image: path of an image file, or unsigned integer pixels ``(H, W)`` or ``(H, W, 1)``.
            threshold: threshold of the (shifted) probability; None for the model's own.
            plane: number of the plane in a file that holds several; None finds bright-field by `naming`.
            mpp: micrometres per pixel of this image; None takes what its file declares.

        Raises:
            ImageError: an image that cannot be read, or whose size, pixel type, bit depth or scale is not that of the
                training images.
        """
        if isinstance(image, str | Path):
            found = read_plane(image, self._plane(Path(image)) if plane is None else plane)
            pixels = fit_to_facts(self.scale.apply(found.pixels, mpp or found.mpp, image), self.facts, image)
        else:
            pixels = fit_to_facts(self.scale.apply(np.asarray(image), mpp, "image"), self.facts)
        return self.classify(to_unit(pixels, self.facts), threshold)

    def classify(self, unit: np.ndarray, threshold: float | None = None) -> Prediction:
        """Prediction for an image that has been read: float32 ``(H, W, 1)`` in [0, 1] of the model's size."""
        outputs = self.probabilities(unit)
        own = float(outputs[1] if self.facts.other else outputs[0])
        # Without a threshold, from the numbers before the shift: near 1 two shifted ones may be rounded to the same.
        is_positive = own >= self._threshold if threshold is None else self.prior(own) >= threshold
        below = OTHER if self.facts.other and is_other(outputs) else self.facts.negative
        call = self.facts.positive if is_positive else below
        return Prediction(self.prior(own), call, self.quality(unit))

    def probabilities(self, unit: np.ndarray) -> np.ndarray:
        """The network's own output for one image, before the shift to a prevalence.

        Args:
            unit: float32 ``(H, W, 1)`` in [0, 1] of the model's size.

        Returns:
            float32 ``(1,)``: the probability of the positive class. Of a model with a class other ``(3,)``: of each
            class, in the order of `facts.labels`.
        """
        return self._run(unit[np.newaxis]).reshape(-1)

    def quality(self, unit: np.ndarray) -> str:
        """Quality of one image, float32 ``(H, W, 1)`` in [0, 1], as of `Prediction`."""
        return describe_quality(unit, self._quality)

    def _plane(self, path: Path) -> int | None:
        """Number of the bright-field plane of a file by the naming; None for a file with one plane that may be it."""
        naming = self.naming
        if naming is None or not (naming.channels or naming.planes == "channels"):
            return None
        titles, names = plane_names(path), Names(naming)
        if len(titles) == 1 and names.channels.get(plain(titles[0]), BRIGHTFIELD) == BRIGHTFIELD:
            return None  # A packed image, or one that the instrument saved alone.
        return named_planes(path, titles, names)[BRIGHTFIELD]
