"""Evaluation: `tfctc.evaluate`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfctc.cells import BRIGHTFIELD
from tfctc.errors import ConfigError, RunError
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
    run: "str | Path | RunFolder",
    threshold: str | float | None = None,
    teacher: bool = False,
    progress: Progress = silent,
    *,
    operating_point: str | float | None = None,
    confidence: float | None = None,
    data: str | Path | None = None,
    output: str | Path | None = None,
) -> "Evaluation | CrossValidation":
    """Metrics of a run on the patients of its test split, which are also written into the run folder.

    The metrics of a cross-validated run are those over all patients, from its out-of-fold predictions.

    Every metric has a 95 % interval by patient. Files that are exported afterwards have the threshold of the operating
    point that was chosen last.

    With `data`: metrics of a run, or of an exported file, on all labelled cells of another data set, at the threshold
    that the model has. Nothing of the run or of the exported version changes.

    Args:
        run: run folder; with `data` also an exported version folder, or a .tflite file, without TensorFlow.
        threshold: a number in (0, 1): what would be found at this threshold. Nothing that is exported changes. A rule
            is taken as `operating_point`.
        teacher: if True, evaluates the teacher instead of the student.
        progress: called with the progress of long tasks.
        operating_point: rule that chooses the threshold on the validation split: "f1" (the default), "youden",
            "specificity=0.99", "sensitivity=0.9", "false-calls=1/patient", or the threshold itself.
        confidence: chance in (0.5, 1) with which a promise such as "specificity=0.99" is to hold on new patients; None
            for 0.9.
        data: folder of another data set.
        output: folder for the results on `data`; None for `RUN/external/NAME` or `evaluations/MODEL/NAME`.

    Raises:
        TfctcError: a run that is not finished, a data set that has changed since the training, an unknown rule, a
            promise that the validation cells cannot make, or a data set whose images or classes the model cannot take.
    """
    if data is not None:
        from tfctc.api.external import evaluate_external

        if operating_point is not None:
            fix = "leave out operating_point; threshold=NUMBER shows another threshold"
            raise ConfigError("the operating point is not chosen on the data that test it", fix=fix)
        path = run if isinstance(run, str | Path) else run.folder
        external = evaluate_external(path, data, threshold=as_number(threshold), progress=progress)
        external.save(output)
        return external.evaluation
    result = evaluate_run(run, threshold, teacher, progress, operating_point=operating_point, confidence=confidence)
    result.save()
    return result.evaluation


def as_number(threshold: str | float | None) -> float | None:
    """A threshold as a number in (0, 1); None for None.

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
        problem = f"a threshold is a number between 0 and 1, got {threshold}"
        raise ConfigError(problem, fix="leave out --threshold for that of the model")
    return number


#: Folder of a run with the results at a threshold that was only tried.
TRIED = "tried"


@dataclass(frozen=True)
class RunEvaluation:
    """Metrics of a run and the predictions behind them, not saved yet.

    Args:
        run: the run.
        evaluation: metrics on the test split.
        predictions: predictions for the labelled cells of the test split.
        builder: the run's data.
        teacher: whether the teacher was evaluated.
        point: operating point of the student; None for a threshold that was only tried.
    """

    run: "RunFolder"
    evaluation: "Evaluation"
    predictions: "Predictions"
    builder: "Cells"
    teacher: bool
    point: Mapping[str, Any] | None = None

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
        folder = self.run.folder if self.point else self.run.folder / TRIED
        folder.mkdir(exist_ok=True)
        written = [folder / f"{prefix}{name}" for name in (EVALUATION, PREDICTIONS, "counts.csv")]
        write_json(written[0], self.evaluation.to_dict())
        write_predictions(written[1], self.predictions, self.builder.manifest, self.evaluation.threshold)
        counts = [
            PatientCount(one.name, one.site, one.cells, calls=one.calls, positives=one.positives)
            for one in self.evaluation.by_patient
        ]
        # Without adjusted numbers: the rates of the test set itself would give back its own counts.
        write_counts(written[2], counts, self.evaluation.classes[1], None)
        if self.point and not self.teacher:
            write_json(self.run.folder / OPERATING_POINT, self.point)
            # Saliency and robustness take longer than the evaluation: those of `tfctc report` are shown if they fit.
            results = self.evaluation, self.predictions
            written.append(write_run_page(self.run, results=results, manifest=self.builder.manifest, studies=False))
        return written


