"""Assembly: joins the cells of a source and the rows of a label table; each cell gets a patient and a class."""

import csv
import io
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfctc.cells import BRIGHTFIELD, DAPI, NO_LABEL, OTHER, Cell
from tfctc.data.importers.given_splits import given_splits
from tfctc.data.importers.labels import LabelRow, Labels
from tfctc.data.importers.pairing import orphans
from tfctc.data.importers.sources import SourceCell, SourceImage
from tfctc.errors import ConfigError, ManifestError, PairingError
from tfctc.io.names import abbreviated


@dataclass(frozen=True)
class ClassRules:
    """Rules by which the labels of a source become classes.

    Args:
        classes: names of the negative and the positive class.
        mapping: label -> class name; an empty name makes a cell unlabelled.
        drop: labels whose cells are left out.
        other: labels of neither class, which become the class `OTHER`.

    Raises:
        ConfigError: a label mapped to a name that is not a class, or in two rules.
    """

    classes: tuple[str, str] = ("leukocyte", "ctc")
    mapping: Mapping[str, str] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()
    other: frozenset[str] = frozenset()

    def __post_init__(self):
        rules = {"--map": {*self.mapping}, "--drop": self.drop, "--classes": {*self.classes}}
        for option, labels in rules.items():
            for label in sorted(self.other & labels):
                problem = f"--other {label}: the label is also in {option}"
                raise ConfigError(problem, fix="give it to one of them")
        for label, name in self.mapping.items():
            if name and name not in self.classes:
                fix = "map it to one of these or to nothing, or give other --classes"
                fix = f"give --other {shlex.quote(as_csv(label))} in its place" if name == OTHER else fix
                raise ConfigError(f"--map {label}={name}: classes are {' and '.join(self.classes)}", fix=fix)

    def check_labels(self, labels: Counter[str], others: Iterable[str], source: str | Path | None) -> None:
        """Checks that every label becomes a class, and that every rule is used.

        Args:
            labels: label -> number of its cells.
            others: labels in the table of cells without an image.
            source: path of the label table or of the folder, for messages.

        Raises:
            ManifestError: labels that are neither mapped nor classes nor dropped, all of them in one message.
            ConfigError: a label of a rule that no cell has.
        """
        known = {*self.classes, *self.mapping, *self.drop, *self.other, ""}
        if unknown := {label: count for label, count in sorted(labels.items()) if label not in known}:
            listed = ", ".join(f"{label!r} ({count} cells)" for label, count in unknown.items())
            raise ManifestError(
                f"unknown label {listed}; classes are {' and '.join(self.classes)}",
                path=source,
                fix=f"give for each of them {' and '.join(map(self._advice, unknown))}, or other --classes",
            )
        for option, given in (("--map", self.mapping), ("--drop", self.drop), ("--other", self.other)):
            for label in given:
                if label not in labels and label not in others:
                    there = abbreviated(sorted(filter(None, labels))) or "none"
                    problem = f"{option} {label}: no cell has this label; the labels are {there}"
                    raise ConfigError(problem, path=source, fix="correct it, or leave it out")

    def class_of(self, label: str) -> str:
        """Class name of a label that `check_labels` has accepted; empty for an unlabelled cell."""
        return OTHER if label in self.other else self.mapping.get(label, label)

    @property
    def renames(self) -> bool:
        """Whether the class of a cell may have another name than its label."""
        return bool(self.mapping or self.other)

    def _advice(self, label: str) -> str:
        # A class that is the same word in another case is suggested alone.
        likely = [name for name in self.classes if name.casefold() == label.casefold()] or self.classes
        options = [f"--map {shlex.quote(f'{label}={name}')}" for name in likely]
        return " or ".join([*options, f"--other {shlex.quote(as_csv(label))}", f"--drop {shlex.quote(label)}"])


def as_csv(label: str) -> str:
    """A label as one value of a list with commas: in quotes if it needs them."""
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow([label])
    return text.getvalue()


