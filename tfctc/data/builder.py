"""The tfrecords of a data set, written with tensorflow-datasets: both channels, one set of files for each split."""

import contextlib
import hashlib
import logging
import math
import os
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import absl.logging
import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.constants import INCOMPLETE_PREFIX

from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI, DAPI_PRESENT, SPLITS
from tfctc.data.manifest import Manifest
from tfctc.data.splits import Splits
from tfctc.errors import ImageError, OutputError, SplitError
from tfctc.io.duplicates import fingerprint
from tfctc.io.files import tensorflow_disk_errors
from tfctc.io.images import read_channel
from tfctc.progress import Progress, Task, silent

log = logging.getLogger(__name__)
#: Folder of the tfrecords inside a data set.
TFRECORDS = "tfrecords"
#: Bytes of pixels in a tfrecord file. Small: tensorflow-datasets holds the cells of a file until it is written.
SHARD_BYTES = 16 * 2**20
#: Seconds without a change after which an unfinished build counts as killed; a living one writes every few seconds.
STALE = 3600.0


@contextlib.contextmanager
def without_warnings():
    """Silences warnings of tensorflow-datasets about its own internals ("custom configuration", say)."""
    before = absl.logging.get_verbosity()
    absl.logging.set_verbosity(absl.logging.ERROR)
    try:
        yield
    finally:
        absl.logging.set_verbosity(before)


class Cells(tfds.core.ShardBasedBuilder):
    """tensorflow-datasets builder for the cells of one manifest in one split of the patients.

    The name of its configuration is a fingerprint of everything that goes into the files.

    A record: `cell_id`, `patient_id`, `site` (text); `label` int32 (0, 1, or -1 for none); `brightfield`, `dapi`
    ``(H, W, 1)`` uint8 or uint16 as stored; `dapi_present` float32, 0 where `dapi` is a blank stand-in.

    Cells are written in the order of their ids' fingerprints: a random order, but the same for any order of the
    manifest. (`GeneratorBasedBuilder` would hold up to a gigabyte of records to shuffle them.)
    """

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {"2.0.0": "Pixels as they are, no longer PNG."}

    def __init__(self, *, manifest: Manifest, splits: Splits, task: Task, **options: Any):
        self.facts, self.manifest, self._splits, self._task = manifest.facts, manifest, splits, task
        super().__init__(**options)

    def _info(self):
        shape, dtype = (*self.facts.image_size, 1), np.dtype(self.facts.dtype)
        # Not PNG: it hardly compresses noise, and decoding would take most of the time of a pass over the cells.
        images = {c: tfds.features.Tensor(shape=shape, dtype=dtype, encoding="bytes") for c in CHANNELS}
        texts = {name: tfds.features.Text() for name in ("cell_id", "patient_id", "site")}
        scalars = {"label": tfds.features.Scalar(np.int32), DAPI_PRESENT: tfds.features.Scalar(np.float32)}
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{self.facts.name}, {'simulated ' if self.facts.simulated else ''}cells",
            features=tfds.features.FeaturesDict({**texts, **images, **scalars}),
            # `_shuffled_rows` has shuffled them already. Without this, tensorflow-datasets reads up to 32 files at
            # once.
            disable_shuffling=True,
        )

    def _shard_iterators_per_split(self, dl_manager):
        pixels = math.prod(self.facts.image_size) * np.dtype(self.facts.dtype).itemsize * len(CHANNELS)
        files = {}
        for split, rows in self._shuffled_rows().items():
            shards = max(1, min(len(rows), math.ceil(len(rows) * pixels / SHARD_BYTES)))
            files[split] = [partial(self._records, part) for part in np.array_split(rows, shards)]
        return files

    def _shuffled_rows(self) -> dict[str, np.ndarray]:
        """Split -> row numbers of its cells in the manifest, int64 ``(N,)``, in the order to be written."""
        keys = np.array([fingerprint(cell_id) for cell_id in self.manifest.index.texts["cell_id"]], np.uint64)
        rows = {split: np.flatnonzero(self._splits.mask(self.manifest, split)) for split in SPLITS}
        return {split: own[np.argsort(keys[own], kind="stable")] for split, own in rows.items()}

    def _records(self, rows: np.ndarray) -> Iterator[tuple[str, dict[str, Any]]]:
        blank = np.zeros((*self.facts.image_size, 1), self.facts.dtype)
        for row in rows.tolist():
            cell = self.manifest.cell(row)
            yield (
                cell.cell_id,
                {
                    "cell_id": cell.cell_id,
                    "patient_id": cell.patient_id,
                    "site": cell.site,
                    "label": self.facts.class_index(cell.label),
                    BRIGHTFIELD: read_channel(cell.brightfield, self.facts),
                    DAPI: read_channel(cell.dapi, self.facts) if cell.dapi else blank,
                    DAPI_PRESENT: float(bool(cell.dapi)),
                },
            )
            self._task.advance()

    def _log_download_bytes(self):
        """Logs nothing: nothing is downloaded."""

    _log_download_done = _log_download_bytes


