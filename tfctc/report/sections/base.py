"""Base class of the sections of a run's page, what they are made from, and their registry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tfctc.data.inspect import Section
from tfctc.data.manifest import Manifest
from tfctc.evaluation.cross_validation import CrossValidation
from tfctc.evaluation.evaluate import Evaluation
from tfctc.evaluation.intervals import Estimate
from tfctc.evaluation.predictions import Predictions
from tfctc.registry import Registry
from tfctc.report.studies import Studies
from tfctc.runs.folder import RunFolder


@dataclass(frozen=True)
class Material:
    """Material of the sections of a run's page.

    Args:
        run: the run.
        evaluation: metrics of the student on the test split.
        predictions: the predictions behind them.
        manifest: the data set; None if it is not there any more.
        positions: cell id -> position in the manifest, of the test cells that are shown.
        shown: title of a gallery -> rows of `predictions`.
        studies: saliency and robustness; None if they were not measured.
        teacher: metrics of the teacher; None if it was not evaluated.
        external: metrics on other data sets, by name.
        cross_validation: folds of a cross-validated run, whose metrics over all patients are `evaluation`; else None.
        seed: seed of the random cells that are shown, and of the studies.
    """

    run: RunFolder
    evaluation: Evaluation
    predictions: Predictions
    manifest: Manifest | None = None
    positions: Mapping[str, int] = field(default_factory=dict)
    shown: Mapping[str, Sequence[int]] = field(default_factory=dict)
    studies: Studies | None = None
    teacher: Evaluation | None = None
    external: Mapping[str, Evaluation] = field(default_factory=dict)
    cross_validation: CrossValidation | None = None
    seed: int = 0

    @property
    def group(self) -> str:
        """Word for a patient: that of the data set."""
        return self.evaluation.interval_by


class RunSection:
    """One section of the page of a run. Its instances have no state."""

    def section(self, material: Material) -> Section | None:
        """The section; None if the run has nothing for it."""
        raise NotImplementedError


SECTIONS: Registry[type[RunSection]] = Registry("report section", package="tfctc.report.sections")


def triple(estimate: Estimate | None) -> tuple[float, float, float]:
    """(value, low, high) for a plot; NaN where undefined."""
    parts = (None, None, None) if estimate is None else (estimate.value, estimate.low, estimate.high)
    value, low, high = (float("nan") if part is None else float(part) for part in parts)
    return value, low, high


def shown(value: Any) -> Any:
    """A value for a table: "n/a" for None and NaN."""
    return "n/a" if value is None or value != value else value
