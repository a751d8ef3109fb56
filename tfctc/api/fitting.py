"""Training: `tfctc.fit`."""

import logging
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfctc import config as configs
from tfctc.api.settings import given_settings
from tfctc.cells import DatasetFacts
from tfctc.config import RunConfig
from tfctc.errors import ConfigError, RunError, TfctcError
from tfctc.io.files import output_errors
from tfctc.io.folders import is_file
from tfctc.progress import Progress, silent
from tfctc.system.startup import start_tensorflow

if TYPE_CHECKING:
    from tfctc.api.run import Run
    from tfctc.data.manifest import Manifest
    from tfctc.recipes import Recipe

log = logging.getLogger(__name__)
#: Largest number of patients for which leaving out one at a time is proposed.
SMALL_COHORT = 15
#: Folder, number, and height and width in pixels of the simulated cells on which a fit without data trains.
SIMULATED, SIMULATED_CELLS, SIMULATED_SIZE = Path("simulated", "cells"), 2000, (64, 64)
#: Name that `tfctc.data.simulate` gives its data sets.
SIMULATED_NAME = "simulated"


@dataclass(frozen=True)
class FitRequest:
    """A training whose settings have been checked.

    Args:
        config: all settings, paths absolute.
        recipe: networks and stages of the training.
        manifest: the data set; None for simulated cells, which `run` writes if they do not exist yet.
        output: the run folder; None for the next free one in `runs`.
    """

    config: RunConfig
    recipe: "Recipe"
    manifest: "Manifest | None"
    output: Path | None

    @property
    def name(self) -> str:
        """Name of the data set."""
        return self.manifest.facts.name if self.manifest else SIMULATED_NAME

    def plan(self) -> str | None:
        """Text of the splits or folds that the training would have; None for simulated cells not written yet.

        Raises:
            TfctcError: splits that cannot be made, or a leak. No image is read, and nothing is written.
        """
        from tfctc.data.folds import describe_folds, make_folds
        from tfctc.training.fit import plan_run

        if self.manifest is None:
            return None
        table = plan_run(self.config, self.manifest, self.recipe).splits.table(self.manifest)
        if not self.cross_validates:
            return table
        folds = describe_folds(self.manifest, make_folds(self.manifest, self.config))
        return f"folds\n{folds}\n\nfinal model\n{table}"

    @property
    def cross_validates(self) -> bool:
        """Whether several folds are trained, and then the final model; False also for one fold alone."""
        return bool(self.config.cross_validation.folds and not self.config.cross_validation.fold)

    @property
    def group(self) -> str:
        """Name of the groups of cells: "patient", or the data set's own word."""
        return self.manifest.facts.group if self.manifest else "patient"

    def small_cohort(self) -> int | None:
        """Number of labelled patients, if it is small and each of them can be left out once; None otherwise.

        None too if the settings say whom to test.
        """
        from tfctc.data.folds import make_folds

        given = (self.config.split.file, self.config.split.of, self.config.split.test_site)
        if self.manifest is None or self.config.cross_validation.folds or any(given) or self.manifest.pinned:
            return None
        groups = self.manifest.groups("patient_id").values()
        if sum(any(count for label, count in counts.items() if label) for counts in groups) > SMALL_COHORT:
            return None
        with suppress(TfctcError):
            one_each = replace(self.config, cross_validation=configs.CrossValidationConfig("patient"))
            return len(make_folds(self.manifest, one_each))
        return None

    def run(self, output: Path | None = None, progress: Progress = silent, workers: int | None = None) -> "Run":
        """Trains, or continues an unfinished run of the same settings in the run folder.

        Args:
            output: run folder to use instead of `self.output`.
            progress: called with the progress of long tasks.
            workers: number of folds of a cross-validation trained at a time; None chooses it.
        """
        from tfctc.api.run import Run
        from tfctc.training.cross_validation import cross_validate
        from tfctc.training.fit import fit as train

        manifest = self.manifest or _simulated_cells(self.config.seed, progress)
        folder = output or self.output or next_run_folder(self.name)
        if self.cross_validates:
            return Run.of(cross_validate(self.config, folder, manifest, self.recipe, workers, progress))
        return Run.of(train(self.config, folder, manifest, self.recipe, progress))


