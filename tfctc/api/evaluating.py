"""Evaluation: `tfctc.evaluate`."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfctc.errors import ConfigError
from tfctc.io.files import write_json
from tfctc.progress import Progress, silent
from tfctc.system.startup import start_tensorflow

if TYPE_CHECKING:
    from tfctc.data.builder import Cells
    from tfctc.evaluation.cross_validation import CrossValidation
    from tfctc.evaluation.evaluate import Evaluation
    from tfctc.evaluation.out_of_fold import OutOfFold
    from tfctc.evaluation.predictions import Predictions
    from tfctc.runs.folder import RunFolder


def evaluate(
    run: "str | Path | RunFolder", threshold: str | float = "f1", teacher: bool = False, progress: Progress = silent
) -> "Evaluation | CrossValidation":
    """Metrics of a run on the patients of its test split, which are also written into the run folder.

    The metrics of a cross-validated run are those over all patients, from its out-of-fold predictions.

    Every metric has a 95 % interval from a bootstrap over patients. Files that are exported afterwards have the
    threshold of the last evaluation of the student.

    Args:
        run: run folder.
        threshold: rule that chooses the threshold on the validation split, "f1" or "youden"; or a number in (0, 1).
        teacher: if True, evaluates the teacher instead of the student.
        progress: called with the progress of long tasks.

    Raises:
        TfctcError: a run that is not finished, a data set that has changed since the training, or an unknown rule.
    """
    result = evaluate_run(run, threshold, teacher, progress)
    result.save()
    return result.evaluation


@dataclass(frozen=True)
class RunEvaluation:
    """Metrics of a run and the predictions behind them, not saved yet.

    Args:
        run: the run.
        evaluation: metrics on the test split.
        predictions: predictions for the labelled cells of the test split.
        builder: the run's data.
        teacher: whether the teacher was evaluated.
    """

    run: "RunFolder"
    evaluation: "Evaluation"
    predictions: "Predictions"
    builder: "Cells"
    teacher: bool

    def save(self) -> list[Path]:
        """Writes metrics, predictions and, for the student, the threshold into the run folder.

        Returns:
            Paths of the metrics and of the predictions.
        """
        from tfctc.runs.folder import EVALUATION, OPERATING_POINT, PREDICTIONS
        from tfctc.runs.predictions import write_predictions

        prefix = f"{self.evaluation.model}_" if self.teacher else ""
        written = [self.run.folder / f"{prefix}{EVALUATION}", self.run.folder / f"{prefix}{PREDICTIONS}"]
        write_json(written[0], self.evaluation.to_dict())
        write_predictions(written[1], self.predictions, self.builder.manifest)
        if not self.teacher:
            point: dict[str, Any] = {"threshold": self.evaluation.threshold, "rule": self.evaluation.rule}
            if self.evaluation.validation_cells is not None:
                point |= {"chosen_on": "validation", "cells": self.evaluation.validation_cells}
            write_json(self.run.folder / OPERATING_POINT, point)
        return written


def evaluate_run(
    run: "str | Path | RunFolder", threshold: str | float = "f1", teacher: bool = False, progress: Progress = silent
) -> "RunEvaluation | CrossValidatedRun":
    """Metrics and predictions of a run, computed as by `evaluate` but not written. Same arguments and errors."""
    start_tensorflow()
    from tfctc.evaluation.evaluate import evaluate as compute
    from tfctc.evaluation.metrics import fixed_threshold
    from tfctc.evaluation.predictions import predict_splits
    from tfctc.runs.folder import RunFolder

    rule = str(threshold)
    chosen_on_validation = fixed_threshold(rule) is None
    opened = RunFolder.of(run)
    if opened.cross_validation is not None:
        return _cross_validated(opened, rule, teacher)
    model = opened.teacher() if teacher else opened.student()
    builder = opened.builder(progress)
    opened.check_cells(builder, tuple(model.input), {"validation": chosen_on_validation, "test": False})
    predictions = predict_splits(model, builder, progress)
    evaluation = compute(
        predictions["validation"],
        predictions["test"],
        rule=rule,
        seed=opened.config.seed,
        model=model.name,
        channels=tuple(model.input),
        data=opened.facts.name,
        simulated=opened.facts.simulated,
        classes=opened.facts.classes,
        interval_by=opened.facts.group,
    )
    return RunEvaluation(opened, evaluation, predictions["test"], builder, teacher)


@dataclass(frozen=True)
class CrossValidatedRun:
    """Metrics of a cross-validated run, which `tfctc fit --folds` has written already.

    Args:
        run: the run of the final model.
        evaluation: metrics over all patients.
        predictions: out-of-fold predictions for all labelled cells.
    """

    run: "RunFolder"
    evaluation: "CrossValidation"
    predictions: "OutOfFold"

    def save(self) -> list[Path]:
        """Writes the metrics again, as this version computes them.

        Returns:
            Paths of the metrics and of the out-of-fold predictions.
        """
        from tfctc.runs.folder import EVALUATION, OUT_OF_FOLD

        write_json(self.run.folder / EVALUATION, self.evaluation.to_dict())
        return [self.run.folder / EVALUATION, self.run.folder / OUT_OF_FOLD]


def _cross_validated(run: "RunFolder", rule: str, teacher: bool) -> CrossValidatedRun:
    """The metrics of a cross-validated run, whose final model has no test split of its own."""
    from tfctc.training.cross_validation import cross_validation_of

    if teacher or rule != "f1":
        problem = "was cross-validated: metrics are of the students of its folds, at thresholds chosen in training"
        raise ConfigError(problem, path=run.folder, fix="leave out --teacher and --threshold")
    return CrossValidatedRun(run, cross_validation_of(run), run.out_of_fold())
