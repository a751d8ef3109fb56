"""Operating points: thresholds that keep a promise on new patients, such as a specificity of 0.99.

A threshold whose specificity is 0.99 on the validation cells has less on new patients in half of all cases. Here it is
chosen so that the promise holds with a stated chance, from two bounds by patient, of which the stricter one counts:

* the jackknife bound of the share that was seen (`tfctc.evaluation.intervals`), never above the exact binomial one;
* the bound of a model in which the log-odds of each patient's cells are shifted by a normal amount. Few patients hardly
  show how far the cells of others are shifted; the model adds the shifts that they allow (Gelman et al. 2013, "Bayesian
  Data Analysis", section 5.4, with a flat prior of the mean and the variance that one-way analysis gives).

`docs/evidence/operating_points` holds how often the promise was kept on simulated patients.
"""

import re
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import special, stats

from tfctc.errors import ConfigError
from tfctc.evaluation.intervals import effective_number
from tfctc.evaluation.metrics import RULES, choose_threshold
from tfctc.evaluation.predictions import Predictions

#: Chance with which a promise is to hold on new patients, unless the user states another.
CONFIDENCE = 0.9
#: Names of the promises.
PROMISES = ("specificity", "sensitivity", "false-calls")
#: Number of draws of the shifts' mean and spread, and of points of the normal distribution of the shifts.
DRAWS, NODES = 400, 31
#: Log-odds are kept in this range.
MOST_ODDS = 40.0


