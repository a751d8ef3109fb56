"""Coverage of the intervals of an evaluation (95 percent), on simulated test sets whose true metrics are known.

    python tools/evidence intervals --out docs/evidence/intervals/coverage.json

No image is simulated, only probabilities. The log-odds of a cell are its class, a shift of its patient, a second shift
of the positive cells of that patient, and noise, all normal. "even": every patient has 20 cells of each class. "heavy":
the numbers of positive cells have a negative binomial distribution with mean 15 and shape 0.75, as CTC counts do, and
there are 40 negative cells. The truth is the metric over 20,000 patients. Every test set is evaluated by
`tfctc.evaluation`, at a fixed threshold. A covered interval holds the truth; metrics without an interval are counted.

For comparison: the percentile bootstrap over patients, for recall and AUROC. "difference" is the interval of the
difference of AUROC between two models on the same cells; the second has more noise.
"""

import numpy as np
from common import log
from scipy import special, stats

from tfctc.evaluation.difference import metric_difference
from tfctc.evaluation.evaluate import estimates
from tfctc.evaluation.metrics import METRICS, compute_metrics
from tfctc.evaluation.predictions import Predictions

#: Distance of the classes, and standard deviations of the shift of a patient, of its positive cells, and of the second
#: model's additional noise.
CLASSES, PATIENT, POSITIVE, NOISE = 1.4, 0.5, 0.3, 0.7
NAMES = {"negative": "negative", "positive": "positive", "called": "called positive", "groups": "patients"}
#: Coverage that passes.
PASSES = (0.92, 0.98)
RESAMPLES = 400


def add_options(parser) -> None:
    parser.add_argument("--sets", type=int, default=3000, help="test sets of each kind")
    parser.add_argument("--patients", type=int, nargs="+", default=[2, 4, 8, 20])
    parser.add_argument("--judged-from", type=int, default=4, help="fewest patients for which the check may fail")
    parser.add_argument("--seed", type=int, default=0)


def test_set(rng: np.random.Generator, patients: int, counts: str) -> tuple[Predictions, np.ndarray]:
    """A test set, and the probabilities of a second model for its cells."""
    negative = np.full(patients, 20 if counts == "even" else 40)
    positive = np.full(patients, 20) if counts == "even" else rng.negative_binomial(0.75, 0.75 / 15.75, patients)
    group = np.repeat(np.arange(patients), negative + positive)
    label = np.concatenate([np.repeat([0, 1], pair) for pair in zip(negative, positive, strict=True)])
    shift, of_positive = rng.normal(0, PATIENT, patients), rng.normal(0, POSITIVE, patients)
    odds = CLASSES * (label - 0.5) + shift[group] + of_positive[group] * label + rng.normal(size=len(label))
    other = odds + rng.normal(0, NOISE, len(label))
    found = Predictions(np.arange(len(label)), group, label, special.expit(odds))
    return found, special.expit(other)


def bootstrapped(test: Predictions, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """Percentile intervals of recall and AUROC over `RESAMPLES` draws of whole patients."""
    patients = int(test.patient_id.max()) + 1
    drawn = rng.multinomial(patients, np.full(patients, 1 / patients), RESAMPLES)
    positive, negative = (np.bincount(test.patient_id[test.label == i], minlength=patients) for i in (1, 0))
    called = np.bincount(test.patient_id[(test.label == 1) & (test.probability >= 0.5)], minlength=patients)
    wins = np.zeros((patients, patients))
    ordered = [np.sort(test.probability[(test.label == 0) & (test.patient_id == i)]) for i in range(patients)]
    for patient in range(patients):
        own = test.probability[(test.label == 1) & (test.patient_id == patient)]
        wins[patient] = [np.searchsorted(one, own).sum() for one in ordered]
    with np.errstate(invalid="ignore", divide="ignore"):
        values = {
            "recall": (drawn @ called) / (drawn @ positive),
            "auroc": np.einsum("ri,ij,rj->r", drawn, wins, drawn) / ((drawn @ positive) * (drawn @ negative)),
        }
    return {name: tuple(np.percentile(v[np.isfinite(v)], [2.5, 97.5])) for name, v in values.items()}


def coverage(options, patients: int, counts: str) -> dict:
    """Coverage and mean width of every interval."""
    large, other = test_set(np.random.default_rng([options.seed, 1]), 20_000, counts)
    truth = compute_metrics(large.label, large.probability, 0.5)
    truth["difference"] = compute_metrics(large.label, other, 0.5)["auroc"] - truth["auroc"]
    rng = np.random.default_rng([options.seed, patients, counts == "heavy"])
    covered: dict[str, list[bool]] = {}
    widths: dict[str, list[float]] = {}

    def note(name, low, high, metric=""):
        covered.setdefault(name, []).append(bool(low <= truth[metric or name] <= high))
        widths.setdefault(name, []).append(high - low)

    for _ in range(options.sets):
        test, other = test_set(rng, patients, counts)
        for name, estimate in estimates(test, 0.5, NAMES).items():
            if estimate.low is not None:
                note(name, estimate.low, estimate.high)
        difference = metric_difference(test.label, test.patient_id, (test.probability, 0.5), (other, 0.5), ("auroc",))
        for one in difference.values():
            note("difference", one["low"], one["high"])
        if test.label.sum() > 0:
            for name, (low, high) in bootstrapped(test, rng).items():
                note(f"bootstrap {name}", low, high, name)
    return {
        name: {
            "coverage": float(np.mean(covered[name])),
            "interval": stats.binomtest(sum(covered[name]), len(covered[name])).proportion_ci()._asdict(),
            "width": float(np.mean(widths[name])),
            "sets": len(covered[name]),
        }
        for name in (*METRICS, "difference", "bootstrap recall", "bootstrap auroc")
        if name in covered
    }


def check(options) -> dict:
    found: dict[str, dict] = {}
    for counts in ("even", "heavy"):
        for patients in options.patients:
            one = found.setdefault(counts, {})[str(patients)] = coverage(options, patients, counts)
            shown = ", ".join(f"{name} {values['coverage']:.3f}" for name, values in one.items())
            log.info("%s counts, %d patients: %s", counts, patients, shown)
    return {"sets": options.sets, "judged_from": options.judged_from, "coverage": found}


def problem(result: dict) -> str:
    """The intervals of the evaluation whose coverage is not within `PASSES`."""
    low, high = PASSES
    wrong = [
        f"{name} with {patients} patients, {counts} counts: {values['coverage']:.3f}"
        for counts, by_number in result["coverage"].items()
        for patients, one in by_number.items()
        for name, values in one.items()
        if int(patients) >= result["judged_from"]
        and not name.startswith("bootstrap")
        and not low <= values["coverage"] <= high
    ]
    return "; ".join(wrong)
