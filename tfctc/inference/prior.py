"""Shift of a calibrated probability to another prevalence, by Bayes' rule."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from tfctc.errors import ConfigError

#: Largest shift downwards, so that its exponential is a finite number.
LARGEST = 700.0
REMEDY = "leave out --prevalence, or train again with tfctc fit and export the new run"


@dataclass(frozen=True)
class PriorShift:
    """Shift of the log-odds by ``logit(prevalence) - logit(prevalence of the calibration)`` (Saerens et al. 2002).

    It assumes that the positive cells look alike at both prevalences, and so do the negative ones.

    Args:
        log_odds: the shift; 0 changes nothing.
        prevalence: the prevalence that the probabilities hold at afterwards; None for the calibration's own.
    """

    log_odds: float = 0.0
    prevalence: float | None = None

    @classmethod
    def to(cls, prevalence: float | None, record: Mapping[str, Any]) -> Self:
        """The shift from the prevalence in the record of an exported file; none if `prevalence` is None.

        Raises:
            ConfigError: a prevalence that is not between 0 and 1, or a file whose probability is not calibrated.
        """
        if prevalence is None:
            return cls()
        if not 0 < prevalence < 1:
            raise ConfigError(f"a prevalence must be between 0 and 1, got {prevalence}")
        own = (record.get("calibration") or {}).get("prevalence")
        if own is None:
            problem = "the probability of this file is not calibrated, so it cannot be shifted to a prevalence"
            raise ConfigError(problem, fix=REMEDY)
        return cls(_logit(prevalence) - _logit(float(own)), prevalence)

    def __call__(self, probability: float) -> float:
        """The shifted probability, in [0, 1].

        Each operation keeps the order of its operands. So of two probabilities, the higher one stays at least as high.
        """
        if not self.log_odds or not 0 < probability < 1:
            return probability
        return 1 / (1 + (1 - probability) / probability * math.exp(min(-self.log_odds, LARGEST)))


def _logit(probability: float) -> float:
    return math.log(probability) - math.log1p(-probability)
