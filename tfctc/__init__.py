"""Train with DAPI, run on bright-field: circulating tumor cells against leukocytes."""

from tfctc._version import __version__
from tfctc.cells import Cell, DatasetFacts
from tfctc.errors import TfctcError

__all__ = ["Cell", "DatasetFacts", "Predictor", "TfctcError", "__version__"]


def __getattr__(name: str):
    # LiteRT takes a while to load, and `tfctc --help` needs none of it.
    if name == "Predictor":
        from tfctc.inference.predictor import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
