"""Evaluation: `tfctc.evaluate`."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfctc.errors import ConfigError
from tfctc.io.files import write_json
from tfctc.progress import Progress, silent
from tfctc.system.startup import start_tensorflow

if TYPE_CHECKING:
    from tfctc.data.builder import Cells
    from tfctc.evaluation.evaluate import Evaluation
    from tfctc.evaluation.predictions import Predictions
    from tfctc.runs.folder import RunFolder


def evaluate(
    run: "str | Path | RunFolder",
    threshold: str | float | None = None,
    teacher: bool = False,
    progress: Progress = silent,
    *,
    data: str | Path | None = None,
    output: str | Path | None = None,
) -> "Evaluation":
    """Metrics of a run on the patients of its test split, which are also written into the run folder.

    With `data`: metrics of a run, or of an exported file, on all labelled cells of another data set, at the threshold
    that the model has. Nothing of the run or of the exported version changes.

    Every metric has a 95 % interval by patient. Files that are exported afterwards have the threshold
    of the last evaluation of the student.

    Args:
        run: run folder; with `data` also an exported version folder, or a .tflite file, without TensorFlow.
        threshold: rule that chooses the threshold on the validation split, "f1" (the default) or "youden"; or a number
            in (0, 1). With `data`: a number, or None for the model's own threshold.
        teacher: if True, evaluates the teacher instead of the student.
        progress: called with the progress of long tasks.
        data: folder of another data set.
        output: folder for the results on `data`; None for `RUN/external/NAME` or `evaluations/MODEL/NAME`.

    Raises:
        TfctcError: a run that is not finished, a data set that has changed since the training, an unknown rule, or a
            data set whose images or classes the model cannot take.
    """
    if data is not None:
        from tfctc.api.external import evaluate_external

        path = run if isinstance(run, str | Path) else run.folder
        external = evaluate_external(path, data, threshold=as_number(threshold), progress=progress)
        external.save(output)
        return external.evaluation
    result = evaluate_run(run, "f1" if threshold is None else threshold, teacher, progress)
    result.save()
    return result.evaluation


def as_number(threshold: str | float | None) -> float | None:
    """A threshold for another data set, which must not choose it: a number in (0, 1), or None for the model's own.

    Raises:
        ConfigError: a rule, or a number outside (0, 1).
    """
    if threshold is None:
        return None
    try:
        number = float(threshold)
    except ValueError:
        number = math.nan
    if not 0 < number < 1:
        problem = f"with --data a threshold is a number between 0 and 1, got {threshold}"
        raise ConfigError(problem, fix="leave out --threshold for that of the model")
    return number


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
        """Writes metrics, predictions and, for the student, the threshold and the page into the run folder.

        Returns:
            Paths of the metrics, of the predictions, of the counts by patient and, for the student, of the page.
        """
        from tfctc.evaluation.counts import PatientCount, write_counts
        from tfctc.report.run_page import write_run_page
        from tfctc.runs.folder import EVALUATION, OPERATING_POINT, PREDICTIONS
        from tfctc.runs.predictions import write_predictions

        prefix = f"{self.evaluation.model}_" if self.teacher else ""
        written = [self.run.folder / f"{prefix}{EVALUATION}", self.run.folder / f"{prefix}{PREDICTIONS}"]
        write_json(written[0], self.evaluation.to_dict())
        write_predictions(written[1], self.predictions, self.builder.manifest, self.evaluation.threshold)
        counts = [
            PatientCount(one.name, one.site, one.cells, calls=one.calls, positives=one.positives)
            for one in self.evaluation.by_patient
        ]
        written.append(self.run.folder / f"{prefix}counts.csv")
        # Without adjusted numbers: the rates of the test set itself would give back its own counts.
        write_counts(written[2], counts, self.evaluation.classes[1], None)
        if not self.teacher:
            point: dict[str, Any] = {"threshold": self.evaluation.threshold, "rule": self.evaluation.rule}
            if self.evaluation.validation_cells is not None:
                point |= {"chosen_on": "validation", "cells": self.evaluation.validation_cells}
            write_json(self.run.folder / OPERATING_POINT, point)
            # Without saliency and robustness, which take longer than the evaluation.
            written.append(write_run_page(self.run, manifest=self.builder.manifest, studies=False))
        return written


def evaluate_run(
    run: "str | Path | RunFolder", threshold: str | float = "f1", teacher: bool = False, progress: Progress = silent
) -> RunEvaluation:
    """Metrics and predictions of a run, computed as by `evaluate` but not written. Same arguments and errors."""
    start_tensorflow()
    from tfctc.evaluation.evaluate import evaluate as compute
    from tfctc.evaluation.keras_predictions import predict_splits
    from tfctc.evaluation.metrics import choose_threshold, fixed_threshold
    from tfctc.runs.folder import RunFolder

    rule = str(threshold)
    chosen_on_validation = fixed_threshold(rule) is None
    opened = RunFolder.of(run)
    model = opened.teacher() if teacher else opened.calibrated_student()
    builder = opened.builder(progress)
    opened.check_cells(builder, tuple(model.input), {"validation": chosen_on_validation, "test": False})
    predictions = predict_splits(model, builder, progress)
    validation = predictions["validation"]
    evaluation = compute(
        predictions["test"],
        choose_threshold(validation.label, validation.probability, rule),
        rule=rule,
        validation_cells=len(validation) if chosen_on_validation else None,
        model=model.name,
        channels=tuple(model.input),
        data=opened.facts.name,
        simulated=opened.facts.simulated,
        classes=opened.facts.classes,
        interval_by=opened.facts.group,
    )
    return RunEvaluation(opened, evaluation, predictions["test"], builder, teacher)
