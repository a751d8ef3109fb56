"""Import of image files: `tfctc.import_images`, and the preview that `tfctc import --dry-run` shows."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tfctc.api.naming import naming_of
from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI, NO_LABEL, TWO_CLASSES, FileNaming
from tfctc.errors import ConfigError
from tfctc.progress import Progress, silent

if TYPE_CHECKING:
    from tfctc.cells import DatasetFacts
    from tfctc.data.importers.labels import Columns, Labels
    from tfctc.data.importers.pairing import Pairing


@dataclass(frozen=True)
class ImportedDataset:
    """A data set that has been imported.

    Args:
        folder: path of the data set.
        facts: its facts.
        cells: label, or "unlabelled" -> number of cells.
        groups: number of patients, or of other groups.
        notes: remarks on the files and the table, one sentence each.
        missing: what the data set lacks for `tfctc.fit`, one clause each; empty if it lacks nothing.
        can_teach: whether each class has a labelled cell with DAPI, as mode "distilled" needs.
    """

    folder: Path
    facts: "DatasetFacts"
    cells: Mapping[str, int]
    groups: int
    notes: Sequence[str]
    missing: Sequence[str]
    can_teach: bool


@dataclass(frozen=True)
class ImportPreview:
    """Preview of an import, from the names of the files and of their planes; no pixels have been read.

    Args:
        examples: for a few files: path below the folder, and group -> text.
        files: numbers of files by what becomes of them.
        cells: number of cells.
        paired: number of cells with both channels.
        notes: remarks, one sentence each.
    """

    examples: Sequence[tuple[str, Mapping[str, str]]]
    files: Mapping[str, int]
    cells: int
    paired: int
    notes: Sequence[str]


def import_images(
    folder: str | Path,
    output: str | Path = "cells",
    *,
    files: str | Sequence[str] = (),
    pattern: str | None = None,
    preset: str | None = None,
    cell_id: str = "",
    channels: Mapping[str, str] | None = None,
    planes: Literal["channels", "cells"] | None = None,
    first_plane: int | None = None,
    labels: str | Path | None = None,
    id_column: str | Sequence[str] = "cell_id",
    label_column: str = "label",
    patient_column: str = "",
    site_column: str = "",
    split_column: str = "",
    table_format: Mapping[str, Any] | None = None,
    mapping: Mapping[str, str] | None = None,
    drop: Sequence[str] = (),
    classes: Sequence[str] = ("leukocyte", "ctc"),
    other: Sequence[str] = (),
    bit_depth: int | Mapping[str, int] | None = None,
    binning: Mapping[str, int] | None = None,
    size: int | tuple[int, int] | None = None,
    mpp: float | None = None,
    rescale_mpp: float | None = None,
    group_name: str = "patient",
    skip_orphans: bool = False,
    skip_bad: bool = False,
    copy: bool = False,
    name: str | None = None,
    progress: Progress = silent,
) -> ImportedDataset:
    """Pairs the image files in a folder by cell id, labels them, checks every one, and writes a data set.

    Args:
        folder: folder of the images, which stay where they are; or a file with many cells, such as .rtdc.
        output: data set folder to write.
        files: template for a file's path below `folder`, such as "{patient}/{cell}_{channel}.tif", or several; groups
            are cell, channel, patient, site and label.
        pattern: regular expression with these groups, in place of a template.
        preset: name of a known file naming, in place of a template.
        cell_id: template of the cell id; empty is "{cell}", or "{patient}/{cell}" where cells of patients have the same
            number.
        channels: name of a channel in the file names, or name or number of a plane -> "brightfield" or "dapi".
        planes: meaning of the planes of a file: "channels" or "cells"; None is one plane a file, or "channels" if the
            names of the files tell no channel.
        first_plane: number of the first plane in cell ids, if planes are cells.
        labels: table with one row for each cell: CSV as any program saves it, or .xlsx.
        id_column: column of `labels` with the cell id, or several whose values are joined like the cell id.
        label_column, patient_column, site_column: names of columns of `labels`; "" for no such column.
        split_column: name of the column of `labels` with "train", "validation" or "test", the same for all cells of a
            patient, or empty; "" for no such column.
        table_format: `delimiter`, `skip_lines` and `sheet` of `labels`, where they cannot be recognised.
        mapping: label in the table or path -> class name; an empty name makes a cell unlabelled.
        drop: labels whose cells are left out.
        classes: negative and positive class.
        other: labels of neither class, such as debris and doublet, which become a third class, "other".
        bit_depth: significant bits of a pixel, 8 to 16, for all channels or by channel; None uses that of the files.
        binning: {"dapi": 2} if one DAPI pixel covers 2 x 2 bright-field pixels.
        size: side, or height and width, that images are cropped or padded to; None if all have one size.
        mpp: micrometres per pixel of the files; None uses what they declare.
        rescale_mpp: micrometres per pixel that the images are rescaled to.
        group_name: what the patient ids stand for in reports, such as "patient" or "block of cells".
        skip_orphans: whether cells without a bright-field image or a patient are left out.
        skip_bad: whether images that cannot be used are left out and listed in skipped.csv.
        copy: whether the pixels are packed into the data set, so that it needs no other file.
        name: name of the data set; None uses the name of the output folder.
        progress: called with the progress of long tasks.

    Raises:
        TfctcError: files, a table or arguments that cannot be used; nothing is written then.
    """
    from tfctc.data.importers.assembly import ClassRules, assemble
    from tfctc.data.importers.description import DatasetDescription
    from tfctc.data.importers.files_with_cells import importer_of
    from tfctc.data.importers.labels import Columns
    from tfctc.data.importers.write import write_dataset
    from tfctc.data.training_needs import has_teacher_cells, missing_for_training
    from tfctc.io.names import normalised

    given = [normalised(part.strip()) for part in classes]
    if len(given) != 2:
        raise ConfigError(f"classes must be two different names (negative, positive), got {given}", fix=TWO_CLASSES)
    rules = ClassRules(
        (given[0], given[1]),
        mapping or {},
        frozenset(map(normalised, drop)),
        frozenset(filter(None, (normalised(label.strip()) for label in other))),
    )
    naming, notes = _naming(folder, files, pattern, preset, cell_id, channels or {}, planes, first_plane)
    description = DatasetDescription(
        name=name or os.path.basename(os.path.realpath(output)),
        classes=rules.classes,
        bit_depth=_bit_depths(bit_depth),
        mpp=mpp,
        group=group_name,
        size=(size, size) if isinstance(size, int) else size,
        dapi_binning=_binning(binning or {}),
        rescale_mpp=rescale_mpp,
        other=bool(rules.other),
        naming=naming,
    )
    found = _found(folder, naming, progress)
    table = None
    if labels:
        ids = (id_column,) if isinstance(id_column, str) else tuple(id_column)
        columns = Columns(ids, label_column, patient_column, site_column, split_column)
        table = _table(labels, columns, found, table_format or {})
    assembly = assemble(found.cells, rules, table, source=labels or folder, skip_orphans=skip_orphans)
    written = write_dataset(
        output,
        assembly,
        replace(description, naming=None if importer_of(folder, found.naming) else found.naming),
        copy=copy,
        skip_bad=skip_bad,
        progress=progress,
    )
    counts, index = dict.fromkeys(assembly.counts, 0), written.manifest.index
    for code, label in enumerate(index.names["label"]):
        counts[label or NO_LABEL] = int((index.codes["label"] == code).sum())
    return ImportedDataset(
        Path(output),
        written.facts,
        counts,
        len(index.names["patient_id"]),
        [*notes, *found.notes, *_file_notes(found, folder), *assembly.notes, *written.notes],
        missing_for_training(written.manifest),
        has_teacher_cells(written.manifest),
    )


def preview_images(
    folder: str | Path,
    *,
    files: str | Sequence[str] = (),
    pattern: str | None = None,
    preset: str | None = None,
    cell_id: str = "",
    channels: Mapping[str, str] | None = None,
    planes: Literal["channels", "cells"] | None = None,
    first_plane: int | None = None,
) -> ImportPreview:
    """Pairs the image files in a folder by their names, as `import_images` does with the same arguments.

    Raises:
        TfctcError: as `import_images`.
    """
    naming, notes = _naming(folder, files, pattern, preset, cell_id, channels or {}, planes, first_plane)
    found = _found(folder, naming)
    paired = sum(set(cell.images) == set(CHANNELS) for cell in found.cells.values())
    return ImportPreview(
        [(path, match.groups) for path, match in found.examples],
        {
            "bright-field": sum(BRIGHTFIELD in cell.images for cell in found.cells.values()),
            "DAPI": sum(DAPI in cell.images for cell in found.cells.values()),
            "of other channels": sum(found.ignored.values()),
            "with other names": len(found.unmatched),
        },
        len(found.cells),
        paired,
        [*notes, *found.notes, *_file_notes(found, folder)],
    )


def _naming(
    folder: str | Path,
    files: str | Sequence[str],
    pattern: str | None,
    preset: str | None,
    cell_id: str,
    channels: Mapping[str, str],
    planes: Literal["channels", "cells"] | None,
    first_plane: int | None,
) -> tuple[FileNaming, list[str]]:
    """The naming that the arguments describe, and notes. Raises ConfigError with proposals if they describe none."""
    from tfctc.data.importers.files_with_cells import importer_of
    from tfctc.data.importers.presets import PRESETS
    from tfctc.io.naming import Names

    # A template for files with many cells need not name a cell.
    templates = (files,) if isinstance(files, str) else tuple(files)
    many = FileNaming(templates, pattern or "", cell_id, channels, "cells", first_plane or 0)
    if not preset and importer_of(folder, many):
        return many, []
    naming = naming_of(files, pattern, preset, cell_id, channels, planes, first_plane)
    if naming is None or not (naming.files or naming.pattern):
        raise _with_proposals(folder)
    if planes == "cells":
        Names(naming)
        return naming, []
    if planes == "channels" or "channel" not in Names(naming).groups:
        naming = replace(naming, planes="channels")
    return naming, [PRESETS[preset].note] if preset else []


def _with_proposals(folder: str | Path) -> ConfigError:
    """The error for a user who has not said how the files are named: it lists the namings that fit."""
    from tfctc.data.importers.proposals import example_files, propose

    proposals = propose(folder)
    if not proposals:
        example = "--files '{patient}/{cell}_{channel}.tif' --channel NAME=brightfield --channel NAME=dapi"
        problem = "--files is needed: no template is known for the names of these files"
        fix = f"say which part of a name is what, for example {example}; --dry-run shows files with their parts"
        shown = [f"  {name}" for name in example_files(folder)]
        return ConfigError(problem, path=folder, fix=fix, details=["Some files of the folder:", *shown])
    lines = ["Names of files that fit, with the number of cells that they pair:"]
    for one in proposals:
        lines += [f"  {one.paired} of {one.cells} cells: {one.options}", f"      {one.meaning}"]
    choice = f"add the one that is right, for example: {proposals[0].options}"
    if len({one.patients for one in proposals}) > 1:
        choice = "they differ in the patients, so no choice is safe but yours: add the one whose patients are right"
    check = "; check which channel is which" if proposals[0].is_guess else ""
    fix = f"{choice}; --dry-run shows files with their parts{check}"
    return ConfigError("--files is needed: the names of the files", path=folder, fix=fix, details=lines)


def _found(folder: str | Path, naming: FileNaming, progress: Progress = silent) -> "Pairing":
    from tfctc.data.importers.files_with_cells import cells_of_files, importer_of
    from tfctc.data.importers.pairing import pair

    importer = importer_of(folder, naming)
    return pair(folder, naming, progress) if importer is None else cells_of_files(folder, naming, importer)


def _table(path: str | Path, columns: "Columns", found: "Pairing", table_format: Mapping[str, Any]) -> "Labels":
    """The label table, by cell id."""
    from tfctc.data.importers.labels import labels_of_cells
    from tfctc.io.naming import Names

    names = Names(found.naming) if found.naming.files or found.naming.pattern else None
    return labels_of_cells(path, columns, found.cells, names, **table_format)


def _file_notes(found: "Pairing", folder: str | Path) -> list[str]:
    """Notes on the files that were passed over."""
    from tfctc.io.folders import other_file_notes
    from tfctc.io.names import abbreviated

    notes = [f"{count} file(s) of channel {name} ignored" for name, count in sorted(found.ignored.items())]
    if found.unmatched:
        notes.append(f"{len(found.unmatched)} image file(s) with other names: {abbreviated(found.unmatched)}")
    if os.path.isdir(folder):
        notes += other_file_notes(Path(folder))
    return notes


def _bit_depths(given: int | Mapping[str, int] | None) -> dict[str, int]:
    if given is None:
        return {}
    depths = dict.fromkeys(CHANNELS, given) if isinstance(given, int) else dict(given)
    for channel in depths:
        if channel not in CHANNELS:
            fix = f"choose one of: {', '.join(CHANNELS)}"
            raise ConfigError(f"--bit-depth: unknown channel {channel!r}", fix=fix)
    return depths


def _binning(given: Mapping[str, int]) -> int:
    for channel in given:
        if channel != DAPI:
            fix = "give --binning dapi=2; bright-field must have all its pixels"
            raise ConfigError(f"--binning is for dapi, got {channel!r}", fix=fix)
    return given.get(DAPI, 1)