@dataclass
class Assembly:
    """Cells of a data set that is to be written, in order of their ids; each iteration joins them anew.

    Args:
        found: cell id -> cell of the source, in order of the ids.
        rows: cell id -> row of the label table.
        rules: rules for the labels.
        counts: class name or `NO_LABEL` -> number of cells.
        notes: remarks on the files and the table, one sentence each.
        splits: patient -> split that the table gives.
    """

    found: Mapping[str, SourceCell]
    rows: Mapping[str, LabelRow]
    rules: ClassRules
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    splits: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(self.counts.values())

    @property
    def has_original_labels(self) -> bool:
        """Whether the cells have an original label."""
        return self.rules.renames

    def __iter__(self) -> Iterator[tuple[Cell, Mapping[str, SourceImage]]]:
        """Yields each cell, with empty paths, and channel -> image; no cell without bright-field or patient."""
        for cell_id, cell in self.found.items():
            row = self.row(cell_id)
            label, patient = row.label or cell.label, cell.patient or row.patient
            if BRIGHTFIELD in cell.images and patient and label not in self.rules.drop:
                known = {
                    "label": self.rules.class_of(label),
                    "original_label": label if self.has_original_labels else "",
                }
                yield Cell(cell_id, patient, cell.site or row.site, "", **known), cell.images

    def row(self, cell_id: str) -> LabelRow:
        """Row of a cell in the label table; an empty one if it has none."""
        return self.rows.get(cell_id) or LabelRow("")


def assemble(
    found: Mapping[str, SourceCell],
    rules: ClassRules,
    table: Labels | None = None,
    *,
    source: str | Path | None = None,
    skip_orphans: bool = False,
) -> Assembly:
    """Joins the cells of a source and the rows of a label table.

    Args:
        found: cell id -> cell, in order of the ids.
        rules: rules for the labels.
        table: the label table; None if there is none.
        source: path of the label table or of the folder, for messages.
        skip_orphans: whether cells without a bright-field image or a patient are left out; otherwise they are errors.

    Raises:
        ConfigError: a rule for a label that no cell has.
        PairingError: cells without a bright-field image.
        ManifestError: unknown labels, cells without a patient, cells whose patient, site or label differs between table
            and path, unknown splits, patients in two splits, events that are counted from another number, or no cell
            left.
    """
    without_brightfield = orphans(found)
    _check_zeros(without_brightfield, found)
    if without_brightfield and not skip_orphans:
        raise PairingError(
            f"{len(without_brightfield)} cell(s) without a bright-field image: {abbreviated(without_brightfield)}",
            fix="add the images, or leave these cells out with --skip-orphans",
        )
    rows = table.rows if table else {}
    lost = [cell_id for cell_id in rows if cell_id not in found]
    result = Assembly(found, rows, rules, notes=list(table.notes if table else ()))
    labels: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    lists: dict[str, list[str]] = {
        "cell(s) without bright-field left out": without_brightfield,
        "cell(s) without a patient left out": [],
        "cell(s) without DAPI kept": [],
        "labelled cell(s) without an image": lost,
        "cell(s) without a row in the label table": [],
    }
    given: dict[str, dict[str, str]] = {}
    differing = {name: _Differing(name) for name in ("patient", "site", "label")}
    for cell_id, cell in found.items():
        if BRIGHTFIELD not in cell.images:
            continue
        row = result.row(cell_id)
        for name, check in differing.items():
            in_path, in_table = getattr(cell, name), getattr(row, name)
            if name != "label" or rules.class_of(in_path) != rules.class_of(in_table):
                check(cell_id, in_path, in_table)
        label = row.label or cell.label
        labels[label] += 1
        if label in rules.drop:
            continue
        if not (cell.patient or row.patient):
            lists["cell(s) without a patient left out"].append(cell_id)
            continue
        classes[rules.class_of(label) or NO_LABEL] += 1
        if cell_id in rows:
            given.setdefault(cell.patient or row.patient, {}).setdefault(row.split, cell_id)
        if DAPI not in cell.images:
            lists["cell(s) without DAPI kept"].append(cell_id)
        if table and cell_id not in rows:
            lists["cell(s) without a row in the label table"].append(cell_id)
    for check in differing.values():
        check.raise_if_any()
    if table:
        _check_first_plane(lost, lists["cell(s) without a row in the label table"], found, source)
    rules.check_labels(labels, {row.label for row in rows.values()}, source)
    without_patient = lists["cell(s) without a patient left out"]
    if without_patient and not skip_orphans:
        raise ManifestError(
            f"{len(without_patient)} cell(s) have no patient: {abbreviated(without_patient)}",
            fix="add {patient} to --files, give --patient-column, or leave them out with --skip-orphans",
        )
    result.splits = given_splits(given, source)
    names = (*rules.classes, OTHER) if rules.other else rules.classes
    result.counts = {name: classes[name] for name in (*names, NO_LABEL)}
    if not len(result):
        raise ManifestError("no cell is left", fix="check --drop, --skip-orphans and the label table")
    result.notes += [f"{len(cells)} {kind}: {abbreviated(cells)}" for kind, cells in lists.items() if cells]
    dropped = sum(count for label, count in labels.items() if label in rules.drop)
    result.notes += [f"{dropped} cell(s) dropped by label"] if dropped else []
    return result


