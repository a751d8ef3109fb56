"""What a process does for a grid: one run, trained and judged."""

import contextlib
import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tfctc.comparison.results import FIGURES, Outcome
from tfctc.config import RunConfig
from tfctc.data.budget import keep_labels
from tfctc.data.builder import build
from tfctc.data.manifest import Manifest
from tfctc.data.pipeline import classes_lacking
from tfctc.data.selection import seen_through
from tfctc.errors import RunError
from tfctc.evaluation.metrics import choose_threshold, figures
from tfctc.training.answers import answers, write_answers
from tfctc.training.fit import deal_groups, fit
from tfctc.training.roles import teacher_of
from tfctc.training.run import HISTORY, PREDICTIONS, RECORD, Run


def prepare(configs: Sequence[RunConfig]) -> None:
    """What all runs of the grid share: every image checked, the records written, labels enough for every budget.

    Args:
        configs: one of each arm and budget.

    Raises:
        ConfigError: a budget that cannot be kept to.
    """
    manifest = Manifest.open(configs[0].data)
    builder = build(manifest, deal_groups(configs[0], manifest)["groups"], configs[0].split.by)
    for budget in {config.training.label_budget for config in configs} - {None}:
        keep_labels(builder, budget, seed=0)


def do(config: RunConfig, folder: Path, judge: bool) -> Outcome:
    """Trains, or goes on with, the run in `folder`, and reads the test split only if it may `judge`.

    Raises:
        RunError: a finished run of other settings, or on other cells, is there.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside the run: `fit` wants its folder to itself.
    with (folder.parent / f"{folder.name}.log").open("a") as log, contextlib.redirect_stdout(log):
        run = Run.open(folder) if (folder / RECORD).exists() else fit(config, folder, print)
        if run.config != config:
            raise RunError("holds a run of other settings", path=folder, fix="move it away")
        if not run.had(Manifest.open(config.data).digest()):
            raise RunError("holds a run on other cells", path=folder, fix="move it away")
        return _outcome(run, judge)


def _outcome(run, judge: bool) -> Outcome:
    with (run.folder / HISTORY).open(newline="", encoding="utf-8") as file:
        epochs = [row for row in csv.DictReader(file) if row["stage"] == "student"]
    best = run.record["best_epoch"]["student"]
    outcome = Outcome(
        settings="",
        validation=float(epochs[best - 1]["val_auroc"]),
        epoch=best,
        epochs=len(epochs),
        seconds=run.record["seconds"],
    )
    if not judge:
        return outcome
    builder = run.builder()
    figures = _figures(run, run.student(), builder, PREDICTIONS)
    if _teacher_can_be_judged(run, builder):
        figures |= {f"teacher_{name}": value for name, value in _figures(run, run.teacher(), builder).items()}
    return replace(outcome, **figures)


def _teacher_can_be_judged(run: Run, builder) -> bool:
    """There is one, and cells of both classes that it can see are in the test split."""
    teacher = teacher_of(run.config)
    return teacher is not None and not classes_lacking(builder, "test", seen_through(teacher.channels))


def _figures(run, model, builder, table: str | None = None) -> dict[str, float]:
    """Of the test split, at the threshold with the best F1 on validation."""
    found = answers(model, builder)
    if table:
        write_answers(run, table, found["test"])
    validation, test = found["validation"], found["test"]
    values = figures(test.label, test.probability, choose_threshold(validation.label, validation.probability))
    return {name: values[name] for name in FIGURES}
