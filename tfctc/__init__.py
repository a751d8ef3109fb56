"""Train with DAPI, run on bright-field: circulating tumor cells against leukocytes."""

from tfctc._version import __version__
from tfctc.cells import Cell, DatasetFacts
from tfctc.errors import TfctcError

__all__ = ["Cell", "DatasetFacts", "TfctcError", "__version__"]
