"""Calibration of the probability: an affine map of the network's logits, fitted on cells it was not trained on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit, logsumexp, softmax

from tfctc.cells import OTHER_INDEX, is_other

#: Assumed standard deviation between patients of the log-odds of their cells. The cells of one patient share this
#: deviation, so more of them do not make it smaller.
BETWEEN_PATIENTS = 0.5
#: Standard deviations of the prior of the bias and of the logarithm of the scale.
PRIOR_BIAS, PRIOR_LOG_SCALE = 1.0, 1.0


@dataclass(frozen=True)
class Calibration:
    """An affine map of the logits: ``scale * logits + (0, bias, other_bias)``.

    For two classes it is ``scale * log_odds + bias`` of the log-odds, and never changes the order of the cells.

    Args:
        scale: inverse temperature, above 0.
        bias: shift of the log-odds of the positive class.
        other_bias: shift of the logit of the class other, where there is one.
        fitted_on: cells that it was fitted on, such as "validation"; None if it was not fitted.
        cells, positives, patients: numbers of these cells, of the positive ones, and of their patients.
        prevalence: share of positive cells at which the calibrated probabilities hold, in (0, 1); None if unknown.
    """

    scale: float = 1.0
    bias: float = 0.0
    fitted_on: str | None = None
    cells: int = 0
    positives: int = 0
    patients: int = 0
    prevalence: float | None = None
    other_bias: float = 0.0

    @property
    def is_fitted(self) -> bool:
        """Whether it was fitted; the calibration of an early run was not, and changes nothing."""
        return self.fitted_on is not None

    def biases(self, classes: int) -> tuple[float, ...]:
        """Shift of each logit of a network with so many classes."""
        return (0.0, self.bias, self.other_bias)[:classes]

    def __call__(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated probabilities of the positive class, float64 ``(N,)`` in [0, 1].

        Args:
            logits: the network's logits, ``(N, K)``; for two classes, the log-odds ``(N,)`` will do.
        """
        return expit(_log_odds(np.asarray(logits, np.float64), self.scale, self.other_bias)[0] + self.bias)

    def is_other(self, logits: np.ndarray) -> np.ndarray | None:
        """Whether the class other is more probable than the negative one, bool ``(N,)``; None for two classes."""
        if logits.shape[1] <= OTHER_INDEX:
            return None
        return is_other(self.scale * logits + np.array(self.biases(logits.shape[1])))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for calibration.json and for the record of an export."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The calibration with these plain values.

        Raises:
            TypeError, ValueError: an unknown key, or a scale that is not above 0.
        """
        found = cls(**values)
        if not (np.isfinite([found.scale, found.bias]).all() and found.scale > 0):
            raise ValueError(f"scale {found.scale} and bias {found.bias}")
        return found


def fit_calibration(
    labels: np.ndarray,
    logits: np.ndarray,
    patients: np.ndarray,
    network_prevalence: float,
    fitted_on: str = "validation",
    other_bias: float = 0.0,
) -> Calibration:
    """Fits scale and bias on cells that the network was not trained on (Platt 1999, Guo et al. 2017).

    Four things keep few cells or few patients from being trusted too much:

    - The bias has a normal prior around the value that takes the class weights back: a network trained at the
      prevalence q has the log-odds ``logit(p) + logit(q) - logit(prevalence)``. With balanced weights q is 1/2.
    - The logarithm of the scale has a normal prior around 0, so the scale is above 0.
    - The targets are those of Platt, ``(n + 1) / (n + 2)`` for n positive cells and ``1 / (n + 2)`` for n negative
      cells. So the fit is finite where the log-odds separate the classes.
    - A cell of a patient with n cells has the weight ``1 / (1 + s^2 n v)``, where s is `BETWEEN_PATIENTS` and ``n v``,
      with v = prevalence (1 - prevalence), the information of the labels about the patient's log-odds. This is the
      weight of a random-effects analysis (DerSimonian and Laird 1986): a patient with 90 % of the cells counts like
      any other patient with many cells, not nine times as much as all others together.

    Such weights would change the prevalence if patients differ in it. So the bias is shifted at the end, from the
    weighted prevalence to the share of positive cells among all cells.

    Args:
        labels: ``(N,)`` 1 for the positive class, 0 for all others; both kinds.
        logits: the network's logits, ``(N, K)``; for two classes, the log-odds ``(N,)`` will do.
        patients: ``(N,)`` the patient of each cell.
        network_prevalence: share in (0, 1) of the weight of the training cells that positive ones had.
        fitted_on: name of the cells, for the record.
        other_bias: shift that takes the class weights back between the negative class and the class other: the
            logarithm of the weight of a negative cell over that of an other one.

    Raises:
        ValueError: cells of one class alone.
    """
    y, z = np.asarray(labels, np.float64), np.asarray(logits, np.float64)
    prevalence, positives = float(y.mean()), int(y.sum())
    if positives in (0, len(y)):
        raise ValueError("a calibration needs cells of both classes")
    names, members, counts = np.unique(patients, return_inverse=True, return_counts=True)
    information = counts * prevalence * (1 - prevalence)
    weights = (1 / (1 + BETWEEN_PATIENTS**2 * information))[members]
    weighted = float(np.average(y, weights=weights))
    expected_bias = logit(weighted) - logit(network_prevalence)
    targets = np.where(y == 1, (positives + 1) / (positives + 2), 1 / (len(y) - positives + 2))

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        log_scale, bias = parameters
        scaled, slope = _log_odds(z, np.exp(log_scale), other_bias)
        shifted = scaled + bias
        residual = weights * (expit(shifted) - targets)
        prior = np.array([log_scale / PRIOR_LOG_SCALE**2, (bias - expected_bias) / PRIOR_BIAS**2])
        value = (weights * (np.logaddexp(0, shifted) - targets * shifted)).sum()
        value += (prior * [log_scale, bias - expected_bias]).sum() / 2
        gradient = np.array([(residual * slope).sum(), residual.sum()]) + prior
        return value / weights.sum(), gradient / weights.sum()

    # The scale is limited only so that its exponential stays finite; the prior holds it far within.
    bounds = [(-15, 15), (None, None)]
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000}
    fitted = minimize(loss, [0, expected_bias], jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    log_scale, bias = fitted.x.tolist()
    return Calibration(
        scale=float(np.exp(log_scale)),
        bias=float(bias + logit(prevalence) - logit(weighted)),
        fitted_on=fitted_on,
        cells=len(y),
        positives=positives,
        patients=len(names),
        prevalence=prevalence,
        other_bias=other_bias,
    )


def _log_odds(logits: np.ndarray, scale: float, other_bias: float) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds ``(N,)`` of the positive class after ``scale * logits``, and their slope over ``log(scale)``."""
    if logits.ndim == 1:
        return scale * logits, scale * logits
    positive, rest = scale * logits[:, 1], scale * logits[:, [0, *range(2, logits.shape[1])]]
    shifted = rest + np.array([0.0, other_bias])[: rest.shape[1]]
    return positive - logsumexp(shifted, axis=1), positive - (softmax(shifted, axis=1) * rest).sum(axis=1)
