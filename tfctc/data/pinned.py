"""Pinned splits: patients whose split is given by a table, by the manifest's column `split`, or by a test site."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tfctc.cells import SPLITS
from tfctc.config import RunConfig
from tfctc.data.manifest import MANIFEST, Manifest, parse_split
from tfctc.errors import SplitError
from tfctc.io.names import abbreviated, counted, normalised, spelling_key
from tfctc.io.tables import read_table

#: Columns of a table of pinned splits.
PATIENT, SPLIT = "patient_id", "split"


def pinned_patients(manifest: Manifest, config: RunConfig) -> Mapping[str, str] | None:
    """Patient -> split, from the table `split.file` or from the manifest; None where neither gives any.

    Args:
        manifest: the data set.
        config: settings of the training.

    Raises:
        SplitError: both give splits, settings that contradict them, or as `read_pinned`.
    """
    split, table = config.split, manifest.folder / MANIFEST
    if manifest.pinned:
        given = {f"split.{name}": getattr(split, name) for name in ("file", "of", "test_site")}
        given["cross_validation.folds (--folds)"] = config.cross_validation.folds
        for name in (name for name, value in given.items() if value):
            fix = f"leave out one of the two: {name}, or the column split"
            raise SplitError(f"its column split gives the splits, and {name} is set", path=table, fix=fix)
    if not (manifest.pinned or split.file):
        return None
    if split.by != PATIENT:
        problem = f"splits are given by patient, and split.by is {split.by}"
        raise SplitError(problem, path=split.file or table, fix=f"--set split.by={PATIENT}")
    return read_pinned(Path(split.file), manifest) if split.file else manifest.pinned


def read_pinned(path: Path, manifest: Manifest) -> dict[str, str]:
    """Reads a table of splits, with the columns `patient_id` and `split`; other columns are ignored.

    Every patient of the data set must be listed: one who is left out by mistake could come to be tested or trained on.
    A patient with an empty `split` is assigned. Patients who are not in the data set are ignored.

    Args:
        path: the table, delimited text or an Excel file.
        manifest: the data set.

    Returns:
        Patient, spelt as in the data set -> split, without those whose split is empty.

    Raises:
        SplitError: a table that cannot be read, an unknown split, a patient in two splits, or one who is not listed.
    """
    group = manifest.facts.group
    spellings = {spelling_key(name): name for name in manifest.index.names["patient_id"]}
    first: dict[str, tuple[int, str]] = {}
    with read_table(path, (PATIENT, SPLIT), error=SplitError) as table:
        for line, values in table.rows:
            name = normalised(values[table.positions[PATIENT]])
            split = parse_split(values[table.positions[SPLIT]])
            if split is None:
                problem = f"line {line} has split {values[table.positions[SPLIT]]!r}"
                raise SplitError(problem, path=path, fix=f"use {', '.join(SPLITS)}, or leave it empty")
            known, before = first.setdefault(spelling_key(name), (line, split))
            if before != split:
                problem = f"{group} {name} is in split {before or 'none'} on line {known}, and in {split or 'none'} on"
                raise SplitError(f"{problem} line {line}", path=path, fix="keep one of the two lines")
    if missing := [name for key, name in spellings.items() if key not in first]:
        raise SplitError(
            f"{counted(len(missing), group)} of {manifest.folder} not listed: {abbreviated(sorted(missing))}",
            path=path,
            fix="add a line for each; an empty split leaves the choice to tfctc",
        )
    return {name: first[key][1] for key, name in spellings.items() if first[key][1]}


def groups_of_site(manifest: Manifest, site: str, by: str) -> set[str]:
    """Groups with a cell at a site: the site itself, or its patients, with those who have cells elsewhere too.

    Args:
        manifest: the data set.
        site: name of the site.
        by: column of the groups.

    Raises:
        SplitError: there is no such site.
    """
    codes, names = manifest.index.codes, manifest.index.names
    wanted = [code for code, name in enumerate(names["site"]) if spelling_key(name) == spelling_key(site)]
    if not wanted:
        sites = abbreviated(sorted(filter(None, names["site"]))) or "none: its cells have no site"
        raise SplitError(f"has no site {site!r}", path=manifest.folder, fix=f"its sites are {sites}")
    return {names[by][code] for code in np.unique(codes[by][codes["site"] == wanted[0]]).tolist()}
