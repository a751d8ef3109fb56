"""Given splits: the split of each patient, from the rows of a label table."""

from collections.abc import Mapping
from pathlib import Path

from tfctc.cells import SPLITS
from tfctc.data.manifest import parse_split
from tfctc.errors import ManifestError

#: Number of faults that are listed before a number stands for the others.
LISTED = 20


def given_splits(given: Mapping[str, Mapping[str, str]], source: str | Path | None) -> dict[str, str]:
    """Patient -> split, of the patients that the table gives one.

    Args:
        given: patient -> text in the column of the splits -> id of the first cell with this text.
        source: path of the table, for messages.

    Raises:
        ManifestError: unknown splits, and patients in two splits, all of them in one message.
    """
    faults: list[str] = []
    found: dict[str, str] = {}
    for patient, texts in given.items():
        faults += [f"cell {cell} has split {text!r}" for text, cell in texts.items() if parse_split(text) is None]
        own = {split: cell for text, cell in texts.items() if (split := parse_split(text)) is not None}
        if len(own) > 1:
            places = " and in ".join(f"{split or 'none'} (cell {cell})" for split, cell in own.items())
            faults.append(f"{patient} is in {places}")
        found[patient] = next(iter(own), "")
    if faults:
        more = f"; and {len(faults) - LISTED} more" if len(faults) > LISTED else ""
        raise ManifestError(
            f"column of the splits: {'; '.join(faults[:LISTED])}{more}",
            path=source,
            fix=f"use {', '.join(SPLITS)} or nothing, the same on all lines of a patient; or leave out --split-column",
        )
    return {patient: split for patient, split in found.items() if split}
