"""Made-up cells for tests: two image files each, quick to write and easy to tell apart."""

import csv
import json

import numpy as np
from PIL import Image

from tfctc.cells import Cell
from tfctc.data.manifest import write_manifest

PATIENTS, CELLS_EACH = 12, 4


def write_cells(folder, facts, cells):
    """A data set of made-up cells: noise, a disc in the positive class's bright-field, a brighter one in its DAPI."""
    rng = np.random.default_rng(0)
    rows, columns = np.indices(facts.image_size)
    height, width = facts.image_size
    disc = np.hypot(rows - height / 2, columns - width / 2) < min(facts.image_size) / 4
    for cell in cells:
        positive = cell.label == facts.positive
        for path, contrast in ((cell.brightfield, 0.15), (cell.dapi, 0.4)):
            if path:
                image = 0.3 + contrast * disc * positive + rng.normal(0, 0.05, facts.image_size)
                counts = np.clip(image * facts.full_scale, 0, facts.full_scale).astype(facts.dtype)
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(counts).save(folder / path)
    write_manifest(folder, facts, cells)
    return folder


def made_up_cells(facts):
    """48 cells of 12 patients at 3 sites, both classes in each patient."""
    return [
        Cell(
            cell_id=f"p{p:02}-{i}",
            patient_id=f"p{p:02}",
            site=f"site{p % 3}",
            brightfield=f"images/p{p:02}-{i}_bf.png",
            dapi=f"images/p{p:02}-{i}_dapi.png",
            label=facts.classes[i % 2],
        )
        for p in range(PATIENTS)
        for i in range(CELLS_EACH)
    ]


def read_cells(folder, groups, split):
    """The labelled cells of a split, read again from the files alone.

    Args:
        groups: patient -> split, as they were dealt.

    Returns:
        Bright-field, float32 ``(N, H, W, 1)`` in [0, 1], and labels, 1 for the positive class; in the manifest's order.
    """
    facts = json.loads((folder / "dataset.json").read_text())
    with (folder / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["label"] and groups[row["patient_id"]] == split]
    counts = np.stack([np.asarray(Image.open(folder / row["brightfield"])) for row in rows])
    labels = np.array([row["label"] == facts["classes"][1] for row in rows], int)
    return counts[..., None].astype(np.float32) / np.float32(2 ** facts["bit_depth"] - 1), labels


def edit_manifest(folder, change):
    """Has `change` change the list of the manifest's rows, dictionaries, in place."""
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = list(rows[0])
    change(rows)
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    return folder
