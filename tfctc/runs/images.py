"""Fingerprints of the images that a run has used, to find the same images in another data set, under any name."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tfctc.cells import BRIGHTFIELD
from tfctc.data import pipeline
from tfctc.data.builder import Cells
from tfctc.io.duplicates import image_fingerprint
from tfctc.io.files import atomic_file
from tfctc.runs.folder import IMAGES, RunFolder

#: Splits whose images a run has used.
USED = ("train", "validation")


def used_images(builder: Cells) -> np.ndarray:
    """Fingerprints of the bright-field images of the train and validation split, sorted, uint64 ``(N,)``."""
    return _sorted(_fingerprints(builder))


def write_used_images(path: Path, own: np.ndarray, earlier: list[RunFolder]) -> None:
    """Writes the fingerprints of a run, and those of the runs whose weights it begins with, as a NumPy file."""
    found = [own, *(images for run in earlier if (images := read_used_images(run)) is not None)]
    with atomic_file(path) as temporary:
        np.save(temporary, np.unique(np.concatenate(found)), allow_pickle=False)


def read_used_images(run: RunFolder) -> np.ndarray | None:
    """The fingerprints in a run folder, sorted; None for a run of an early version, which has none."""
    path = run.folder / IMAGES
    return np.load(path, allow_pickle=False) if path.exists() else None


def _fingerprints(builder: Cells) -> Iterator[int]:
    for split in USED:
        if builder.info.splits[split].num_examples:
            records = pipeline.records(builder, split, (BRIGHTFIELD,), ids=False)
            for record in records.as_numpy_iterator():
                if (mark := image_fingerprint(record[BRIGHTFIELD])) is not None:
                    yield mark


def _sorted(marks: Iterator[int]) -> np.ndarray:
    return np.unique(np.fromiter(marks, np.uint64))
