"""Inspection of a data set before training: `tfctc.inspect_dataset`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfctc.errors import ConfigError, ImageError
from tfctc.io.files import write_json
from tfctc.io.names import counted
from tfctc.progress import Progress, silent

if TYPE_CHECKING:
    from tfctc.data.inspect import Finding, Survey
    from tfctc.data.manifest import Manifest

#: Folder inside the data set, and the files in it.
FOLDER, PAGE, VALUES = "inspection", "inspection.html", "inspection.json"
#: Largest number of cells whose images are read if the caller does not say; some minutes of work.
CELLS = 100_000


@dataclass(frozen=True)
class Inspection:
    """Result of an inspection, which has been written.

    Args:
        page: path of the HTML page.
        values: path of inspection.json.
        title: data set, number of cells and patients.
        notes: sentences on what was measured.
        summaries: title of a section -> its result in a few words.
        findings: reasons to look at the data before training; empty if there are none.
        missing: why `tfctc fit` cannot train on the data set; empty if it can.
    """

    page: Path
    values: Path
    title: str
    notes: Sequence[str]
    summaries: Mapping[str, str]
    findings: Sequence["Finding"]
    missing: str

    @property
    def verdict(self) -> str:
        """Sentence on the number of findings."""
        return _verdict(self.findings)

    def __str__(self) -> str:
        width = max(map(len, self.summaries))
        lines = [self.title, *self.notes]
        lines += [f"  {title:{width}}  {text}" for title, text in self.summaries.items()]
        lines += [f"{number}. {finding}" for number, finding in enumerate(self.findings, 1)]
        return "\n".join([*lines, self.verdict])


def inspect_dataset(
    data: str | Path,
    output: str | Path | None = None,
    *,
    seed: int = 0,
    cells: int = CELLS,
    progress: Progress = silent,
) -> Inspection:
    """Looks for faults, leaks and shortcuts in a data set before training, and writes a page about it.

    It counts cells, shows some of them, and measures intensities, the registration of the channels, focus, saturation,
    near-duplicates and shortcuts. An image that cannot be read does not stop it. The files of an earlier inspection are
    replaced.

    Args:
        data: data set folder.
        output: folder to write inspection.html and inspection.json into; None is `inspection` inside the data set.
        seed: seed of the cells that are shown, and of the sample of a large data set.
        cells: largest number of cells whose images are read; of a larger data set a random sample is read.
        progress: called with the progress of long tasks.

    Raises:
        TfctcError: a data set that cannot be opened, no image that can be read, or an output that cannot be written.
        ModuleNotFoundError: SciPy, scikit-learn, Matplotlib or Jinja2 is not installed.
    """
    from tfctc.data.inspect import CHECKS, take_survey
    from tfctc.data.inspect.images import images
    from tfctc.data.manifest import Manifest
    from tfctc.report.page import Page, write_page

    if cells < 1:
        raise ConfigError(f"cells must be 1 or more, got {cells}")
    if seed < 0:
        raise ConfigError(f"seed must be 0 or more, got {seed}")
    manifest = Manifest.open(data)
    checks = [CHECKS[name]() for name in CHECKS]
    survey = take_survey(manifest, checks, cells, seed, progress)
    if not len(survey):
        first = next(iter(survey.unreadable.values()))
        raise ImageError(f"no image can be read; the first one: {first}", path=manifest.folder)
    sections = sorted((check.section(survey) for check in checks), key=lambda section: section.place)
    findings = [finding for section in sections for finding in section.findings]
    missing = _missing(manifest) or _unreadable(survey)
    title, notes = _title(manifest), _notes(survey)
    folder = Path(output) if output is not None else manifest.folder / FOLDER
    facts = manifest.facts
    page = Page(f"Inspection of {title}", notes, _verdict(findings), findings, sections, missing)
    write_page(folder / PAGE, page, lambda position: images(manifest.cell(position), facts))
    write_json(
        folder / VALUES,
        _json_values(
            {
                "data": facts.name,
                "simulated": facts.simulated,
                "cells": len(manifest),
                "measured": len(survey),
                "seed": seed,
                "findings": [
                    {"section": section.title, **_plain(finding)}
                    for section in sections
                    for finding in section.findings
                ],
                "missing_for_training": missing,
                "unreadable": survey.unreadable,
                "sections": {section.title: section.values for section in sections if section.values},
            }
        ),
    )
    summaries = {section.title: section.summary for section in sections if section.summary}
    return Inspection(folder / PAGE, folder / VALUES, title, notes, summaries, findings, missing)


def _missing(manifest: "Manifest") -> str:
    """Clauses that say what `tfctc fit` lacks in its default mode; empty if it can train."""
    from tfctc.data.training_needs import has_teacher_cells, missing_for_training

    missing = missing_for_training(manifest)
    if not missing and not has_teacher_cells(manifest):
        missing = ["a class has no labelled cell with DAPI; without DAPI use tfctc fit --mode brightfield"]
    return "; ".join(missing)


def _unreadable(survey: "Survey") -> str:
    if not survey.unreadable:
        return ""
    return f"{len(survey.unreadable)} cell(s) have an image that cannot be read"


def _verdict(findings: Sequence["Finding"]) -> str:
    if not findings:
        return "Nothing found that speaks against training."
    return f"{counted(len(findings), 'thing')} to look at before training."


def _title(manifest: "Manifest") -> str:
    facts, index = manifest.facts, manifest.index
    sites = [name for name in index.names["site"] if name]
    at = f" at {counted(len(sites), 'site')}" if sites else ""
    cells = counted(len(manifest), "SIMULATED cell" if facts.simulated else "cell")
    return f"{facts.name}: {cells} of {counted(len(index.names['patient_id']), facts.group)}{at}"


def _notes(survey: "Survey") -> list[str]:
    manifest, facts = survey.manifest, survey.manifest.facts
    height, width = facts.image_size
    scale = f", {facts.mpp:g} um a pixel" if facts.mpp else ""
    depths = {facts.channel(name).bit_depth for name in ("brightfield", "dapi")}
    notes = [f"{height} x {width} px{scale}, {' and '.join(map(str, sorted(depths)))} bit."]
    read = len(survey) + len(survey.unreadable)
    if read < len(manifest):
        notes.append(
            f"The images of {read:,} cells were read, a random sample with seed {survey.seed}: near-duplicates and "
            "faults among the others are not found. To read more: --cells."
        )
    if facts.simulated:
        notes.append("These cells are simulated: results on them say nothing about patients.")
    return notes


def _plain(finding: "Finding") -> dict[str, Any]:
    return {**asdict(finding), "cells": list(finding.cells), "groups": list(finding.groups)}


def _json_values(value: Any) -> Any:
    """Plain values for JSON: NaN as null, NumPy numbers as Python's."""
    if isinstance(value, Mapping):
        return {str(key): _json_values(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json_values(one) for one in value]
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
