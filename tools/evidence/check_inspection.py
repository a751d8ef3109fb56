"""Faults planted in a data set: does `tfctc inspect` find them, and nothing else?

    tfctc simulate simulated/cells --cells 2000 --patients 40
    python tools/evidence inspection simulated/cells --out docs/evidence/inspection/simulated.json

Each fault is planted in a copy of the data set of its own. Images that do not change are not copied. In a data set
without sites, every second patient gets another site first.

"shifted site": DAPI 3 pixels to the right in one site. "shifted cells": the same in some of the cells of all sites.
"near-duplicates": some cells again, under another id and another patient, moved by up to 2 pixels, with another gain,
and with noise of up to twice the camera's. "one site": the positive cells of all other sites are left out.
"""

import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from common import CheckError, log
from PIL import Image

from tfctc.api.inspecting import inspect_dataset
from tfctc.cells import BRIGHTFIELD, DAPI, Cell, DatasetFacts
from tfctc.config import load
from tfctc.data.inspect.images import images, noise
from tfctc.data.manifest import Manifest, write_manifest

PIXELS = 3


def add_options(parser) -> None:
    parser.add_argument("data", type=Path, help="folder of a data set")
    parser.add_argument("--share", type=float, default=0.02, help="share of near-duplicates")
    parser.add_argument("--shifted", type=float, default=0.1, help="share of shifted cells")
    parser.add_argument("--seed", type=int, default=0)


