"""From a folder of image files to a data set: pair, label, look at every image, write the manifest."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

import numpy as np

from tfctc.cells import BRIGHTFIELD, DAPI, NO_LABEL, Cell, DatasetFacts
from tfctc.data.importers.labels import Known, translate
from tfctc.data.importers.pairing import Pairing, listed, orphans, refuse_unwritable
from tfctc.data.manifest import MANIFEST, Manifest, write_manifest
from tfctc.errors import ConfigError, ImageError, ManifestError, PairingError
from tfctc.files import atomic_folder
from tfctc.images import read_channel, read_pixels


@dataclass(frozen=True)
class Description:
    """What the files do not tell about the data set; see `DatasetFacts`. A bit depth of None is that of the files."""

    name: str
    classes: tuple[str, str] = ("leukocyte", "ctc")
    bit_depth: int | None = None
    mpp: float | None = None
    group: str = "patient"

    def __post_init__(self):
        self.facts(np.zeros((1, 1), np.uint16))  # a mistake is told before the files are looked at

    def facts(self, pixels: np.ndarray) -> DatasetFacts:
        """With what one image ``(H, W)`` tells."""
        bit_depth = self.bit_depth or 8 * pixels.dtype.itemsize
        return DatasetFacts(self.name, self.classes, bit_depth, pixels.shape, self.mpp, self.group)


@dataclass
class Report:
    """What became of the files, for the user to check."""

    cells: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def gather(
    found: Pairing,
    known: Mapping[str, Known],
    classes: tuple[str, str],
    *,
    mapping: Mapping[str, str],
    drop: set[str],
    table: str | Path | None = None,
    skip_orphans: bool = False,
) -> tuple[list[Cell], Report]:
    """Puts files and labels together, ordered by cell id.

    Args:
        known: what the table says of the cells; empty if there is none.
        mapping: the table's labels -> class names; an empty name makes a cell unlabelled.
        drop: the table's labels whose cells are left out.
        table: the file that `known` was read from, for what is said of it.
        skip_orphans: leave out cells without bright-field or patient instead of raising.

    Raises:
        ConfigError: a label mapped to what is no class.
        ImageError: a link to a path that is not UTF-8, as the manifest is.
        PairingError: DAPI without its bright-field, or a table that knows none of the cells.
        ManifestError: an unknown label, a cell whose patient nobody tells, or of whose patient or site the table says
            another thing than the path.
    """
    for label, name in mapping.items():
        if name and name not in classes:
            fix = "map to one of these, to nothing, or give other --classes"
            raise ConfigError(f"--map {label}={name}: classes are {' and '.join(classes)}", fix=fix)
    report = Report()
    lost = orphans(found.cells)
    if lost and not skip_orphans:
        raise PairingError(
            f"{len(lost)} cell(s) without a bright-field image: {listed(lost)}", fix="add them, or --skip-orphans"
        )
    if known and not set(known) & set(found.cells):
        raise PairingError(
            f"no id of the label table is a cell's ({next(iter(known))} against {next(iter(found.cells))})",
            fix="give a --pattern whose group cell finds these, or another --id-column",
        )
    cells, dropped, homeless, torn = [], 0, [], []
    for cell_id in sorted(set(found.cells) - set(lost)):
        files, row = found.cells[cell_id], known.get(cell_id, Known(""))
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
                    translate(row.label, mapping, classes, f"cell {cell_id}", table),
                )
            )
    if torn:
        raise ManifestError(
            f"{len(torn)} cell(s) of another patient or site by the label table than by the path: {listed(torn)}",
            fix="mend the table, give another --pattern, or leave out --patient-column and --site-column",
        )
    if homeless and not skip_orphans:
        raise ManifestError(
            f"{len(homeless)} cell(s) of no patient: {listed(homeless)}",
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
    report.notes = [f"{len(names)} {what}: {listed(names)}" for what, names in notes.items() if names]
    report.notes += [f"{count} file(s) of channel {name} ignored" for name, count in sorted(found.ignored.items())]
    report.notes += [f"{dropped} cell(s) dropped by label"] if dropped else []
    return cells, report


def _real(path: Path) -> str:
    """What a manifest says of where an image lies, links followed; a name that it cannot hold is an ImageError."""
    real = os.path.realpath(path)
    refuse_unwritable(real, Path(real))
    return real


def _differ(one: str, other: str) -> bool:
    return bool(one and other) and one != other


def write(
    output: str | Path,
    cells: list[Cell],
    description: Description,
    progress: Callable[[int], None] = lambda cells: None,
) -> tuple[DatasetFacts, list[str]]:
    """Looks at every image and writes the data set folder; returns its facts and notes for the user.

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
            # It names a temporary folder, and mends a file that is never there.
            names = "mend the names of the files or the label table, or give another --pattern"
            fix = "; ".join(filter(None, (error.fix, names)))
            problem = f"would be refused by fit: {error.problem}"
            raise ManifestError(problem, path=Path(output) / MANIFEST, fix=fix) from None
        twins: dict[bytes, str] = {}
        for cell in cells:
            for path in filter(None, (cell.brightfield, cell.dapi)):
                pixels = read_channel(path, facts)
                highest = max(highest, int(pixels.max()))
                # Noise makes every image another; a blank one may well be there twice.
                digest = blake2b(pixels.tobytes(), digest_size=16).digest()
                if pixels.min() < pixels.max() and twins.setdefault(digest, path) != path:
                    problem = f"holds the very pixels of {twins[digest]}"
                    fix = "keep one of them: a cell that is there twice may be learnt from and tested on"
                    raise PairingError(problem, path=path, fix=fix)
            progress(1)
    notes = []
    if description.bit_depth is None and facts.bit_depth == 16 and 0 < highest < 2**15:
        bits = max(8, highest.bit_length())
        notes.append(f"no pixel is above {highest}: if the camera has fewer bits than 16 (12?), say --bit-depth {bits}")
    return facts, notes
