"""Assembly: cells of a source and rows of a label table become cells with a patient and a class."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfctc.cells import DAPI, NO_LABEL, Cell
from tfctc.data.importers.labels import LabelRow, Labels
from tfctc.data.importers.matching import match_ids
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

    Raises:
        ConfigError: a label mapped to a name that is not a class.
    """

    classes: tuple[str, str] = ("leukocyte", "ctc")
    mapping: Mapping[str, str] = field(default_factory=dict)
    drop: frozenset[str] = frozenset()

    def __post_init__(self):
        for label, name in self.mapping.items():
            if name and name not in self.classes:
                fix = "map it to one of these or to nothing, or give other --classes"
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
        known = {*self.classes, *self.mapping, *self.drop, ""}
        if unknown := {label: count for label, count in sorted(labels.items()) if label not in known}:
            listed = ", ".join(f"{label!r} ({count} cells)" for label, count in unknown.items())
            raise ManifestError(
                f"unknown label {listed}; classes are {' and '.join(self.classes)}",
                path=source,
                fix=f"give for each of them {' and '.join(map(self._advice, unknown))}, or other --classes",
            )
        for option, given in (("--map", self.mapping), ("--drop", self.drop)):
            for label in given:
                if label not in labels and label not in others:
                    there = abbreviated(sorted(filter(None, labels))) or "none"
                    problem = f"{option} {label}: no cell has this label; the labels are {there}"
                    raise ConfigError(problem, path=source, fix="correct it, or leave it out")

    def class_of(self, label: str) -> str:
        """Class name of a label that `check_labels` has accepted; empty for an unlabelled cell."""
        return self.mapping.get(label, label)

    def _advice(self, label: str) -> str:
        # A class that is the same word in another case is suggested alone.
        likely = [name for name in self.classes if name.casefold() == label.casefold()] or self.classes
        options = [f"--map {shlex.quote(f'{label}={name}')}" for name in likely]
        return " or ".join([*options, f"--drop {shlex.quote(label)}"])


@dataclass
class Assembly:
    """Cells of a data set that is to be written, ordered by cell id.

    Args:
        cells: the cells, with empty paths.
        images: channel -> image, for each cell.
        counts: class name or `NO_LABEL` -> number of cells.
        notes: remarks on the files and the table, one sentence each.
    """

    cells: list[Cell] = field(default_factory=list)
    images: list[Mapping[str, SourceImage]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


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
        found: cell id -> cell.
        rules: rules for the labels.
        table: the label table; None if there is none.
        source: path of the label table or of the folder, for messages.
        skip_orphans: whether cells without a bright-field image or a patient are left out; otherwise they are errors.

    Raises:
        ConfigError: a rule for a label that no cell has.
        PairingError: cells without a bright-field image.
        ManifestError: a table that has none of the cells, or ids that fit several cells; unknown labels, cells without
            a patient, cells whose patient, site or label differs between table and path, or no cell left.
    """
    without_brightfield = orphans(found)
    if without_brightfield and not skip_orphans:
        raise PairingError(
            f"{len(without_brightfield)} cell(s) without a bright-field image: {abbreviated(without_brightfield)}",
            fix="add the images, or leave these cells out with --skip-orphans",
        )
    result, rows = Assembly(), {}
    if table is not None:
        ids, notes = match_ids(list(table.rows), list(found), table=source)
        rows = {ids[key]: row for key, row in table.rows.items() if key in ids}
        result.notes += [*table.notes, *notes]
    kept = sorted(set(found) - set(without_brightfield))
    _check_agreement(found, rows)
    labels = {cell_id: rows.get(cell_id, LabelRow("")).label or found[cell_id].label for cell_id in kept}
    rules.check_labels(Counter(labels.values()), {row.label for row in table.rows.values()} if table else set(), source)
    without_patient, dropped = [], 0
    for cell_id in kept:
        cell, row = found[cell_id], rows.get(cell_id, LabelRow(""))
        if labels[cell_id] in rules.drop:
            dropped += 1
        elif not (patient := cell.patient or row.patient):
            without_patient.append(cell_id)
        else:
            label = rules.class_of(labels[cell_id])
            result.cells.append(Cell(cell_id, patient, cell.site or row.site, "", "", label))
            result.images.append(cell.images)
    if without_patient and not skip_orphans:
        raise ManifestError(
            f"{len(without_patient)} cell(s) have no patient: {abbreviated(without_patient)}",
            fix="add {patient} to --files, give --patient-column, or leave them out with --skip-orphans",
        )
    if not result.cells:
        raise ManifestError("no cell is left", fix="check --drop, --skip-orphans and the label table")
    for label in (*rules.classes, ""):
        result.counts[label or NO_LABEL] = sum(cell.label == label for cell in result.cells)
    without_dapi = [c.cell_id for c, images in zip(result.cells, result.images, strict=True) if DAPI not in images]
    notes_by_kind: dict[str, Sequence[str]] = {
        "cell(s) without bright-field left out": without_brightfield,
        "cell(s) without a patient left out": without_patient,
        "cell(s) without DAPI kept": without_dapi,
    }
    if table is not None:
        matched = set(rows)
        notes_by_kind["labelled cell(s) without an image"] = sorted(set(table.rows) - set(ids))
        notes_by_kind["cell(s) without a row in the label table"] = [
            cell.cell_id for cell in result.cells if cell.cell_id not in matched
        ]
    result.notes += [
        f"{len(names)} {kind}: {abbreviated(list(names))}" for kind, names in notes_by_kind.items() if names
    ]
    result.notes += [f"{dropped} cell(s) dropped by label"] if dropped else []
    return result


def _check_agreement(found: Mapping[str, SourceCell], rows: Mapping[str, LabelRow]) -> None:
    """Checks that path and table say the same of every cell."""
    for name in ("patient", "site", "label"):
        differing = [
            cell_id for cell_id, row in rows.items() if _differ(getattr(found[cell_id], name), getattr(row, name))
        ]
        if differing:
            one = differing[0]
            raise ManifestError(
                f"{len(differing)} cell(s) have another {name} in the table than in the path: {abbreviated(differing)} "
                f"({one}: {getattr(rows[one], name)} and {getattr(found[one], name)})",
                fix=f"correct the table, leave {{{name}}} out of --files, or give another --{name}-column",
            )


def _differ(one: str, other: str) -> bool:
    """Whether two names are there and differ. A spreadsheet removes leading zeros, so 7 may be 007."""
    both = one and other and one != other
    return bool(both and not (one.isdecimal() and other.isdecimal() and int(one) == int(other)))


def needs_for_training(cells: Iterable[Cell], classes: Sequence[str], patients: int = 3) -> list[str]:
    """Clauses that say what the cells lack for `tfctc fit`; empty if it can train on them.

    Args:
        cells: the cells of a data set.
        classes: names of the negative and the positive class.
        patients: number of patients that must have a class, one for each split.
    """
    of_class: dict[str, set[str]] = {name: set() for name in classes}
    for cell in cells:
        if cell.label:
            of_class[cell.label].add(cell.patient_id)
    if not any(of_class.values()):
        return ["no cell has a label"]
    few = {name: len(ids) for name, ids in of_class.items() if len(ids) < patients}
    return [
        f"{count or 'no'} patient{'s' * (count != 1)} with {name}, {patients} needed" for name, count in few.items()
    ]
