"""Classifier of single bright-field cell images: circulating tumor cell (CTC) or leukocyte; taught with DAPI.

Example:
    >>> import tfctc
    >>> run = tfctc.fit("cells", mode="distilled", backbone="compact")
    >>> print(run.evaluate())
    >>> version = run.export("exports", quantize="int8")
    >>> predictor = tfctc.Predictor(version.tflite[0])
    >>> probability, label, quality = predictor("cell_0001_BF.tif")
"""

import importlib
from typing import TYPE_CHECKING, Any

from tfctc._version import __version__
from tfctc.cells import Cell, DatasetFacts
from tfctc.errors import TfctcError

if TYPE_CHECKING:
    from tfctc.api.comparing import Comparison, compare
    from tfctc.api.evaluating import evaluate
    from tfctc.api.exporting import ExportedVersion, export
    from tfctc.api.fitting import fit
    from tfctc.api.importing import ImportedDataset, import_images
    from tfctc.api.inspecting import Inspection, inspect_dataset
    from tfctc.api.loading import load_dataset
    from tfctc.api.predicting import predict, watch
    from tfctc.api.reporting import write_report
    from tfctc.api.run import Run
    from tfctc.api.simulating import SimulatedDataset, simulate
    from tfctc.api.verifying import Verification, verify
    from tfctc.evaluation.cross_validation import CrossValidation
    from tfctc.evaluation.evaluate import Evaluation
    from tfctc.inference.predictor import Prediction, Predictor

#: Public name -> module that defines it. A module is imported at the first use of its name, so `tfctc --help` is fast.
_LAZY = {
    "Comparison": "tfctc.api.comparing",
    "CrossValidation": "tfctc.evaluation.cross_validation",
    "Evaluation": "tfctc.evaluation.evaluate",
    "ExportedVersion": "tfctc.api.exporting",
    "ImportedDataset": "tfctc.api.importing",
    "Inspection": "tfctc.api.inspecting",
    "Prediction": "tfctc.inference.predictor",
    "Predictor": "tfctc.inference.predictor",
    "Run": "tfctc.api.run",
    "SimulatedDataset": "tfctc.api.simulating",
    "Verification": "tfctc.api.verifying",
    "compare": "tfctc.api.comparing",
    "evaluate": "tfctc.api.evaluating",
    "export": "tfctc.api.exporting",
    "fit": "tfctc.api.fitting",
    "import_images": "tfctc.api.importing",
    "inspect_dataset": "tfctc.api.inspecting",
    "load_dataset": "tfctc.api.loading",
    "predict": "tfctc.api.predicting",
    "simulate": "tfctc.api.simulating",
    "verify": "tfctc.api.verifying",
    "watch": "tfctc.api.predicting",
    "write_report": "tfctc.api.reporting",
}

__all__ = [
    "Cell",
    "Comparison",
    "CrossValidation",
    "DatasetFacts",
    "Evaluation",
    "ExportedVersion",
    "ImportedDataset",
    "Inspection",
    "Prediction",
    "Predictor",
    "Run",
    "SimulatedDataset",
    "TfctcError",
    "Verification",
    "__version__",
    "compare",
    "evaluate",
    "export",
    "fit",
    "import_images",
    "inspect_dataset",
    "load_dataset",
    "predict",
    "simulate",
    "verify",
    "watch",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted(__all__)
