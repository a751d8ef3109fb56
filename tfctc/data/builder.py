"""The tfrecords of a data set, written with tensorflow-datasets: both channels, one set of files for each split."""

import contextlib
import hashlib
import logging
import math
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import absl.logging
import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.constants import INCOMPLETE_PREFIX

from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI, DAPI_PRESENT, SPLITS, DatasetFacts
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
#: Bytes of pixels in a tfrecord file. Small, because tensorflow-datasets holds the cells of a file in memory before it
#: writes them.
SHARD_BYTES = 16 * 2**20
#: Seconds without a change after which an unfinished build counts as killed; a running one writes every few seconds.
STALE = 3600.0


@contextlib.contextmanager
def without_warnings():
    """Silences warnings of tensorflow-datasets about its own internals, such as "custom configuration"."""
    before = absl.logging.get_verbosity()
    absl.logging.set_verbosity(absl.logging.ERROR)
    try:
        yield
    finally:
        absl.logging.set_verbosity(before)


class Cells(tfds.core.ShardBasedBuilder):
    """tensorflow-datasets builder of the cells of one manifest, for one assignment of the patients to splits.

    The name of its configuration ends in a fingerprint of everything that decides the content of the files.

    A record holds `cell_id`, `patient_id` and `site` (text); `label`, int32 (0, 1, or -1 for none); `brightfield` and
    `dapi`, ``(H, W, 1)`` uint8 or uint16 as stored; and `dapi_present`, float32, 0 where `dapi` is a blank image.

    Cells are written in the order of the fingerprints of their ids: a random order that does not depend on the order of
    the manifest. (`GeneratorBasedBuilder` would hold up to a gigabyte of records to shuffle them.)

    Args:
        manifest: the data set.
        splits: the split of every patient or site.
        task: counter of the cells written.
        options: arguments of `tfds.core.DatasetBuilder`.
    """

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {"2.0.0": "Raw pixels in place of PNG."}

    def __init__(self, *, manifest: Manifest, splits: Splits, task: Task, **options: Any):
        self.facts, self.manifest, self._splits, self._task = manifest.facts, manifest, splits, task
        super().__init__(**options)

    def _info(self):
        shape, dtypes = (*self.facts.image_size, 1), {c: np.dtype(self.facts.channel(c).dtype) for c in CHANNELS}
        # Raw bytes, not PNG: PNG hardly compresses noise, and decoding it would take most of the time of an epoch.
        images = {c: tfds.features.Tensor(shape=shape, dtype=dtypes[c], encoding="bytes") for c in CHANNELS}
        texts = {name: tfds.features.Text() for name in ("cell_id", "patient_id", "site")}
        scalars = {"label": tfds.features.Scalar(np.int32), DAPI_PRESENT: tfds.features.Scalar(np.float32)}
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{self.facts.name}, {'simulated ' if self.facts.simulated else ''}cells",
            features=tfds.features.FeaturesDict({**texts, **images, **scalars}),
            # `_shuffled_rows` has shuffled the cells. Without this, tensorflow-datasets reads up to 32 files at once.
            disable_shuffling=True,
        )

    def _shard_iterators_per_split(self, dl_manager):
        pixels = pixel_bytes(self.facts, CHANNELS)
        files = {}
        for split, rows in self._shuffled_rows().items():
            shards = max(1, min(len(rows), math.ceil(len(rows) * pixels / SHARD_BYTES)))
            files[split] = [partial(self._records, part) for part in np.array_split(rows, shards)]
        return files

    def _shuffled_rows(self) -> dict[str, np.ndarray]:
        """Split -> row numbers of its cells in the manifest, int64 ``(N,)``, in the order of writing."""
        keys = np.array([fingerprint(cell_id) for cell_id in self.manifest.index.texts["cell_id"]], np.uint64)
        rows = {split: np.flatnonzero(self._splits.mask(self.manifest, split)) for split in SPLITS}
        return {split: own[np.argsort(keys[own], kind="stable")] for split, own in rows.items()}

    def _records(self, rows: np.ndarray) -> Iterator[tuple[str, dict[str, Any]]]:
        blank = np.zeros((*self.facts.image_size, 1), self.facts.channel(DAPI).dtype)
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
                    DAPI: read_channel(cell.dapi, self.facts, DAPI) if cell.dapi else blank,
                    DAPI_PRESENT: float(bool(cell.dapi)),
                },
            )
            self._task.advance()

    def _log_download_bytes(self):
        """Logs nothing: nothing is downloaded."""

    _log_download_done = _log_download_bytes