@dataclass(frozen=True)
class Rule:
    """Rule for the choice of a threshold.

    Args:
        text: the rule as a user writes it.
        promise: one of `PROMISES`; empty for "f1", "youden" and a number.
        target: value that is promised.
    """

    text: str
    promise: str = ""
    target: float = 0.0

    @classmethod
    def parse(cls, text: str) -> "Rule":
        """The rule in a text: "f1", "youden", a number, or a promise: "specificity=0.99", "false-calls=1/patient".

        Raises:
            ConfigError: another text.
        """
        text = text.strip()
        match = re.fullmatch(r"([a-z-]+)=([0-9.eE+-]+)(/patient)?", text)
        name = match[1] if match else ""
        if not match or name not in PROMISES:
            if text not in RULES and not is_number(text):
                choices = (
                    "f1, youden, a number between 0 and 1, specificity=0.99, sensitivity=0.9, false-calls=1/patient"
                )
                raise ConfigError(f"unknown operating point {text!r}", fix=f"choose one such as {choices}")
            return cls(text)
        try:
            target = float(match[2])
        except ValueError:
            raise ConfigError(f"{name} must be a number, got {match[2]!r}") from None
        if name == "false-calls":
            if not (match[3] and 0 < target < np.inf):
                raise ConfigError(f"unknown operating point {text!r}", fix="write for example false-calls=1/patient")
        elif match[3] or not 0 < target < 1:
            raise ConfigError(f"{name} must be between 0 and 1, got {match[2]}{match[3] or ''}")
        return cls(text, name, target)


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it promises.

    Args:
        threshold: a cell is called positive if its probability is this number or higher.
        rule: the rule that chose it.
        confidence: chance with which the promise holds on new patients; None without a promise.
        promised: value that is promised.
        reached: value on the cells that it was chosen on.
    """

    threshold: float
    rule: str
    confidence: float | None = None
    promised: float | None = None
    reached: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values for operating_point.json, without those that are None."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def choose_operating_point(cells: Predictions, text: str, confidence: float = CONFIDENCE) -> OperatingPoint:
    """The operating point that a rule chooses on predictions for labelled cells.

    Args:
        cells: predictions of the validation split, or out of fold.
        text: the rule, as for `Rule.parse`.
        confidence: chance in (0.5, 1) with which a promise is to hold on new patients.

    Raises:
        ConfigError: an unknown rule, a `confidence` out of range, or a promise that these cells cannot make: too few
            cells or patients of the class.
    """
    rule = Rule.parse(text)
    if not rule.promise:
        return OperatingPoint(choose_threshold(cells.label, cells.probability, rule.text), rule.text)
    if not 0.5 < confidence < 1:
        raise ConfigError(f"the chance of a promise must be above 0.5 and below 1, got {confidence}")
    side = _Side(cells, rule)
    threshold = side.threshold(confidence)
    called = np.asarray(side.probability) >= threshold
    if rule.promise == "false-calls":
        reached = float(called.sum() / side.patients)
    else:
        reached = float(np.mean(called if rule.promise == "sensitivity" else ~called))
    return OperatingPoint(threshold, rule.text, confidence, rule.target, reached)


class _Side:
    """Cells of the class that a promise is about.

    For the sensitivity all log-odds change their sign, so that a promise is always about few cells above a threshold.
    """

    def __init__(self, cells: Predictions, rule: Rule):
        self.rule, self.turned = rule, rule.promise == "sensitivity"
        chosen = cells.label == int(self.turned)
        self.probability = np.asarray(cells.probability, np.float64)[chosen]
        names, self.members = np.unique(cells.patient_id[chosen], return_inverse=True)
        self.kind = "positive" if self.turned else "negative"
        self.patients = len(np.unique(cells.patient_id)) if rule.promise == "false-calls" else len(names)
        self.counts = np.bincount(self.members, minlength=len(names))
        if len(names) < 2:
            problem = f"{rule.text} cannot be promised: {len(names)} patient(s) with {self.kind} cells to choose it on"
            raise ConfigError(problem, fix="fit with a larger split.validation, or with --folds; or choose f1")
        odds = special.logit(np.clip(self.probability, 1e-17, 1 - 1e-16))
        self.odds = np.clip(-odds if self.turned else odds, -MOST_ODDS, MOST_ODDS)

    def threshold(self, confidence: float) -> float:
        """The threshold of the probability."""
        order = np.argsort(-self.odds, kind="stable")
        odds = self.odds[order]
        first = self._seen(order, confidence)
        if first is None:
            shown = f"{len(odds)} {self.kind} cells of {len(self.counts)} patients"
            if self.rule.promise != "false-calls":
                shown += f" show {(1 - confidence) ** (1 / len(odds)):.4g} at best"
            raise ConfigError(
                f"{self.rule.text} cannot be promised with a chance of {confidence:g}: {shown}",
                fix="promise less, lower --confidence, or fit with a larger split.validation or with --folds",
            )
        # Between the last cell that is called and the next one; above all cells, a little above the highest.
        seen = (odds[first - 1] + odds[first]) / 2 if first else odds[0] + 1e-6
        limit = max(seen, self._modelled(confidence))
        return float(special.expit(-limit if self.turned else limit))

    def _seen(self, order: np.ndarray, confidence: float) -> int | None:
        """Largest number of cells that may lie above the threshold by the bound of what was seen; None for none."""
        most = min(len(order), int(3 * self._allowed() * len(order)) + 50)
        called = np.zeros((most, len(self.counts)))
        for i, cell in enumerate(order[: most - 1]):
            called[i + 1] = called[i]
            called[i + 1, self.members[cell]] += 1
        held = self._upper_bounds(called, confidence) <= self._limit()
        if not held[0]:
            return None
        failed = np.flatnonzero(~held)
        place = int(failed[0]) - 1 if len(failed) else most - 1
        # Equal probabilities are on one side of any threshold.
        while 0 < place < len(order) and self.odds[order[place - 1]] == self.odds[order[place]]:
            place -= 1
        return place

    def _allowed(self) -> float:
        """Share of the cells that may lie above the threshold."""
        if self.rule.promise == "false-calls":
            return min(self.rule.target * self.patients / len(self.odds), 1.0)
        return 1 - self.rule.target

    def _limit(self) -> float:
        return self.rule.target if self.rule.promise == "false-calls" else 1 - self.rule.target

    def _upper_bounds(self, called: np.ndarray, confidence: float) -> np.ndarray:
        """Upper bound of the share of cells above a threshold, or of their number in a patient, ``(C,)``.

        Args:
            called: ``(C, P)`` number of cells of each patient above each of C thresholds.
            confidence: one-sided level of the bound.
        """
        total, events = self.counts.sum(), called.sum(axis=1)
        patients = len(self.counts)
        if self.rule.promise == "false-calls":
            # Patients without a negative cell have no false call.
            own = np.pad(called, ((0, 0), (0, self.patients - patients)))
            error = own.std(axis=1, ddof=1) / np.sqrt(self.patients)
            bound = own.mean(axis=1) + stats.t.ppf(confidence, self.patients - 1) * error
            return np.maximum(bound, stats.gamma.ppf(confidence, events + 1) / self.patients)
        smallest = 0.5 / total
        center = special.logit(np.clip(events / total, smallest, 1 - smallest))
        without = (events[:, np.newaxis] - called) / (total - self.counts)
        shifts = special.logit(np.clip(without, smallest, 1 - smallest)) - center[:, np.newaxis]
        error = np.sqrt((patients - 1) / patients * np.square(shifts).sum(axis=1))
        freedom = max(min(effective_number(self.counts), patients) - 1, 1.0)
        bound = special.expit(center + stats.t.ppf(confidence, freedom) * error)
        return np.maximum(bound, stats.beta.ppf(confidence, events + 1, np.maximum(total - events, 1e-9)))

    def _modelled(self, confidence: float) -> float:
        """Threshold of the log-odds by the model of shifted patients."""
        patients, total = len(self.counts), len(self.odds)
        means = np.bincount(self.members, self.odds) / self.counts
        residuals = np.sort(self.odds - means[self.members]) * np.sqrt(total / max(total - patients, 1))
        within = float(np.square(residuals).sum() / total)
        # Evenly spaced quantiles in an order without relation give the same threshold every time.
        levels = (np.arange(DRAWS) + 0.5) / DRAWS
        rng = np.random.default_rng(0)
        spread = np.var(means, ddof=1) * (patients - 1) / stats.chi2.ppf(rng.permutation(levels), patients - 1)
        center = means.mean() + np.sqrt(spread / patients) * stats.norm.ppf(rng.permutation(levels))
        between = np.sqrt(np.maximum(spread - np.mean(within / self.counts), 0.0))
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        weights = weights / weights.sum()

        def upper(limit: float) -> float:
            """Upper bound of the share of cells above a threshold of the log-odds."""
            below = np.searchsorted(residuals, limit - center[:, np.newaxis] - between[:, np.newaxis] * nodes, "right")
            return float(np.quantile(1 - (below / (total + 1)) @ weights, confidence))

        allowed = self._allowed()
        low, high = float(self.odds.min()) - 1, MOST_ODDS
        if upper(high) > allowed:
            return high
        while high - low > 1e-6:
            middle = (low + high) / 2
            low, high = (low, middle) if upper(middle) <= allowed else (middle, high)
        return high


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def predictive_values(sensitivity: float, specificity: float, prevalence: float) -> tuple[float, float]:
    """Positive and negative predictive value at a prevalence, by Bayes' rule; NaN where nothing is called so.

    Args:
        sensitivity, specificity: shares in [0, 1].
        prevalence: share of positive cells, in (0, 1).
    """
    true, false = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    right, missed = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return (true / (true + false) if true + false else np.nan, right / (right + missed) if right + missed else np.nan)