def fit(
    data: str | Path | None = None,
    *,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    config: str | Path | None = None,
    init: str | Path | None = None,
    backbone: str | None = None,
    epochs: int | None = None,
    folds: int | str | None = None,
    repeats: int | None = None,
    workers: int | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> "Run":
    """Trains a teacher that sees DAPI, then the bright-field student that learns from it (mode distilled, the default).

    Other modes train other stages; see `tfctc.recipes`.

    Args:
        data: data set folder; None for simulated cells, which are written to `simulated/cells`.
        output: run folder; None for the next free `runs/NAME-N`.
        resume: folder of an interrupted run to continue, with nothing else given.
        config: JSON or TOML file of settings.
        init: folder of a run whose weights are the initial weights.
        backbone: backbone of student and teacher; None chooses it by the size of the images.
        epochs: largest number of epochs, for student and teacher.
        folds: cross-validation with this number of folds, or "patient" or "site" to leave out one at a time; the run is
            then that of a final model, trained on all patients.
        repeats: number of times that the patients are assigned to folds.
        workers: number of folds trained at a time; None chooses it. The results do not depend on it.
        progress: called with the progress of long tasks.
        settings: settings by name, tables as dictionaries or with dots: ``mode="brightfield"``, ``training={"epochs":
            5}``, ``**{"training.epochs": 5}``. They override the file.

    Returns:
        The finished run.

    Raises:
        RunError: a run folder that cannot be used, or a training that diverged.
        TfctcError: data or settings that cannot be used; nothing has been trained then.
    """
    request = prepare_fit(
        data,
        output=output,
        resume=resume,
        config=config,
        init=init,
        backbone=backbone,
        epochs=epochs,
        folds=folds,
        repeats=repeats,
        **settings,
    )
    return request.run(progress=progress, workers=workers)


def prepare_fit(
    data: str | Path | None = None,
    *,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    config: str | Path | None = None,
    init: str | Path | None = None,
    backbone: str | None = None,
    epochs: int | None = None,
    folds: int | str | None = None,
    repeats: int | None = None,
    **settings: Any,
) -> FitRequest:
    """Checks the settings of a training and opens its data set; trains nothing. Same arguments and errors as `fit`."""
    start_tensorflow(training=True)
    from tfctc.data.manifest import FACTS, Manifest
    from tfctc.recipes import resolve
    from tfctc.runs.folder import CONFIG, check_data
    from tfctc.training.checks import check_files

    options = (data, output, config, init, backbone, epochs, folds, repeats)
    if resume is not None:
        resume = Path(resume)
        if settings or any(value is not None for value in options):
            problem = "--resume continues a run with the settings it began with, and other settings were given"
            raise ConfigError(problem, fix="give nothing else with --resume")
        if not is_file(resume / CONFIG, RunError):
            raise RunError("is not a run folder", path=resume, fix="give the folder of an interrupted tfctc fit")
        chosen = configs.load(RunConfig, resume / CONFIG)
        check_data(chosen, resume)
        return FitRequest(chosen, resolve(chosen), Manifest.open(chosen.data), resume)
    cross_validation = {"cross_validation.folds": folds, "cross_validation.repeats": repeats}
    settings |= {key: value for key, value in cross_validation.items() if value is not None}
    given = given_settings(config, init, backbone, epochs, settings)
    source = data or given.checked.data
    manifest = Manifest.open(source) if source else None
    if manifest:
        image_size = manifest.facts.image_size
    else:
        facts = SIMULATED / FACTS
        image_size = configs.load(DatasetFacts, facts).image_size if facts.exists() else SIMULATED_SIZE
    chosen, recipe, defaults = given.completed(image_size)
    if init and recipe.teachers and "teacher.weights" not in given.changes:
        log.info("%s has no teacher, or several: the teachers start anew, without its weights.", init)
    check_files(recipe)
    for default in defaults:
        if recipe.teachers or not default.key.startswith("teacher."):
            log.info("Default: %s", default)
    if "patience" in given.stated.get("training", {}) and chosen.training.monitor == "last":
        log.warning('training.patience is not used: set training.monitor = "val_auroc" to stop early.')
    chosen = replace(chosen, data=str((manifest.folder if manifest else SIMULATED).resolve()))
    return FitRequest(chosen, recipe, manifest, Path(output) if output else None)


def next_run_folder(name: str) -> Path:
    """Creates the next free folder `runs/NAME-N` and returns its path.

    The folder exists from then on, so two trainings that start together do not share one.

    Raises:
        OutputError: the folder cannot be created.
    """
    folder = Path("runs")
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        path = folder / f"{name}-{number}"
        with output_errors(path), suppress(FileExistsError):
            path.mkdir()
            return path
    raise AssertionError("unreachable")


def _simulated_cells(seed: int, progress: Progress) -> "Manifest":
    """The data set of simulated cells, written first if it is not there."""
    from tfctc.data.manifest import Manifest

    if not SIMULATED.exists():
        from tfctc.data.simulate import write_dataset

        log.info("No data given: writing simulated cells to %s.", SIMULATED)
        write_dataset(SIMULATED, SIMULATED_CELLS, seed=seed, progress=progress)
    log.info("Using the simulated cells in %s.", SIMULATED)
    return Manifest.open(SIMULATED)