def pixel_bytes(facts: DatasetFacts, channels: Iterable[str]) -> int:
    """Bytes of the stored pixels of one cell in these channels."""
    return math.prod(facts.image_size) * sum(np.dtype(facts.channel(c).dtype).itemsize for c in channels)


def build(manifest: Manifest, splits: Splits, data_dir: str | Path | None = None, progress: Progress = silent) -> Cells:
    """Writes the tfrecords of a data set, unless they exist already.

    They are written again if the facts, the manifest or the split differ, or the size or modification time of an image
    file. An interrupted build is never taken for a complete one. Several processes may build at the same time.

    Args:
        manifest: the data set.
        splits: the split of every patient or site.
        data_dir: folder to write; None is `tfrecords` in the folder of the data set.
        progress: called after each cell.

    Returns:
        The builder, whose tfrecords are complete.

    Raises:
        SplitError: a patient or site without a split.
        ImageError: the first image that is missing, unreadable, or not of the declared size, type or range.
        OutputError: `data_dir` cannot be written to.
    """
    data_dir = Path(data_dir or manifest.folder / TFRECORDS)
    for group in manifest.index.names[splits.by]:
        if group not in splits.assignment:
            problem = f"{splits.by} {group} was not in the data set when it was split"
            raise SplitError(problem, path=manifest.folder, fix="run fit again")
    name = f"{manifest.facts.name}-{_fingerprint(manifest, splits)}"
    task = Task(progress, f"Writing tfrecords to {data_dir}", len(manifest))

    def open_builder() -> Cells:
        config = tfds.core.BuilderConfig(name=name, version=Cells.VERSION)
        return Cells(manifest=manifest, splits=splits, task=task, data_dir=data_dir, config=config)

    try:
        with without_warnings(), tensorflow_disk_errors():
            builder = open_builder()
            _remove_left_overs(Path(builder.data_path).parents[1])
            if not builder.data_path.exists():
                log.info(
                    "Writing tfrecords to %s (a copy of the pixels for this split; may be removed later)", data_dir
                )
                tfds.disable_progress_bar()
                try:
                    builder.download_and_prepare()
                except OSError:
                    # Another process was faster: it wrote the same tfrecords and renamed its complete folder.
                    if not builder.data_path.exists():
                        raise
                    builder = open_builder()
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error})"
        fix = "copy the folder of the data set to a disk with room that you can write to, and use the copy"
        raise OutputError(problem, path=data_dir, fix=fix) from None
    return builder


def _fingerprint(manifest: Manifest, splits: Splits) -> str:
    # The manifest's digest includes the facts.
    digest = hashlib.sha256(repr((manifest.digest, splits.by, sorted(splits.assignment.items()))).encode())
    for cell in manifest.index:
        for path in filter(None, (cell.brightfield, cell.dapi)):
            try:
                stat = os.stat(manifest.folder / path)
            except OSError:
                problem, fix = "no such file", "check the path or the manifest"
                raise ImageError(problem, path=manifest.folder / path, fix=fix) from None
            # The path as the manifest gives it, so that tfrecords stay valid when the data set is moved.
            digest.update(repr((path, stat.st_size, stat.st_mtime_ns)).encode())
    return digest.hexdigest()[:16]


def _remove_left_overs(folder: Path) -> None:
    """Removes the folders that killed builds left behind; tensorflow-datasets removes only those of failed ones."""
    for left_over in folder.glob(f"*/{INCOMPLETE_PREFIX}*"):
        # Another process may be removing or renaming it.
        with contextlib.suppress(OSError):
            if max(path.stat().st_mtime for path in (left_over, *left_over.rglob("*"))) < time.time() - STALE:
                shutil.rmtree(left_over, ignore_errors=True)