def build(manifest: Manifest, splits: Splits, data_dir: str | Path | None = None, progress: Progress = silent) -> Cells:
    """Writes the tfrecords, unless they are there already.

    They are written again if the facts, the manifest, the split, or size or time of change of an image file differ. An
    interrupted build leaves nothing that a later one could take for complete. Several processes may build at once.

    Args:
        data_dir: where to write; `tfrecords` in the data set's folder by default.

    Raises:
        SplitError: a group without a split.
        ImageError: the first image that is missing, unreadable, or not of the declared kind.
        OutputError: `data_dir` cannot be written to.
    """
    data_dir = Path(data_dir or manifest.folder / TFRECORDS)
    for group in manifest.index.names[splits.by]:
        if group not in splits.assignment:
            problem = f"{splits.by} {group} was not there when the cells were split"
            raise SplitError(problem, path=manifest.folder, fix="run fit again")
    name = f"{manifest.facts.name}-{_fingerprint(manifest, splits)}"
    task = Task(progress, f"Writing tfrecords to {data_dir}", len(manifest))

    def opened() -> Cells:
        config = tfds.core.BuilderConfig(name=name, version=Cells.VERSION)
        return Cells(manifest=manifest, splits=splits, task=task, data_dir=data_dir, config=config)

    try:
        with without_warnings(), tensorflow_disk_errors():
            builder = opened()
            _remove_left_overs(Path(builder.data_path).parents[1])
            if not builder.data_path.exists():
                log.info(
                    "Writing tfrecords to %s (a copy of the pixels for this split; may be removed later)", data_dir
                )
                tfds.disable_progress_bar()
                try:
                    builder.download_and_prepare()
                except OSError:
                    # Another process was first: it wrote the same, and its folder appeared complete, by a rename.
                    if not builder.data_path.exists():
                        raise
                    builder = opened()
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error})"
        raise OutputError(problem, path=data_dir, fix="copy the data set to a place of your own") from None
    return builder


def _fingerprint(manifest: Manifest, splits: Splits) -> str:
    facts = (manifest.facts, manifest.digest, splits.by, sorted(splits.assignment.items()))
    digest = hashlib.sha256(repr(facts).encode())
    for cell in manifest.index:
        for path in filter(None, (cell.brightfield, cell.dapi)):
            try:
                stat = os.stat(manifest.folder / path)
            except OSError:
                problem, fix = "no such file", "check the path or the manifest"
                raise ImageError(problem, path=manifest.folder / path, fix=fix) from None
            # The path as the manifest has it: tfrecords move with their data set.
            digest.update(repr((path, stat.st_size, stat.st_mtime_ns)).encode())
    return digest.hexdigest()[:16]


def _remove_left_overs(folder: Path) -> None:
    """Removes what killed builds left behind; tensorflow-datasets itself removes only builds that fail."""
    for left_over in folder.glob(f"*/{INCOMPLETE_PREFIX}*"):
        # Another process may be removing or renaming it.
        with contextlib.suppress(OSError):
            if max(path.stat().st_mtime for path in (left_over, *left_over.rglob("*"))) < time.time() - STALE:
                shutil.rmtree(left_over, ignore_errors=True)
