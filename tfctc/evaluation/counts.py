"""Counts by patient, and the number of positive cells adjusted for missed cells and false calls. NumPy only."""

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfctc.errors import ArtefactError, OutputError
from tfctc.io.files import atomic_file, output_errors
from tfctc.io.folders import is_file


@dataclass(frozen=True)
class Rates:
    """Sensitivity and false-positive rate of a model at its threshold, as an evaluation measured them.

    Args:
        threshold: the threshold.
        sensitivity: share of the positive cells that are called positive.
        false_positives: share of the negative cells that are called positive.
        sensitivity_error, false_positives_error: standard deviation with which the rate of one new patient is known:
            the uncertainty of the rate, and the spread of the rates of patients.
        quantile: factor from these standard deviations to the half-width of a 95 % interval.
    """

    threshold: float
    sensitivity: float
    false_positives: float
    sensitivity_error: float
    false_positives_error: float
    quantile: float

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Rates":
        """Rates from the values of `to_dict`.

        Raises:
            ArtefactError: a value that is missing, or is no such number.
        """
        try:
            rates = cls(**{name: float(values[name]) for name in cls.__dataclass_fields__})
        except (KeyError, TypeError, ValueError) as error:
            raise ArtefactError(f"the rates cannot be used ({type(error).__name__}: {error})") from None
        shares = (rates.threshold, rates.sensitivity, rates.false_positives)
        others = (rates.sensitivity_error, rates.false_positives_error, rates.quantile)
        if not (all(0 <= share <= 1 for share in shares) and all(0 <= other < math.inf for other in others)):
            raise ArtefactError("the rates cannot be used: a share is not from 0 to 1, or an error is negative")
        return rates

    def to_dict(self) -> dict[str, float]:
        """Plain values."""
        return asdict(self)


@dataclass
class PatientCount:
    """Cells of one patient.

    Args:
        patient_id, site: the patient; empty where unknown.
        cells: number of cells, refused ones included.
        refused: number of images that could not be used.
        unlike: number of images whose quality is not "ok".
        calls: number of cells called positive.
        positives: number of labelled positive cells; None if no cell has a label.
        is_control: whether the cells are labelled `CONTROL`: a healthy donor.
    """

    patient_id: str
    site: str = ""
    cells: int = 0
    refused: int = 0
    unlike: int = 0
    calls: int = 0
    positives: int | None = None
    is_control: bool = False


#: Most numbers of positive cells that are tried for the interval of a patient.
MOST_STEPS = 2000
#: Label of all cells of a healthy donor.
CONTROL = "control"


def adjusted_count(count: PatientCount, rates: Rates) -> tuple[float, float, float] | None:
    """Number of positive cells of a patient, adjusted for missed cells and for false calls, with a 95 % interval.

    The number is that of Rogan and Gladen 1978, "Estimating prevalence from the results of a screening test", kept
    between 0 and the number of cells. The interval holds every number for which the calls are usual: it adds the chance
    of each call to the errors of both rates. These are added as they are, because a patient whose cells are easily
    called positive is so in both classes.

    Returns:
        (number, low, high); None without a usable image, or if the model does not call positive cells more often than
        negative ones.
    """
    cells, gain = count.cells - count.refused, rates.sensitivity - rates.false_positives
    if cells <= 0 or gain <= 0:
        return None
    estimate = min(max((count.calls - cells * rates.false_positives) / gain, 0.0), float(cells))
    numbers = np.linspace(0, cells, min(cells, MOST_STEPS) + 1)
    others = cells - numbers
    expected = numbers * rates.sensitivity + others * rates.false_positives
    chance = numbers * rates.sensitivity * (1 - rates.sensitivity)
    chance += others * rates.false_positives * (1 - rates.false_positives)
    errors = numbers * rates.sensitivity_error + others * rates.false_positives_error
    usual = numbers[np.abs(count.calls - expected) <= rates.quantile * np.sqrt(chance + np.square(errors))]
    # Calls that are unusual for every number leave the nearest one, and it is the estimate.
    low, high = (float(usual[0]), float(usual[-1])) if len(usual) else (estimate, estimate)
    return estimate, min(low, estimate), max(high, estimate)


def background(counts: Iterable[PatientCount]) -> tuple[int, float, int] | None:
    """Calls in healthy donors: number of donors, mean calls of a donor, and the most; None without a donor."""
    calls = [count.calls for count in counts if count.is_control]
    return (len(calls), float(np.mean(calls)), max(calls)) if calls else None


def counts_of(patients: Mapping[tuple[str, str], Mapping[str, int]], positive: str) -> list[PatientCount]:
    """Counts of the patients of a table of predictions, sorted by site and patient.

    Args:
        patients: numbers of cells by site and patient, as `tfctc.inference.counting.count_cell` adds them up.
        positive: name of the positive class.
    """
    found = []
    for site, patient in sorted(patients):
        own = patients[site, patient]
        labels = {name.removeprefix("truth "): number for name, number in own.items() if name.startswith("truth ")}
        labels.pop("", None)
        found.append(
            PatientCount(
                patient,
                site,
                own["cells"],
                own.get("refused", 0),
                own.get("unlike", 0),
                own.get("calls", 0),
                positives=labels.get(positive, 0) if labels and set(labels) != {CONTROL} else None,
                is_control=set(labels) == {CONTROL},
            )
        )
    return found


def counts_path(table: str | Path) -> Path:
    """Path of the counts that belong to a table of predictions: counts.csv beside predictions.csv."""
    path = Path(table)
    return path.with_name("counts.csv" if path.name == "predictions.csv" else f"{path.stem}_counts.csv")


def check_counts(path: Path, positive: str) -> None:
    """Checks that `path` may be overwritten: it does not exist, or it holds such counts.

    Raises:
        OutputError: another kind of file.
    """
    if not is_file(path, OutputError):
        return
    with output_errors(path), path.open(newline="", encoding="utf-8", errors="replace") as file:
        header = next(csv.reader(file), [])
    if header and header != columns(positive):
        raise OutputError("exists and holds no counts of patients", path=path, fix="choose another --output")


def columns(positive: str) -> list[str]:
    """Names of the columns of counts.csv."""
    names = ["patient_id", "site", "cells", "refused", "unlike", f"called_{positive}", f"true_{positive}", "control"]
    return [*names, f"adjusted_{positive}", "low", "high"]


def write_counts(path: Path, counts: Iterable[PatientCount], positive: str, rates: Rates | None) -> None:
    """Writes counts.csv: one row for each patient.

    Args:
        path: CSV file to write.
        counts: the counts, in order.
        positive: name of the positive class.
        rates: rates of the model at the threshold of the calls; None leaves the adjusted number empty.
    """
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns(positive))
        for one in counts:
            found = adjusted_count(one, rates) if rates else None
            numbers = ["", "", ""] if found is None else [f"{number:.1f}" for number in found]
            known = "" if one.positives is None else one.positives
            values = [one.cells, one.refused, one.unlike, one.calls, known, "yes" if one.is_control else ""]
            writer.writerow([one.patient_id, one.site, *values, *numbers])
