"""Work of a process of the pool: one run of a comparison, trained and evaluated."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tfctc.comparison.folds import check_folds, trained_outcome
from tfctc.comparison.results import METRICS, Outcome
from tfctc.config import RunConfig
from tfctc.data.builder import Cells, build
from tfctc.data.manifest import Manifest
from tfctc.data.pipeline import missing_classes
from tfctc.data.selection import visible_to
from tfctc.errors import RunError
from tfctc.evaluation.keras_predictions import predict_splits
from tfctc.evaluation.metrics import choose_threshold, compute_metrics
from tfctc.evaluation.predictions import Predictions
from tfctc.recipes import resolve
from tfctc.runs.folder import PREDICTIONS, RECORD, RunFolder
from tfctc.runs.predictions import write_predictions
from tfctc.runs.splitting import make_splits
from tfctc.system.pool import logged_to
from tfctc.training.fit import fit
from tfctc.training.teacher_predictions import predict_with_teachers


def prepare_data(configs: Sequence[RunConfig]) -> None:
    """Checks label budgets, folds and every image, and writes the tfrecords that all runs share.

    Args:
        configs: settings of one run of each arm and budget.

    Raises:
        ConfigError, SplitError: a label budget that cannot be kept, or more folds than the patients can be split into.
        ImageError: an image that cannot be used.
        TfctcError: with folds, anything that makes a fold impossible. The folds write tfrecords of their own, and find
            an image that cannot be used before the first one is trained.
    """
    manifest = Manifest.open(configs[0].data)
    if configs[0].cross_validation.folds:
        return check_folds(configs, manifest)
    different = {(config.training.label_budget, resolve(config).folds): config for config in configs}
    splits = [make_splits(manifest, config, folds) for (_, folds), config in different.items()]
    build(manifest, splits[0])


def run_job(config: RunConfig, folder: Path, test: bool) -> Outcome:
    """Trains or resumes a run, and evaluates it.

    Args:
        config: settings of the run.
        folder: its run folder.
        test: whether to evaluate it on the test split; if False, the outcome has validation metrics only.

    Raises:
        RunError: `folder` holds a finished run of other settings or on other cells, or the training diverged.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    # The log lies beside the run folder, because `fit` refuses a folder with other files.
    with logged_to(folder.parent / f"{folder.name}.log"):
        manifest = Manifest.open(config.data)
        finished = (folder / RECORD).exists()
        run = RunFolder.open(folder) if finished else fit(config, folder, manifest)
        if run.config != config:
            raise RunError("holds a run of other settings", path=folder, fix="move it away")
        if not run.was_trained_on(manifest):
            raise RunError("holds a run on other cells", path=folder, fix="move it away")
        if (
            finished
            and config.split.file
            and run.splits.digest != make_splits(manifest, config, resolve(config).folds).digest
        ):
            raise RunError("holds a run with other splits: split.file has changed", path=folder, fix="move it away")
        return _outcome(run, test)


def _outcome(run: RunFolder, test: bool) -> Outcome:
    outcome = trained_outcome(run)
    if not test:
        return outcome
    builder = run.builder()
    metrics = _test_metrics(predict_splits(run.calibrated_student(), builder), builder, run.folder / PREDICTIONS)
    if _can_test_teacher(run, builder):
        teacher = _test_metrics(predict_with_teachers(run, builder), builder)
        metrics |= {f"teacher_{name}": value for name, value in teacher.items()}
    return replace(outcome, **metrics)  # type: ignore[arg-type]


def _can_test_teacher(run: RunFolder, builder: Cells) -> bool:
    """Whether the run has a teacher, and the test split has cells of both classes with all channels of the teacher."""
    channels = resolve(run.config).teacher_channels
    return bool(channels) and not missing_classes(builder, "test", visible_to(channels))


def _test_metrics(found: Mapping[str, Predictions], builder: Cells, table: Path | None = None) -> dict[str, float]:
    """Metrics on the test split, at the threshold with the best F1 on validation; `found` are predictions by split."""
    validation, test = found["validation"], found["test"]
    threshold = choose_threshold(validation.label, validation.probability)
    if table:
        write_predictions(table, test, builder.manifest, threshold)
    values = compute_metrics(test.label, test.probability, threshold)
    return {name: values[name] for name in METRICS}
