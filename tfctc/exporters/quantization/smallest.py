"""Choice of the smallest TFLite file whose loss of F1 is within a bound: `--quantize auto`."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfctc.errors import ExportError
from tfctc.exporters import parity
from tfctc.exporters.documents import f1_lost
from tfctc.exporters.litert import PRECISIONS, convert
from tfctc.exporters.model import TrainedModel

log = logging.getLogger(__name__)


def smallest_precision(
    trained: TrainedModel,
    images: np.ndarray,
    calibration: Sequence[np.ndarray],
    loss: Callable[[np.ndarray, np.ndarray], dict[str, float]],
    bound: float,
) -> tuple[str, dict[str, Any]]:
    """Converts to every precision and chooses the smallest file whose loss is within `bound`, its interval included.

    Args:
        trained: the model.
        images: labelled images of the validation split, float32 ``(N, H, W, 1)`` in [0, 1].
        calibration: calibration images, as for `convert`.
        loss: function from the probabilities of Keras and of a file, ``(N,)`` each, to "value", "low" and "high" of the
            F1 lost.
        bound: largest loss of F1 at the upper end of its interval.

    Returns:
        A key of `PRECISIONS`, and an entry for the manifest: the bound, and for every file its bytes, its loss and
        whether that is within the bound, or the reason why it cannot be used.

    Raises:
        ExportError: no precision keeps the loss within the bound.
        SplitError: `loss` has no interval, because all cells are of one patient.
    """
    expected, parameters = parity.keras_probabilities(trained.model, images), trained.model.count_params()
    # Raises an error here, before the slow conversions, if no loss can be computed for these cells.
    loss(parity.positive(expected), parity.positive(expected))
    tried: dict[str, dict[str, Any]] = {}
    for precision, artefact in PRECISIONS.items():
        log.info("Trying %s ...", artefact)
        entry: dict[str, Any] = {}
        try:
            flatbuffer = convert(trained.model, trained.facts, precision, calibration)
            found, entry["bytes"] = parity.run_tflite(flatbuffer, images), len(flatbuffer)
            parity.check(artefact, len(flatbuffer), parameters, found, expected, trained.threshold)
            entry["loss"] = loss(parity.positive(expected), parity.positive(found))
            entry["within"] = entry["loss"]["high"] <= bound
            outcome = f"F1 lost {f1_lost(entry['loss'])}"
        except ExportError as error:
            entry |= {"within": False, "problem": error.problem}
            outcome = error.problem
        tried[precision] = entry
        size = f"{entry['bytes']:,} bytes, " if "bytes" in entry else ""
        log.info("  %s%s: %s %g", size, outcome, "within" if entry["within"] else "not within", bound)
    fit = [precision for precision, entry in tried.items() if entry["within"]]
    if not fit:
        raise ExportError(f"no precision keeps the loss of F1 within {bound:g}", fix="allow more with --f1-bound")
    chosen = min(fit, key=lambda precision: tried[precision]["bytes"])
    return chosen, {"bound": bound, "chosen": PRECISIONS[chosen], "tried": {PRECISIONS[p]: e for p, e in tried.items()}}
