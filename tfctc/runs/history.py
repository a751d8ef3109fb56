"""The history of a run: one row for each epoch of each stage, in history.csv."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tfctc.io.files import atomic_file


def write_history(path: Path, epochs: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Writes the metrics of every epoch.

    Args:
        path: path of the CSV file.
        epochs: stage -> metrics of each of its epochs, in order.
    """
    rows = [
        {"stage": stage, "epoch": epoch, **metrics}
        for stage, history in epochs.items()
        for epoch, metrics in enumerate(history, 1)
    ]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with atomic_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def read_history(path: Path, stage: str) -> list[dict[str, str]]:
    """Rows of one stage, in the order of the epochs; values are text."""
    return read_stages(path).get(stage, [])


def read_stages(path: Path) -> dict[str, list[dict[str, str]]]:
    """Stage -> its rows, in the order of the file; values are text."""
    stages: dict[str, list[dict[str, str]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            stages.setdefault(row["stage"], []).append(row)
    return stages
