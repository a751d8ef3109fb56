"""Base class of the checks, and their registry."""

from typing import Any

from tfctc.data.inspect.images import CellImages
from tfctc.data.inspect.section import Section
from tfctc.data.inspect.survey import Survey
from tfctc.registry import Registry


class Check:
    """One check of an inspection. Its instances have no state."""

    def measure(self, cell: CellImages) -> dict[str, Any]:
        """Numbers of one cell by name: scalars, or arrays of a fixed shape; NaN where there is none.

        Names of all checks must differ. The names and shapes must be the same for every cell.
        """
        return {}

    def section(self, survey: Survey) -> Section:
        """Section about all cells, from the numbers of `measure` in `survey.values`."""
        raise NotImplementedError


CHECKS: Registry[type[Check]] = Registry("check", package="tfctc.data.inspect")
