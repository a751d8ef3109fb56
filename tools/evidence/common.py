"""Shared by the checks: their error, their log, and what they have in common with the benchmarks."""

import logging
import sys
from pathlib import Path

#: The repository.
ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tools" / "benchmarks"))

from benchmark import machine, measure, with_interval  # noqa: E402

__all__ = ["ROOT", "CheckError", "log", "machine", "measure", "with_interval"]

#: Lines of a check that are printed while it works.
log = logging.getLogger("evidence")


class CheckError(Exception):
    """A check that cannot be carried out; the message is one line."""
