"""Which TFLite file is the smallest that is as good as the model it comes from."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tfctc.errors import ExportError
from tfctc.export import parity
from tfctc.export.card import f1_lost
from tfctc.export.litert import PRECISIONS, convert
from tfctc.export.subject import Subject


def smallest_precision(
    subject: Subject,
    images: np.ndarray,
    calibration: Sequence[np.ndarray],
    loss: Callable[[np.ndarray, np.ndarray], dict[str, float]],
    bound: float,
    say: Callable[[str], None] = print,
) -> tuple[str, dict[str, Any]]:
    """Converts to every precision and takes the smallest file whose loss is within `bound`, its interval included.

    Args:
        images: labelled ones of the validation split, float32 ``(N, H, W, 1)`` in [0, 1].
        calibration: as `convert` takes them.
        loss: Keras's probabilities ``(N,)`` and a file's, to {"value", "low", "high"}: how much of a figure is lost.

    Returns:
        A key of `PRECISIONS`, and for the manifest: the bound, and of every artefact its bytes, loss, and whether it
        is within the bound, or why it is out of the question.

    Raises:
        ExportError: none is.
        SplitError: `loss` cannot tell, of cells of one patient.
    """
    expected, parameters = parity.reference(subject.model, images), subject.model.count_params()
    # Cells of which no loss can be told are refused here, before anything is converted.
    loss(expected, expected)
    tried: dict[str, dict[str, Any]] = {}
    for precision, artefact in PRECISIONS.items():
        say(f"Trying {artefact} ...")
        entry: dict[str, Any] = {}
        try:
            flatbuffer = convert(subject.model, subject.facts, precision, calibration)
            answers, entry["bytes"] = parity.run_tflite(flatbuffer, images), len(flatbuffer)
            parity.check(artefact, len(flatbuffer), parameters, answers, expected, subject.threshold)
            entry["loss"] = loss(expected, answers)
            entry["within"] = entry["loss"]["high"] <= bound
            found = f"F1 lost {f1_lost(entry['loss'])}"
        except ExportError as error:
            entry |= {"within": False, "problem": error.problem}
            found = error.problem
        tried[precision] = entry
        size = f"{entry['bytes']:,} bytes, " if "bytes" in entry else ""
        say(f"  {size}{found}: {'within' if entry['within'] else 'not within'} {bound:g}")
    fit = [precision for precision, entry in tried.items() if entry["within"]]
    if not fit:
        raise ExportError(f"no precision keeps the loss of F1 within {bound:g}", fix="allow more with --f1-bound")
    chosen = min(fit, key=lambda precision: tried[precision]["bytes"])
    return chosen, {"bound": bound, "chosen": PRECISIONS[chosen], "tried": {PRECISIONS[p]: e for p, e in tried.items()}}
