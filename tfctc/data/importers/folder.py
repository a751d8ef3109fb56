"""From paired image files and labels to a data set: cells are assembled, every image is checked, the folder written."""

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
    """Facts of a data set that its files do not show; see `DatasetFacts`. A bit depth of None is that of the files."""

    name: str
    classes: tuple[str, str] = ("leukocyte", "ctc")
    bit_depth: int | None = None
    mpp: float | None = None
    group: str = "patient"

    def __post_init__(self):
        self.facts(np.zeros((1, 1), np.uint16))  # A mistake is reported before the files are read.

    def facts(self, pixels: np.ndarray) -> DatasetFacts:
        """All facts, with the size and depth of one image ``(H, W)``."""
        bit_depth = self.bit_depth or 8 * pixels.dtype.itemsize
        return DatasetFacts(self.name, self.classes, bit_depth, pixels.shape, self.mpp, self.group)


@dataclass
class ImportReport:
    """Counts and notes of an import, for the user to check."""

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
    """Joins files and labels to cells, ordered by cell id.

    Args:
        known: cell id -> row of the label table; empty if there is none.
        mapping: the table's labels -> class names; an empty name makes a cell unlabelled.
        drop: the table's labels whose cells are left out.
        table: path of the label table, for messages.
        skip_orphans: leave out cells without bright-field or patient instead of raising.

    Raises:
        ConfigError: a label mapped to something that is not a class.
        ImageError: a link to a path that is not UTF-8, as the manifest is.
        PairingError: DAPI without bright-field, or a table without any of the cells.
        ManifestError: an unknown label, a cell without a patient, or one whose patient or site differs between table
            and path.
    """
    for label, name in mapping.items():
        if name and name not in classes:
            fix = "map to one of these, to nothing, or give other --classes"
            raise ConfigError(f"--map {label}={name}: classes are {' and '.join(classes)}", fix=fix)
    report = ImportReport()
    lost = orphans(found.cells)
    if lost and not skip_orphans:
        raise PairingError(
            f"{len(lost)} cell(s) without a bright-field image: {abbreviated(lost)}", fix="add them, or --skip-orphans"
        )
    if known and not set(known) & set(found.cells):
        raise PairingError(
            f"no id of the label table is a cell's ({next(iter(known))} against {next(iter(found.cells))})",
            fix="give a --pattern whose group cell finds these, or another --id-column",
        )
    cells, dropped, homeless, torn = [], 0, [], []
    for cell_id in sorted(set(found.cells) - set(lost)):
        files, row = found.cells[cell_id], known.get(cell_id, LabelRow(""))
        patient = files.patient or row.patient
        if row.label in drop and row.label:
            dropped += 1
        elif _differ(files.patient, row.patient) or _differ(files.site, row.site):
            torn.append(cell_id)
        elif not patient:
            homeless.append(cell_id)
        else:
            cells.append(
                Cell(
                    cell_id,
                    patient,
                    files.site or row.site,
                    _real(files.files[BRIGHTFIELD]),
                    _real(files.files[DAPI]) if DAPI in files.files else "",
                    class_of(row.label, mapping, classes, f"cell {cell_id}", table),
                )
            )
    if torn:
        raise ManifestError(
            f"{len(torn)} cell(s) have another patient or site in the table than in the path: {abbreviated(torn)}",
            fix="correct the table, give another --pattern, or leave out --patient-column and --site-column",
        )
    if homeless and not skip_orphans:
        raise ManifestError(
            f"{len(homeless)} cell(s) have no patient: {abbreviated(homeless)}",
            fix="add (?P<patient>...) to the pattern or --patient-column; --skip-orphans leaves them out",
        )
    if not cells:
        raise ManifestError("no cell is left", fix="check --drop and the label table")
    for label in (*classes, ""):
        report.cells[label or NO_LABEL] = sum(cell.label == label for cell in cells)
    notes = {
        "file(s) outside the pattern": found.unmatched,
        "cell(s) without bright-field left out": lost,
        "cell(s) without a patient left out": homeless,
        "cell(s) without DAPI kept": [cell.cell_id for cell in cells if not cell.dapi],
        "labelled cell(s) without an image": sorted(set(known) - set(found.cells)),
        "cell(s) without a row in the label table": [c.cell_id for c in cells if known and c.cell_id not in known],
    }
    report.notes = [f"{len(names)} {what}: {abbreviated(names)}" for what, names in notes.items() if names]
    report.notes += [f"{count} file(s) of channel {name} ignored" for name, count in sorted(found.ignored.items())]
    report.notes += [f"{dropped} cell(s) dropped by label"] if dropped else []
    return cells, report


def _real(path: Path) -> str:
    """Path of an image for the manifest, links followed; a name that it cannot hold is an ImageError."""
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
    """Checks every image and writes the data set folder; returns its facts and notes for the user.

    Raises:
        ImageError: the first image that differs from the others in size or depth, or cannot be used.
        PairingError: two images of the same pixels.
        ManifestError: a description that no data set can have, or cells that `Manifest.open` refuses.
        OutputError: `output` is not empty or cannot be written to; nothing is left behind.
    """
    first = cells[0].brightfield
    pixels, highest = read_pixels(first), 0
    facts = description.facts(pixels)
    if pixels.dtype != facts.dtype:
        problem = f"has {pixels.dtype} pixels, {facts.dtype} expected (bit depth {facts.bit_depth})"
        fix = "--bit-depth 8" if pixels.dtype == np.uint8 else "--bit-depth 9 to 16"
        raise ImageError(problem, path=first, fix=fix)
    with atomic_folder(output) as room:
        write_manifest(room, facts, cells)
        try:
            Manifest.open(room)
        except ManifestError as error:
            # Its path is in a temporary folder, and its advice is about a file that does not remain.
            names = "correct the names of the files or the label table, or give another --pattern"
            fix = "; ".join(filter(None, (error.fix, names)))
            problem = f"would be refused by fit: {error.problem}"
            raise ManifestError(problem, path=Path(output) / MANIFEST, fix=fix) from None
        twins: dict[bytes, str] = {}
        for cell in tracked(progress, "Checking images", cells, len(cells)):
            for path in filter(None, (cell.brightfield, cell.dapi)):
                pixels = read_channel(path, facts)
                highest = max(highest, int(pixels.max()))
                # Noise makes every image different; blank ones may be equal.
                digest = blake2b(pixels.tobytes(), digest_size=16).digest()
                if pixels.min() < pixels.max() and twins.setdefault(digest, path) != path:
                    problem = f"has the same pixels as {twins[digest]}"
                    fix = "keep one of them: a cell that is there twice may be in training and in test"
                    raise PairingError(problem, path=path, fix=fix)
    notes = []
    if description.bit_depth is None and facts.bit_depth == 16 and 0 < highest < 2**15:
        bits = max(8, highest.bit_length())
        notes.append(f"no pixel is above {highest}: if the camera has fewer bits than 16 (12?), say --bit-depth {bits}")
    return facts, notes