def evaluate_run(
    run: "str | Path | RunFolder",
    threshold: str | float | None = None,
    teacher: bool = False,
    progress: Progress = silent,
    *,
    operating_point: str | float | None = None,
    confidence: float | None = None,
) -> "RunEvaluation | CrossValidatedRun":
    """Metrics and predictions of a run, computed as by `evaluate` but not written. Same arguments and errors."""
    start_tensorflow()
    from tfctc.evaluation.evaluate import evaluate as compute
    from tfctc.evaluation.keras_predictions import predict_splits
    from tfctc.evaluation.metrics import fixed_threshold
    from tfctc.evaluation.operating_points import CONFIDENCE, Rule, choose_operating_point
    from tfctc.evaluation.original_labels import by_label
    from tfctc.recipes import resolve
    from tfctc.recipes.recipe import STUDENT
    from tfctc.runs.folder import RunFolder
    from tfctc.training.teacher_predictions import predict_with_teachers

    rule, tried = _rule_of(threshold, operating_point)
    promised = Rule.parse(rule).promise
    if confidence is not None and not promised:
        raise ConfigError(
            "--confidence goes with a promise", fix="give --operating-point specificity=0.99, or leave it out"
        )
    confidence = CONFIDENCE if confidence is None else confidence
    chosen_on_validation = bool(promised) or fixed_threshold(rule) is None
    opened = RunFolder.of(run)
    if opened.cross_validation is not None:
        if teacher or tried:
            problem = "was cross-validated: metrics are of the students of its folds, at thresholds chosen in training"
            raise ConfigError(problem, path=opened.folder, fix="leave out --teacher and --threshold")
        return _cross_validated(opened, rule, confidence)
    channels = resolve(opened.config).teacher_channels if teacher else (BRIGHTFIELD,)
    if not channels:
        fix = "fit with --mode distilled and a loss that needs a teacher, such as soft-labels"
        raise RunError("has no teacher", path=opened.folder, fix=fix)
    builder = opened.builder(progress)
    opened.check_cells(builder, channels, {"validation": chosen_on_validation, "test": False})
    if teacher:
        predictions = predict_with_teachers(opened, builder, progress)
    else:
        predictions = predict_splits(opened.calibrated_student(), builder, progress)
    validation = predictions["validation"]
    chosen = choose_operating_point(validation, rule, confidence)
    point = chosen.to_dict()
    if chosen_on_validation:
        point |= {"chosen_on": "validation", "cells": len(validation)}
    evaluation = compute(
        predictions["test"],
        chosen.threshold,
        rule=rule,
        validation_cells=len(validation) if chosen_on_validation else None,
        model="teacher" if teacher else STUDENT,
        channels=channels,
        data=opened.facts.name,
        simulated=opened.facts.simulated,
        classes=opened.facts.compared,
        by_label=by_label(predictions["test"], chosen.threshold, opened.facts),
        interval_by=opened.facts.group,
        promise=point if promised else {},
    )
    return RunEvaluation(opened, evaluation, predictions["test"], builder, teacher, None if tried else point)


@dataclass(frozen=True)
class CrossValidatedRun:
    """Metrics of a cross-validated run, which `tfctc fit --folds` has written already.

    Args:
        run: the run of the final model.
        evaluation: metrics over all patients.
        predictions: out-of-fold predictions for all labelled cells.
        point: operating point of the final model, chosen on these predictions.
        teacher: False: a fold keeps its student only.
    """

    run: "RunFolder"
    evaluation: "CrossValidation"
    predictions: "OutOfFold"
    point: Mapping[str, Any]
    teacher: bool = False

    def save(self) -> list[Path]:
        """Writes the metrics again, as this version computes them, and the operating point.

        Returns:
            Paths of the metrics, of the out-of-fold predictions and of the page.
        """
        from tfctc.report.run_page import write_run_page
        from tfctc.runs.folder import EVALUATION, OPERATING_POINT, OUT_OF_FOLD

        write_json(self.run.folder / EVALUATION, self.evaluation.to_dict())
        write_json(self.run.folder / OPERATING_POINT, self.point)
        once = self.predictions.rows(self.predictions.repeat == 0)
        page = write_run_page(self.run, results=(self.evaluation, once), studies=False)
        return [self.run.folder / EVALUATION, self.run.folder / OUT_OF_FOLD, page]


def _cross_validated(run: "RunFolder", rule: str, confidence: float) -> CrossValidatedRun:
    """The metrics of a cross-validated run, whose final model has no test split of its own."""
    from tfctc.evaluation.operating_points import choose_operating_point
    from tfctc.training.cross_validation import cross_validation_of

    predictions = run.out_of_fold()
    chosen = choose_operating_point(predictions.rows(predictions.repeat == 0), rule, confidence)
    point = chosen.to_dict()
    point |= {"chosen_on": "out-of-fold", "cells": int((predictions.repeat == 0).sum())}
    return CrossValidatedRun(run, cross_validation_of(run, chosen), predictions, point)


def _rule_of(threshold: str | float | None, operating_point: str | float | None) -> tuple[str, bool]:
    """The rule as text, and whether it is a threshold that is only tried."""
    from tfctc.evaluation.operating_points import is_number

    if threshold is None:
        return ("f1" if operating_point is None else str(operating_point)), False
    if operating_point is not None:
        problem = "--threshold tries a number, and --operating-point chooses one for the exported files"
        raise ConfigError(problem, fix="give one of them")
    if isinstance(threshold, str) and not is_number(threshold):
        return threshold, False
    as_number(threshold)
    return str(threshold), True