def _check_zeros(orphan_ids: Sequence[str], found: Mapping[str, SourceCell]) -> None:
    """Checks that no DAPI image is without its bright-field image only because of leading zeros, as 01 and 1."""
    for cell_id in orphan_ids:
        shorter = re.sub(r"(?<!\d)0+(?=\d)", "", cell_id)
        other = found.get(shorter) if shorter != cell_id else None
        if other and DAPI not in other.images:
            problem = f"cell {cell_id} has only DAPI, and cell {shorter} only bright-field: they may be one cell"
            raise PairingError(problem, fix="give the files of both channels the same number of zeros")


def _check_first_plane(
    lost: Sequence[str], without_row: Sequence[str], found: Mapping[str, SourceCell], source: str | Path | None
) -> None:
    """Checks that a table does not count the planes of a file from another number than the import."""
    for ids, first in ((lost, 1), (without_row, 0)):
        others = set(without_row if first else lost)
        for cell_id in ids:
            base, _, number = cell_id.rpartition("/")
            cell = found.get(f"{base}/1")
            has_planes = cell is not None and any(image.plane is not None for image in cell.images.values())
            if has_planes and number.isdecimal() and f"{base}/0" in others:
                fix = f"give --first-plane {first} if the table does, else complete it"
                problem = f"seems to count from {first}, and the cell ids from {1 - first}: {cell_id} and {base}/0"
                raise ManifestError(problem, path=source, fix=fix)


class _Differing:
    """Cells whose path and row in the table contradict each other; called with each cell.

    Args:
        name: "patient", "site" or "label".
    """

    def __init__(self, name: str):
        self._name, self._first = name, ("", "")
        self._cells: list[str] = []

    def __call__(self, cell_id: str, in_path: str, in_table: str) -> None:
        if _differ(in_path, in_table):
            self._first = self._first if self._cells else (in_table, in_path)
            self._cells.append(cell_id)

    def raise_if_any(self) -> None:
        """Raises a ManifestError that names the cells, if there are any."""
        if self._cells:
            listed = f"{abbreviated(self._cells)} ({self._cells[0]}: {self._first[0]} and {self._first[1]})"
            raise ManifestError(
                f"{len(self._cells)} cell(s) have another {self._name} in the table than in the path: {listed}",
                fix=f"correct the table, write * in place of {{{self._name}}} in --files, or give another "
                f"--{self._name}-column",
            )


def _differ(one: str, other: str) -> bool:
    """Whether two names are there and differ. A spreadsheet removes leading zeros, so 7 may be 007."""
    both = one and other and one != other
    return bool(both and not (one.isdecimal() and other.isdecimal() and int(one) == int(other)))
