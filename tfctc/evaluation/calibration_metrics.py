"""Metrics of calibration: does a probability of 0.2 mean that one of five such cells is positive?"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit, xlog1py, xlogy
from scipy.stats import t

METRICS = ("brier_score", "log_loss", "calibration_slope", "calibration_intercept", "calibration_error")
#: Number of bins, which hold equally many cells.
BINS = 10
#: Probabilities are kept this far from 0 and 1 where their logarithm is taken: an int8 file gives exact zeros.
SMALLEST = 1e-7


def calibration_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Metrics of calibration of one set of predictions.

    Args:
        labels: ``(N,)`` 0 or 1.
        probabilities: ``(N,)`` probabilities of the positive class, in [0, 1].

    Returns:
        Each of `METRICS`. `brier_score` is the mean squared error (Brier 1950), `log_loss` the mean negative
        log-likelihood. `calibration_slope` and `calibration_intercept` come from logistic regressions of the label on
        the log-odds (Cox 1958, Van Calster et al. 2016): the slope is 1 if the probabilities are as extreme as they
        should be, below 1 if they are too extreme; the intercept, at slope 1, is 0 if their mean is right, above 0 if
        it is too low. Both are NaN where no finite value fits best. `calibration_error` is that of
        `expected_calibration_error`.
    """
    y, p = np.asarray(labels, np.float64), np.asarray(probabilities, np.float64)
    kept = np.clip(p, SMALLEST, 1 - SMALLEST)
    slope, intercept = _slope(y, logit(kept)), _intercept(y, logit(kept))
    values = (
        np.mean((p - y) ** 2),
        -np.mean(xlogy(y, kept) + xlog1py(1 - y, -kept)),
        slope,
        intercept,
        expected_calibration_error(y, p),
    )
    return {name: float(value) for name, value in zip(METRICS, values, strict=True)}


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray, bins: int = BINS) -> float:
    """Mean difference, over cells, of mean probability and share of positive cells in a bin (Naeini et al. 2015).

    The bins hold equally many cells, so that at a prevalence of 1:100 not all cells are in one. The error of exact
    probabilities is above 0, because the share in a bin varies by chance: it is about 0.8 of the standard error.

    Args:
        labels: ``(N,)`` 0 or 1.
        probabilities: ``(N,)`` probabilities of the positive class, in [0, 1].
        bins: number of bins.
    """
    y, p = np.asarray(labels, np.float64), np.asarray(probabilities, np.float64)
    counts, *sums = (np.bincount(_bins(p, bins), values, minlength=bins) for values in (np.ones_like(p), p, y))
    return float(np.abs(sums[0] - sums[1]).sum() / counts.sum())


@dataclass(frozen=True)
class ReliabilityPoint:
    """One bin of a reliability curve.

    Args:
        cells: number of cells.
        probability: their mean probability.
        share: share of positive cells.
        low, high: ends of the interval of the share; NaN if the cells are of one patient.
    """

    cells: int
    probability: float
    share: float
    low: float
    high: float


def reliability_curve(
    labels: np.ndarray, probabilities: np.ndarray, patients: np.ndarray, bins: int = BINS, level: float = 0.95
) -> list[ReliabilityPoint]:
    """Share of positive cells over their probability, in the bins of `expected_calibration_error`.

    Args:
        labels: ``(N,)`` 0 or 1.
        probabilities: ``(N,)`` probabilities of the positive class, in [0, 1].
        patients: ``(N,)`` the patient of each cell.
        bins: number of bins; several become one where many cells have the same probability.
        level: confidence level of the intervals, in (0, 1).
    """
    y, p = np.asarray(labels, np.float64), np.asarray(probabilities, np.float64)
    found, places = [], _bins(p, bins)
    for place in np.unique(places):
        inside = places == place
        low, high = wilson_interval(y[inside], np.asarray(patients)[inside], level)
        found.append(ReliabilityPoint(int(inside.sum()), float(p[inside].mean()), float(y[inside].mean()), low, high))
    return found


def wilson_interval(labels: np.ndarray, patients: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Interval by patient of the share of positive cells: Wilson's, for fewer cells if those of a patient are alike.

    The number of cells is replaced by the one that would give the variance between patients, at most the true number,
    and the normal quantile by Student's with one degree of freedom less than patients (Dean and Pagano 2015).

    Args:
        labels: ``(N,)`` 0 or 1.
        patients: ``(N,)`` the patient of each cell.
        level: confidence level, in (0, 1).

    Returns:
        (low, high); (NaN, NaN) with fewer than two patients.
    """
    names, members = np.unique(patients, return_inverse=True)
    cells, groups = len(labels), len(names)
    if groups < 2:
        return np.nan, np.nan
    share = float(np.mean(labels))
    residuals = np.bincount(members, np.asarray(labels, np.float64) - share)
    variance = groups / (groups - 1) * (residuals**2).sum() / cells**2
    effective = min(cells, share * (1 - share) / variance) if variance else cells
    # Student's quantile in place of the normal one, as a larger effective quantile.
    quantile = float(t.ppf((1 + level) / 2, groups - 1))
    centre = (share + quantile**2 / (2 * effective)) / (1 + quantile**2 / effective)
    width = quantile / (1 + quantile**2 / effective)
    width *= np.sqrt(share * (1 - share) / effective + quantile**2 / (4 * effective**2))
    return max(0.0, float(centre - width)), min(1.0, float(centre + width))


def _bins(probabilities: np.ndarray, bins: int) -> np.ndarray:
    """Number of the bin of each cell; equal probabilities are in one bin."""
    edges = np.quantile(probabilities, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, probabilities)


def _slope(y: np.ndarray, log_odds: np.ndarray) -> float:
    """Slope of the logistic regression of the label on the log-odds; NaN if it is not finite."""
    positive, negative = log_odds[y == 1], log_odds[y == 0]
    if not (positive.size and negative.size):
        return np.nan
    if positive.min() >= negative.max() or negative.min() >= positive.max():  # The classes are separated.
        return np.nan
    # Standardised, so that the steps of the search fit any log-odds.
    width = log_odds.std()
    x = (log_odds - log_odds.mean()) / width

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        shifted = parameters[0] * x + parameters[1]
        residual = expit(shifted) - y
        return (np.logaddexp(0, shifted) - y * shifted).mean(), np.array([(residual * x).mean(), residual.mean()])

    return minimize(loss, [1.0, logit(y.mean())], jac=True, method="BFGS", options={"gtol": 1e-9}).x[0] / width


def _intercept(y: np.ndarray, log_odds: np.ndarray) -> float:
    """Shift of all log-odds after which their mean probability is the share of positive cells; NaN for one class."""
    share = y.mean()
    if not 0 < share < 1:
        return np.nan
    # With these shifts every probability is at most, and at least, the share.
    ends = logit(share) - log_odds.max(), logit(share) - log_odds.min()
    if ends[0] == ends[1]:
        return ends[0]
    return brentq(lambda shift: expit(log_odds + shift).mean() - share, *ends)
