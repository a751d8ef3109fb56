"""Damaged images: how many does `quality` catch, and how many good ones of other patients does it flag?

    python tools/evidence quality --seed 10 --out docs/evidence/quality/simulated.json
    python tools/evidence quality --data jurkat-all --out docs/evidence/quality/jurkat.json

Quality is learnt as an export learns it, from the images of some patients (or blocks of cells). The good images and the
damaged ones are of the others. Without --data the cells are simulated, and their damage too
(`tfctc.data.simulate.damage`): every repetition is another seed, and a quarter of the patients are the others. With
--data the damaged images are composed from the real ones (`damaged_images.py`): the patients are divided into as many
parts as there are repetitions, and each part is the others once.

The check fails if more than 5 % of the good images are flagged, or less than 95 % of any kind of damage is caught.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from common import CheckError, log
from damaged_images import Damage

from tfctc.api.exporting import QUALITY_CELLS
from tfctc.cells import BRIGHTFIELD
from tfctc.data.inspect.images import images
from tfctc.data.manifest import Manifest
from tfctc.data.simulate import DAMAGE, SimulationOptions, simulate_cells, simulate_damaged
from tfctc.exporters.quality_model import learn_quality
from tfctc.quality.faults import OK, describe_quality, read_quality

MOST_FLAGGED, LEAST_CAUGHT = 0.05, 0.95
GOOD = "good"


class Part(NamedTuple):
    """Images of one repetition.

    Args:
        learnt: images to learn from, ``(N, H, W)`` in [0, 1].
        groups: the patient of each.
        judged: kind of damage, or `GOOD` -> images of other patients.
    """

    learnt: np.ndarray
    groups: np.ndarray
    judged: dict[str, np.ndarray]


def add_options(parser) -> None:
    parser.add_argument("--data", type=Path, help="folder of a data set; without it, cells are simulated")
    parser.add_argument("--repeats", type=int, default=4, help="number of repetitions")
    parser.add_argument("--each", type=int, default=200, help="number of images of each kind of damage in a repetition")
    parser.add_argument("--cells", type=int, default=2800, help="number of simulated cells in a repetition")
    parser.add_argument("--patients", type=int, default=40, help="number of simulated patients")
    parser.add_argument("--size", type=int, default=64, help="side of the simulated images, pixels")
    parser.add_argument("--mpp", type=float, default=0.64, help="micrometres per pixel of the simulated images")
    parser.add_argument("--alone", action="store_true", help="leave out simulated cells that have a neighbour")
    parser.add_argument("--other-site", action="store_true", help="judge one simulated site, learn from the two others")
    parser.add_argument("--seed", type=int, default=0, help="seed; simulated cells: that of the first repetition")


def simulated(options) -> Iterator[Part]:
    """Parts of simulated cells, each of another seed."""
    settings = SimulationOptions(patients=options.patients, size=options.size, mpp=options.mpp)
    others = range(options.patients - options.patients // 4, options.patients)
    if options.other_site:
        others = range(settings.sites - 1, options.patients, settings.sites)
    for seed in range(options.seed, options.seed + options.repeats):
        cells = list(simulate_cells(options.cells, seed=seed, options=settings))
        cells = [cell for cell in cells if not (options.alone and cell.truth.neighbour)]
        pixels = to_unit_floats([cell.brightfield for cell in cells], settings.facts.full_scale)
        groups = np.array([cell.cell.patient_id for cell in cells])
        ours = np.isin(groups, [f"patient{number:03d}" for number in others])
        judged = {GOOD: pixels[ours]}
        for kind in DAMAGE:
            found = simulate_damaged(kind, options.each, seed=seed, options=settings, patients=others)
            judged[kind] = to_unit_floats(list(found), settings.facts.full_scale)
        yield Part(pixels[~ours], groups[~ours], judged)


def real(options) -> Iterator[Part]:
    """Parts of the images of a data set."""
    manifest = Manifest.open(options.data.absolute())
    cells = list(manifest.cells())
    pixels = np.stack([images(cell, manifest.facts)[BRIGHTFIELD] for cell in cells])
    groups, rng = np.array([cell.patient_id for cell in cells]), np.random.default_rng(options.seed)
    names = rng.permutation(np.unique(groups))
    if len(names) < options.repeats:
        raise CheckError(f"{options.data} has {len(names)} patients, {options.repeats} or more are needed")
    if pixels.shape[1] != pixels.shape[2]:
        raise CheckError(f"square images are needed, got {pixels.shape[1]} x {pixels.shape[2]} px")
    order = rng.permutation(len(cells))  # The first QUALITY_CELLS are learnt from; they are of all patients.
    for others in np.array_split(names, options.repeats):
        ours = np.isin(groups, others)
        damage, learnt = Damage(pixels[ours], manifest.facts), order[~ours[order]]
        judged = {kind: np.stack([damage(kind, rng) for _ in range(options.each)]) for kind in DAMAGE}
        yield Part(pixels[learnt], groups[learnt], {GOOD: pixels[ours], **judged})


def to_unit_floats(counts: list[np.ndarray], full_scale: int) -> np.ndarray:
    """Counts as float32 in [0, 1], as the predictor has them."""
    return np.stack(counts).astype(np.float32) / np.float32(full_scale)


def judged(part: Part) -> dict:
    """Qualities of the images of one part, by kind; bytes of the record, and milliseconds for one image."""
    values = learn_quality(part.learnt[:QUALITY_CELLS], part.groups[:QUALITY_CELLS])
    model = read_quality(json.loads(json.dumps(values)))
    qualities = {kind: [describe_quality(image, model) for image in found] for kind, found in part.judged.items()}
    times = []
    for image in part.judged[GOOD]:
        start = time.perf_counter()
        describe_quality(image, model)
        times.append(time.perf_counter() - start)
    return {
        "qualities": qualities,
        "record_bytes": len(json.dumps(values)),
        "milliseconds": 1000 * float(np.median(times)),
        "learnt_from": min(len(part.learnt), QUALITY_CELLS),
    }


def check(options) -> dict:
    done = []
    for number, part in enumerate(real(options) if options.data else simulated(options)):
        done.append(judged(part))
        shares = {kind: np.mean([one != OK for one in said]) for kind, said in done[-1]["qualities"].items()}
        log.info("%d: %s", number, ", ".join(f"{kind} {share:.3f}" for kind, share in shares.items()))
    kinds = {}
    for kind in done[0]["qualities"]:
        shares = [float(np.mean([said != OK for said in one["qualities"][kind]])) for one in done]
        said = [quality for one in done for quality in one["qualities"][kind]]
        names = Counter(name for quality in said if quality != OK for name in quality.split())
        kinds[kind] = {
            "images": len(said),
            "flagged": float(np.mean([quality != OK for quality in said])),
            "by_repetition": shares,
            "names": {name: count / len(said) for name, count in names.most_common()},
        }
    good = kinds.pop(GOOD)
    return {
        "data": str(options.data.name) if options.data else "simulated",
        "simulated": options.data is None,
        "learnt_from": [one["learnt_from"] for one in done],
        "good": good,
        "damaged": kinds,
        "record_bytes": max(one["record_bytes"] for one in done),
        "milliseconds_an_image": float(np.median([one["milliseconds"] for one in done])),
    }


def problem(found: dict) -> str:
    if found["good"]["flagged"] > MOST_FLAGGED:
        return f"{found['good']['flagged']:.1%} of the good images are flagged, at most {MOST_FLAGGED:.0%} are allowed"
    missed = [f"{kind} {one['flagged']:.1%}" for kind, one in found["damaged"].items() if one["flagged"] < LEAST_CAUGHT]
    return f"less than {LEAST_CAUGHT:.0%} caught: {', '.join(missed)}" if missed else ""
