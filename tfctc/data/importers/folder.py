"""Data set folder from paired image files and labels: assembles cells, checks every image, writes the files."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np

from tfctc.cells import BRIGHTFIELD, DAPI, NO_LABEL, Cell, DatasetFacts
from tfctc.data.importers.labels import LabelRow, class_of
from tfctc.data.importers.pairing import Pairing, orphans
from tfctc.data.manifest import MANIFEST, Manifest, write_manifest
from tfctc.errors import ConfigError, ImageError, ManifestError, PairingError
from tfctc.io.files import atomic_folder
from tfctc.io.images import read_channel, read_pixels
from tfctc.io.names import abbreviated, check_encodable
from tfctc.progress import Progress, silent, tracked


@dataclass(frozen=True)
class DatasetDescription:
    """Facts of a data set that its image files do not show.

    Args:
        name, classes, mpp, group: as in `DatasetFacts`.
        bit_depth: as in `DatasetFacts`; None is 8 or 16, as in the files.

    Raises:
        ManifestError: a value that no data set can have.
    """

    name: str
    classes: tuple[str, str] = ("leukocyte", "ctc")
    bit_depth: int | None = None
    mpp: float | None = None
    group: str = "patient"

    def __post_init__(self):
        self.facts(np.zeros((1, 1), np.uint16))  # Reports a mistake before the files are read.

    def facts(self, pixels: np.ndarray) -> DatasetFacts:
        """All facts, with the size and bit depth of one image ``(H, W)``."""
        bit_depth = self.bit_depth or 8 * pixels.dtype.itemsize
        return DatasetFacts(self.name, self.classes, bit_depth, pixels.shape, self.mpp, self.group)


@dataclass
class ImportReport:
    """Results of an import, for the user to check.

    Args:
        cells: class name or `NO_LABEL` -> number of cells.
        notes: remarks on the files and the table, one sentence each.
    """

    cells: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def assemble_cells(
    found: Pairing,
    known: Mapping[str, LabelRow],
    classes: tuple[str, str],
    *,
    mapping: Mapping[str, str],
    drop: set[str],
    table: str | Path | None = None,
    skip_orphans: bool = False,
) -> tuple[list[Cell], ImportReport]:
    """Joins image files and labels to cells, ordered by cell id.

    Args:
        found: the image files of every cell.
        known: cell id -> row of the label table; empty if there is no table.
        classes: names of the negative and the positive class.
        mapping: label in the table -> class name; an empty name makes a cell unlabelled.
        drop: labels in the table whose cells are left out.
        table: path of the label table, for messages.
        skip_orphans: whether cells without a bright-field image or a patient are left out; otherwise they are errors.

    Returns:
        The cells, and the counts and notes for the user.

    Raises:
        ConfigError: a label mapped to a name that is not a class.
        ImageError: a link to a path that is not UTF-8, the encoding of the manifest.
        PairingError: cells without a bright-field image, or a table without any of the cells.
        ManifestError: an unknown label, a cell without a patient, one whose patient or site differs between table and
            path, or no cell left.
    """
    for label, name in mapping.items():
        if name and name not in classes:
            fix = "map it to one of these or to nothing, or give other --classes"
            raise ConfigError(f"--map {label}={name}: classes are {' and '.join(classes)}", fix=fix)
    report = ImportReport()
    without_brightfield = orphans(found.cells)
    if without_brightfield and not skip_orphans:
        raise PairingError(
            f"{len(without_brightfield)} cell(s) without a bright-field image: {abbreviated(without_brightfield)}",
            fix="add the images, or leave these cells out with --skip-orphans",
        )
    if known and not set(known) & set(found.cells):
        raise PairingError(
            f"the label table has none of the cell ids of the files: it has {next(iter(known))}, for example, "
            f"and the files have {next(iter(found.cells))}",
            fix="give a --pattern whose group `cell` matches the ids of the table, or another --id-column",
        )
    cells, dropped, without_patient, contradictory = [], 0, [], []
    for cell_id in sorted(set(found.cells) - set(without_brightfield)):
        files, row = found.cells[cell_id], known.get(cell_id, LabelRow(""))
        patient = files.patient or row.patient
        if row.label in drop and row.label:
            dropped += 1
        elif _differ(files.patient, row.patient) or _differ(files.site, row.site):
            contradictory.append(cell_id)
        elif not patient:
            without_patient.append(cell_id)
        else:
            cells.append(
                Cell(
                    cell_id,
                    patient,
                    files.site or row.site,
                    _real_path(files.files[BRIGHTFIELD]),
                    _real_path(files.files[DAPI]) if DAPI in files.files else "",
                    class_of(row.label, mapping, classes, f"cell {cell_id}", table),
                )
            )
    if contradictory:
        raise ManifestError(
            f"{len(contradictory)} cell(s) have another patient or site in the table than in the path: "
            f"{abbreviated(contradictory)}",
            fix="correct the table, give another --pattern, or leave out --patient-column and --site-column",
        )
    if without_patient and not skip_orphans:
        raise ManifestError(
            f"{len(without_patient)} cell(s) have no patient: {abbreviated(without_patient)}",
            fix="add (?P<patient>...) to the pattern, give --patient-column, or leave them out with --skip-orphans",
        )
    if not cells:
        raise ManifestError("no cell is left", fix="check --drop, --skip-orphans and the label table")
    for label in (*classes, ""):
        report.cells[label or NO_LABEL] = sum(cell.label == label for cell in cells)
    notes = {
        "file(s) outside the pattern": found.unmatched,
        "cell(s) without bright-field left out": without_brightfield,
        "cell(s) without a patient left out": without_patient,
        "cell(s) without DAPI kept": [cell.cell_id for cell in cells if not cell.dapi],
        "labelled cell(s) without an image": sorted(set(known) - set(found.cells)),
        "cell(s) without a row in the label table": [c.cell_id for c in cells if known and c.cell_id not in known],
    }
    report.notes = [f"{len(names)} {note}: {abbreviated(names)}" for note, names in notes.items() if names]
    report.notes += [f"{count} file(s) of channel {name} ignored" for name, count in sorted(found.ignored.items())]
    report.notes += [f"{dropped} cell(s) dropped by label"] if dropped else []
    return cells, report


def _real_path(path: Path) -> str:
    """Path of an image for the manifest, links followed; raises ImageError if it is not UTF-8."""
    real = os.path.realpath(path)
    check_encodable(real, Path(real))
    return real


def _differ(one: str, other: str) -> bool:
    return bool(one and other) and one != other


def write_dataset(
    output: str | Path,
    cells: list[Cell],
    description: DatasetDescription,
    progress: Progress = silent,
) -> tuple[DatasetFacts, list[str]]:
    """Checks every image and writes the data set folder; on an error, nothing is left behind.

    Args:
        output: the folder to write.
        cells: the cells, one or more.
        description: facts of the data set that the files do not show.
        progress: called after each cell.

    Returns:
        The facts of the data set, and notes for the user.

    Raises:
        ImageError: the first image that cannot be used, or differs from the others in size or bit depth.
        PairingError: two images with the same pixels.
        ManifestError: cells that `Manifest.open` would refuse.
        OutputError: `output` is not empty or cannot be written to.
    """
    first = cells[0].brightfield
    pixels, highest = read_pixels(first), 0
    facts = description.facts(pixels)
    if pixels.dtype != facts.dtype:
        problem = f"has {pixels.dtype} pixels, {facts.dtype} expected (bit depth {facts.bit_depth})"
        fix = "give --bit-depth 8" if pixels.dtype == np.uint8 else "give --bit-depth 9 to 16"
        raise ImageError(problem, path=first, fix=fix)
    with atomic_folder(output) as temporary:
        write_manifest(temporary, facts, cells)
        try:
            Manifest.open(temporary)
        except ManifestError as error:
            # The error is about a manifest.csv that is removed now. The cause is in the names of files or in the table.
            cause = "correct the names of the files or the label table, or give another --pattern"
            fix = "; ".join(filter(None, (error.fix, cause)))
            problem = f"would be refused by fit: {error.problem}"
            raise ManifestError(problem, path=Path(output) / MANIFEST, fix=fix) from None
        first_path: dict[bytes, str] = {}
        for cell in tracked(progress, "Checking images", cells, len(cells)):
            for path in filter(None, (cell.brightfield, cell.dapi)):
                pixels = read_channel(path, facts)
                highest = max(highest, int(pixels.max()))
                # Camera noise makes every image unique, except blank ones.
                digest = blake2b(pixels.tobytes(), digest_size=16).digest()
                if pixels.min() < pixels.max() and first_path.setdefault(digest, path) != path:
                    problem = f"has the same pixels as {first_path[digest]}"
                    fix = "keep one of them: a cell that is there twice may be in training and in test"
                    raise PairingError(problem, path=path, fix=fix)
    notes = []
    if description.bit_depth is None and facts.bit_depth == 16 and 0 < highest < 2**15:
        bits = max(8, highest.bit_length())
        notes.append(
            f"no pixel is above {highest}: if the camera has fewer than 16 bits, import again with --bit-depth and "
            f"their number, {bits} or more"
        )
    return facts, notes
