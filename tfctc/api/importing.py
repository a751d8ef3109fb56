"""Import of image files: `tfctc.import_images`."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfctc.errors import ConfigError
from tfctc.progress import Progress, silent

if TYPE_CHECKING:
    from tfctc.cells import DatasetFacts


@dataclass(frozen=True)
class ImportedDataset:
    """A data set that has been imported.

    Args:
        folder: path of the data set.
        facts: its facts.
        cells: label, or "unlabelled" -> number of cells.
        groups: number of patients, or of other groups.
        notes: remarks on the files and the table, one sentence each.
    """

    folder: Path
    facts: "DatasetFacts"
    cells: Mapping[str, int]
    groups: int
    notes: Sequence[str]


def import_images(
    folder: str | Path,
    output: str | Path = "cells",
    *,
    pattern: str | None = None,
    preset: str | None = None,
    channels: Mapping[str, str] | None = None,
    labels: str | Path | None = None,
    id_column: str = "cell_id",
    label_column: str = "label",
    patient_column: str = "",
    site_column: str = "",
    mapping: Mapping[str, str] | None = None,
    drop: Sequence[str] = (),
    classes: Sequence[str] = ("leukocyte", "ctc"),
    bit_depth: int | None = None,
    mpp: float | None = None,
    group_name: str = "patient",
    skip_orphans: bool = False,
    name: str | None = None,
    progress: Progress = silent,
) -> ImportedDataset:
    """Pairs the image files in a folder by cell id, labels them, checks every one, and writes a data set.

    Args:
        folder: folder of the images, which stay where they are.
        output: data set folder to write.
        pattern: regular expression for a file's path below `folder`, with the groups `cell` and `channel`, and
            `patient` and `site` if the path contains them.
        preset: name of a known file naming, in place of a pattern.
        channels: name of a channel in the file names -> "brightfield" or "dapi".
        labels: CSV file with one row for each cell.
        id_column, label_column, patient_column, site_column: names of columns of `labels`; "" for no such column.
        mapping: label in the table -> class name; an empty name makes a cell unlabelled.
        drop: labels whose cells are left out.
        classes: negative and positive class.
        bit_depth: significant bits of a pixel, 8 to 16; None uses the bit depth of the files.
        mpp: micrometres per pixel.
        group_name: what the patient ids stand for in reports, such as "patient" or "block of cells".
        skip_orphans: whether cells without a bright-field image or a patient are left out.
        name: name of the data set; None uses the name of the output folder.
        progress: called with the progress of long tasks.

    Raises:
        TfctcError: files, a table or arguments that cannot be used; nothing is written then.
    """
    from tfctc.data.importers import PRESETS
    from tfctc.data.importers.folder import DatasetDescription, assemble_cells, write_dataset
    from tfctc.data.importers.labels import Columns, read_labels
    from tfctc.data.importers.pairing import pair
    from tfctc.io.names import normalised

    notes = []
    if bool(pattern) == bool(preset):
        problem = f"one of --pattern and --preset is needed, got {'both' if pattern else 'neither'}"
        raise ConfigError(problem, fix="give either --pattern or --preset; see tfctc import --help")
    if preset:
        notes.append(PRESETS[preset].note)
    expression = PRESETS[preset].pattern if preset else str(pattern)
    given = [normalised(part.strip()) for part in classes]
    if len(given) != 2:
        raise ConfigError(f"classes must be two different names (negative, positive), got {given}")
    names = (given[0], given[1])
    title = name or os.path.basename(os.path.realpath(output))
    description = DatasetDescription(title, names, bit_depth, mpp, group_name)
    found = pair(folder, expression, channels)
    rows = read_labels(labels, Columns(id_column, label_column, patient_column, site_column)) if labels else {}
    cells, report = assemble_cells(
        found,
        rows,
        names,
        mapping=mapping or {},
        drop=set(map(normalised, drop)),
        table=labels,
        skip_orphans=skip_orphans,
    )
    facts, more = write_dataset(output, cells, description, progress)
    groups = len({cell.patient_id for cell in cells})
    return ImportedDataset(Path(output), facts, report.cells, groups, [*notes, *report.notes, *more])
