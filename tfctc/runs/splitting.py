"""Splits of a run, also those that keep the patients of an earlier run where they were (`split.of`)."""

from collections.abc import Mapping

from tfctc.config import RunConfig
from tfctc.data.assignment import group_name
from tfctc.data.manifest import Manifest
from tfctc.data.pinned import pinned_patients
from tfctc.data.splits import Splits
from tfctc.errors import SplitError
from tfctc.evaluation.training_cells import population_of
from tfctc.io.names import plural, spelling_key
from tfctc.runs.folder import RunFolder
from tfctc.runs.patients import Person, persons, population_of_run


def make_splits(manifest: Manifest, config: RunConfig, folds: int = 1, label_seed: int = 0) -> Splits:
    """`Splits.make`, with the splits of the run that `split.of` names, if there is one. Same arguments.

    Raises:
        RunError: `split.of` is not the folder of a finished run.
        SplitError: that run has other patients, as `splits_of_run`.
        TfctcError: as `Splits.make`.
    """
    pinned = None
    if config.split.of:
        pinned_patients(manifest, config)  # Raises if the manifest gives splits too.
        pinned = splits_of_run(manifest, RunFolder.open(config.split.of), config.split.by)
    return Splits.make(manifest, config, folds, label_seed, pinned)


def splits_of_run(manifest: Manifest, run: RunFolder, by: str) -> Mapping[str, str]:
    """Split of each patient (or site) of a data set that an earlier run has split.

    A patient of the same id at other sites is another person, whom the run has not split.

    Args:
        manifest: the data set, which may have more patients than that of the run.
        run: the earlier run.
        by: column of the groups.

    Returns:
        Group, spelt as in the data set -> split.

    Raises:
        SplitError: the run has split other groups, another population or other classes, or none of the patients.
    """
    facts, earlier = manifest.facts, run.splits
    if earlier.by != by:
        raise SplitError(f"has split by {earlier.by}, not by {by}", path=run.folder, fix=f"--set split.by={earlier.by}")
    if facts.classes != run.facts.classes:
        problem = f"has classes {', '.join(run.facts.classes)}, the data set has {', '.join(facts.classes)}"
        raise SplitError(problem, path=run.folder, fix="leave out split.of")
    population = population_of(manifest)
    if population != population_of_run(run):
        theirs, ours = (name or "real patients" for name in (population_of_run(run), population))
        problem = f"has split other patients ({theirs}) than the data set has ({ours})"
        raise SplitError(problem, path=run.folder, fix="leave out split.of")
    known = {spelling_key(group): group for group in earlier.assignment}
    sites, pinned = run.record.get("sites", {}), {}
    if by == "patient_id":
        own = {person.patient_id: person for person in persons(manifest, population)}
    else:
        own = {site: Person(population, site) for site in manifest.index.names[by]}
    for name, person in own.items():
        group = known.get(spelling_key(name))
        if group is not None and person.is_same(Person(population, group, tuple(sites.get(group, ())))):
            pinned[name] = earlier.assignment[group]
    if not pinned:
        problem = f"has split none of the {plural(group_name(facts, by))} of {manifest.folder}"
        raise SplitError(problem, path=run.folder, fix="leave out split.of")
    return pinned
