"""Results of a comparison in results.csv, one row for each finished run. A run with a row is not trained again."""

import csv
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tfctc.comparison.plan import ALL
from tfctc.errors import RunError
from tfctc.io.files import atomic_file

RESULTS = "results.csv"
#: Metrics that runs are compared by.
METRICS = ("auroc", "f1")


@dataclass(frozen=True)
class Job:
    """One run of a comparison.

    Args:
        arm: name of the arm.
        budget: number of labelled training cells, or "all".
        seed: seed of the labels kept, the initial weights and the augmentation.
        rate: learning rate.
    """

    arm: str
    budget: Any
    seed: int
    rate: float

    @property
    def path(self) -> Path:
        """Run folder, relative to the folder of the comparison.

        The run folder may be deleted: if another run needs its teachers, it is trained again.
        """
        return Path("runs", self.arm, f"{self.budget}-labels", f"seed-{self.seed}-rate-{self.rate:g}")

    def __str__(self) -> str:
        return f"{self.arm}, {self.budget} labels, seed {self.seed}, rate {self.rate:g}"


@dataclass(frozen=True)
class Outcome:
    """Outcome of a run. Only runs with the chosen learning rate have test metrics.

    Args:
        settings: digest of everything that determines the run, as `Grid.settings` gives it.
        validation: AUROC of the student on the validation split; with folds, the mean over the folds.
        epoch: the epoch that is kept; with folds, their sum.
        epochs: number of epochs of the student; with folds, their sum.
        seconds: time of the whole run, its own teachers included.
        auroc, f1: metrics of the student on the test split, or on the out-of-fold predictions; None if not evaluated.
        teacher_auroc, teacher_f1: the same metrics of the teacher; None without a teacher.
        folds: number of folds, those of all repeats; None for a single split.
        patients: number of patients tested by the folds; None for a single split, or if not evaluated.
    """

    settings: str
    validation: float
    epoch: int
    epochs: int
    seconds: float
    auroc: float | None = None
    f1: float | None = None
    teacher_auroc: float | None = None
    teacher_f1: float | None = None
    folds: int | None = None
    patients: int | None = None

    @property
    def tested(self) -> bool:
        """Whether the run has been evaluated on the test split, or on all patients with folds."""
        return self.auroc is not None


Results = Mapping[Job, Outcome]


def write_results(folder: Path, results: Results) -> None:
    """Writes all rows, atomically."""
    columns = [f.name for kind in (Job, Outcome) for f in fields(kind)]
    with atomic_file(folder / RESULTS) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for job, outcome in results.items():
            # Ten digits, because an AUROC is a ratio of large counts and two different ones must stay different.
            row = {key: f"{v:.10g}" if isinstance(v, float) else v for key, v in asdict(outcome).items()}
            writer.writerow(asdict(job) | row)


def read_results(folder: Path) -> dict[Job, Outcome]:
    """The rows of results.csv in `folder`; {} if there is no such file.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / RESULTS
    if not path.exists():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return dict(map(_parsed, csv.DictReader(file)))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"cannot be read ({error})", path=path, fix="put back a copy, or choose another --output"
        ) from None


def _parsed(row: Mapping[str, str]) -> tuple[Job, Outcome]:
    budget = row["budget"] if row["budget"] == ALL else int(row["budget"])
    job = Job(row["arm"], budget, int(row["seed"]), float(row["rate"]))
    integers = ("epoch", "epochs", "folds", "patients")
    kinds = {f.name: str if f.name == "settings" else int if f.name in integers else float for f in fields(Outcome)}
    # Results of early versions lack the last columns.
    row = dict.fromkeys(("folds", "patients"), "") | dict(row)
    values: dict[str, Any] = {name: kind(row[name]) if row[name] else None for name, kind in kinds.items()}
    return job, Outcome(**values)