def moved(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """An image moved by whole pixels; the border is repeated."""
    rows, columns = (np.arange(size) - by for size, by in zip(image.shape, (down, right), strict=True))
    return image[np.clip(rows, 0, image.shape[0] - 1)][:, np.clip(columns, 0, image.shape[1] - 1)]


def write(path: Path, image: np.ndarray, facts: DatasetFacts, channel: str) -> str:
    """Writes an image of values in [0, 1] with the bits of its channel; returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scale = facts.channel(channel).full_scale
    counts = np.clip(np.rint(image * scale), 0, scale).astype(facts.channel(channel).dtype)
    Image.fromarray(counts).save(path)
    return str(path)


def with_sites(cells: list[Cell]) -> list[Cell]:
    """The cells; if none has a site, every second patient is at site B, the others at site A."""
    if any(cell.site for cell in cells):
        return cells
    order = {patient: i for i, patient in enumerate(sorted({cell.patient_id for cell in cells}))}
    return [replace(cell, site="AB"[order[cell.patient_id] % 2]) for cell in cells]


def shift(cells: Iterable[Cell], facts: DatasetFacts, folder: Path, chosen: Callable[[Cell], bool]) -> list[Cell]:
    """The cells, with DAPI moved to the right in the chosen ones."""
    found = []
    for cell in cells:
        if cell.dapi and chosen(cell):
            path = folder / "shifted" / f"{cell.cell_id.replace('/', '_')}.png"
            cell = replace(cell, dapi=write(path, moved(images(cell, facts)[DAPI], 0, PIXELS), facts, DAPI))
        found.append(cell)
    return found


def copies(
    cells: list[Cell], facts: DatasetFacts, folder: Path, share: float, rng: np.random.Generator
) -> tuple[list[Cell], set[frozenset[str]]]:
    """The cells and some of them again, in another patient; and the pairs of ids that show one cell."""
    patients = sorted({cell.patient_id for cell in cells})
    site = {cell.patient_id: cell.site for cell in cells}
    added, pairs = [], set()
    for i in rng.choice(len(cells), max(1, round(share * len(cells))), replace=False):
        cell, pixels = cells[i], images(cells[i], facts)
        patient = str(rng.choice([one for one in patients if one != cell.patient_id]))
        down, right = (int(by) for by in rng.integers(-2, 3, 2))
        paths = {DAPI: ""}
        for channel, image in pixels.items():
            image = moved(image, down, right) * rng.uniform(0.85, 1.15)
            image = image + rng.normal(0, rng.uniform(0, 2) * noise(image), image.shape)
            path = folder / "copies" / f"{cell.cell_id.replace('/', '_')}_{channel}.png"
            paths[channel] = write(path, image, facts, channel)
        name = f"{cell.cell_id}-again"
        added.append(
            replace(
                cell, cell_id=name, patient_id=patient, site=site[patient], **{c: paths[c] for c in (BRIGHTFIELD, DAPI)}
            )
        )
        pairs.add(frozenset((cell.cell_id, name)))
    return [*cells, *added], pairs


def planted(data: Path, folder: Path, fault: str, share: float, shifted: float, seed: int) -> dict:
    """Writes a copy of a data set with one fault into `folder`; returns what is to be found."""
    manifest = Manifest.open(data.absolute())
    facts, rng = manifest.facts, np.random.default_rng(seed)
    cells = with_sites(list(manifest.cells()))
    first = sorted({cell.site for cell in cells})[0]
    truth: dict = {"site": first}
    if fault == "shifted site":
        cells = shift(cells, facts, folder, lambda cell: cell.site == first)
    elif fault == "shifted cells":
        truth["cells"] = {cell.cell_id for cell in cells if rng.random() < shifted}
        cells = shift(cells, facts, folder, lambda cell: cell.cell_id in truth["cells"])
    elif fault == "near-duplicates":
        cells, truth["pairs"] = copies(cells, facts, folder, share, rng)
    elif fault == "one site":
        cells = [cell for cell in cells if cell.site == first or cell.label != facts.positive]
    elif fault != "none":
        raise CheckError(f"unknown fault {fault}")
    folder.mkdir(parents=True, exist_ok=True)
    write_manifest(folder, facts, cells)
    return truth


def inspected(data: Path, seed: int = 0) -> dict:
    """inspection.json of a data set, with the seconds that it took."""
    start = time.perf_counter()
    found = load(dict, inspect_dataset(data, data / "inspection", seed=seed).values)
    return found | {"seconds": time.perf_counter() - start}


def judged(fault: str, truth: dict, found: dict, clean: dict) -> dict:
    """Whether a fault was found, and what else was."""
    by_section = {one["section"]: one for one in found["findings"]}
    known = {frozenset(pair["cells"]) for pair in clean["sections"]["Near-duplicates"]["across_patients"]}
    pairs = {frozenset(pair["cells"]) for pair in found["sections"]["Near-duplicates"]["across_patients"]}
    result = {
        "cells": found["cells"],
        "seconds": found["seconds"],
        "findings": [one["problem"] for one in found["findings"]],
    }
    if fault.startswith("shifted"):
        one = by_section.get("Registration", {"groups": [], "cells": [], "problem": ""})
        result["found"] = truth["site"] in one["groups"] if fault == "shifted site" else bool(one["cells"])
        if fault == "shifted cells":
            right = truth["cells"] & set(one["cells"])
            result |= {
                "recall": len(right) / len(truth["cells"]),
                "named": len(one["cells"]),
                "named_rightly": len(right),
            }
    elif fault == "near-duplicates":
        result |= {"planted": len(truth["pairs"]), "recall": len(truth["pairs"] & pairs) / len(truth["pairs"])}
        result |= {"false_pairs": len(pairs - known - truth["pairs"]), "found": bool(truth["pairs"] & pairs)}
    elif fault == "one site":
        named = [one for one in found["findings"] if one["section"] == "Shortcuts" and one["groups"] == [truth["site"]]]
        result["found"] = bool(named)
    return result


def check(options) -> dict:
    results, clean = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for fault in ("none", "shifted site", "shifted cells", "near-duplicates", "one site"):
            folder = Path(scratch) / fault.replace(" ", "-")
            truth = planted(options.data, folder, fault, options.share, options.shifted, options.seed)
            found = inspected(folder, options.seed)
            clean = clean or found
            results[fault] = judged(fault, truth, found, clean)
            log.info("%-16s %5.1f s  %s", fault, found["seconds"], "; ".join(results[fault]["findings"]) or "nothing")
    return {"data": clean["data"], "simulated": clean["simulated"], "pixels": PIXELS, "faults": results}


def problem(found: dict) -> str:
    missed = [fault for fault, result in found["faults"].items() if not result.get("found", True)]
    return f"not found: {', '.join(missed)}" if missed else ""
