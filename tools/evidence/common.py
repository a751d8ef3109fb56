"""Parts that all checks share: an error, a log, and functions of the benchmarks."""

import logging
import sys
from pathlib import Path

#: Root folder of the repository.
ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tools" / "benchmarks"))

from benchmark import machine, measure, with_interval  # noqa: E402

__all__ = ["ROOT", "CheckError", "log", "machine", "measure", "with_interval"]

#: Log of the checks; its lines are printed while a check runs.
log = logging.getLogger("evidence")


class CheckError(Exception):
    """A check that cannot be carried out; the message is one line."""
