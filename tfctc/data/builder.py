"""From a manifest to sharded tfrecords, by tensorflow-datasets: both channels as they are, one file set per split."""

import contextlib
import hashlib
import math
import os
import shutil
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import absl.logging
import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.constants import INCOMPLETE_PREFIX

from tfctc.cells import BRIGHTFIELD, CHANNELS, DAPI, DAPI_PRESENT, SPLITS, Cell
from tfctc.data.manifest import MANIFEST, Manifest
from tfctc.data.unique import fingerprint
from tfctc.errors import ImageError, OutputError, SplitError
from tfctc.files import tensorflow_disk_errors
from tfctc.images import read_channel

#: Folder of the tfrecords inside a data set.
TFRECORDS = "tfrecords"
#: Bytes of pixels in a tfrecord file. Small: tensorflow-datasets holds the cells of a file until it is written.
SHARD_BYTES = 16 * 2**20
#: Seconds without a change after which an unfinished build is taken for one that was killed; a living one writes
#: every few seconds.
STALE = 3600.0
#: Seconds between two lines of progress.
SAY_EVERY = 5.0


@contextlib.contextmanager
def without_warnings():
    """Keeps tensorflow-datasets from warning of its own internals ("custom configuration", "dtype is deprecated")."""
    before = absl.logging.get_verbosity()
    absl.logging.set_verbosity(absl.logging.ERROR)
    try:
        yield
    finally:
        absl.logging.set_verbosity(before)


class Cells(tfds.core.ShardBasedBuilder):
    """The cells of one manifest, dealt in one way. Its configuration's name is a fingerprint of all that went in.

    A record: `cell_id`, `patient_id`, `site` (text); `label` int32 (0, 1, or -1 for none); `brightfield`, `dapi`
    ``(H, W, 1)`` uint8 or uint16 as stored; `dapi_present` float32, 0 where `dapi` is a blank stand-in.

    Cells lie in the order of their ids' fingerprints: at random, but the same for any order of the manifest. A split
    of any size is written in constant memory but for a row's place in the manifest and its fingerprint, 24 bytes a
    cell. (`GeneratorBasedBuilder` would hold up to a gigabyte of records to shuffle them.)
    """

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {"2.0.0": "Pixels as they are, no longer PNG."}

    def __init__(self, *, manifest: Manifest, split_of: Callable[[Cell], str], progress, **options):
        self.facts, self._manifest, self._split_of, self._progress = manifest.facts, manifest, split_of, progress
        super().__init__(**options)

    def _info(self):
        shape, dtype = (*self.facts.image_size, 1), np.dtype(self.facts.dtype)
        # Not PNG: noise is hardly compressed, and a pass over the cells is decoding for the most part.
        images = {c: tfds.features.Tensor(shape=shape, dtype=dtype, encoding="bytes") for c in CHANNELS}
        texts = {name: tfds.features.Text() for name in ("cell_id", "patient_id", "site")}
        scalars = {"label": tfds.features.Scalar(np.int32), DAPI_PRESENT: tfds.features.Scalar(np.float32)}
        return tfds.core.DatasetInfo(
            builder=self,
            description=f"{self.facts.name}, {'simulated ' if self.facts.simulated else ''}cells",
            features=tfds.features.FeaturesDict({**texts, **images, **scalars}),
            # They are shuffled already, by `_shuffled_spans`. So one file is read after the other; tensorflow-datasets
            # would keep up to 32 open and read ahead in each.
            disable_shuffling=True,
        )

    def _shard_iterators_per_split(self, dl_manager):
        pixels = math.prod(self.facts.image_size) * np.dtype(self.facts.dtype).itemsize * len(CHANNELS)
        files = {}
        for split, spans in self._shuffled_spans().items():
            shards = max(1, min(len(spans), math.ceil(len(spans) * pixels / SHARD_BYTES)))
            files[split] = [partial(self._records, part) for part in np.array_split(spans, shards)]
        return files

    def _shuffled_spans(self) -> dict[str, np.ndarray]:
        """Split -> where its cells' rows lie in the manifest, int64 ``(N, 2)``, in the order to be written."""
        spans, keys, splits = array("q"), array("Q"), bytearray()
        for span, cell in self._manifest.rows():
            spans.extend(span)
            keys.append(fingerprint(cell.cell_id))
            splits.append(SPLITS.index(self._split_of(cell)))
        spans, keys = np.frombuffer(spans, np.int64).reshape(-1, 2), np.frombuffer(keys, np.uint64)
        rows = [np.flatnonzero(np.frombuffer(splits, np.uint8) == i) for i in range(len(SPLITS))]
        return {split: spans[r[np.argsort(keys[r], kind="stable")]] for split, r in zip(SPLITS, rows, strict=True)}

    def _records(self, spans: np.ndarray) -> Iterator[tuple[str, dict]]:
        blank = np.zeros((*self.facts.image_size, 1), self.facts.dtype)
        for cell in self._manifest.cells_at(spans.tolist()):
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
            self._progress()

    def _log_download_bytes(self):
        """Nothing is downloaded; `build` says what is written."""

    _log_download_done = _log_download_bytes


def build(
    manifest: Manifest,
    assignment: Mapping[str, str],
    by: str,
    data_dir: str | Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> Cells:
    """Writes the tfrecords unless the very same ones are there already.

    They are the same if the facts, the manifest, the dealing, and every image file's size and time of change are. An
    interrupted build leaves nothing that a later one could take for whole; several at once do not disturb each other.

    Args:
        assignment: group -> split.
        by: the manifest column that holds the group.
        data_dir: where to write; `tfrecords` in the data set's folder by default.
        progress: called with a line now and then.

    Raises:
        SplitError: a group that `assignment` does not know, or a patient in two groups.
        ImageError: the first image that is missing, unreadable, or not of the declared kind.
        OutputError: `data_dir` cannot be written to.
    """
    data_dir = Path(data_dir or manifest.folder / TFRECORDS)
    for group in manifest.groups(by):
        if group not in assignment:
            problem = f"{by} {group} was not there when the cells were dealt"
            raise SplitError(problem, path=manifest.folder, fix="run fit again to deal it")
    name = f"{manifest.facts.name}-{_fingerprint(manifest, assignment, by)}"
    say = _Progress(progress or (lambda line: None))

    def opened() -> Cells:
        return Cells(
            manifest=manifest,
            split_of=lambda cell: assignment[getattr(cell, by)],
            progress=say.count,
            data_dir=data_dir,
            config=tfds.core.BuilderConfig(name=name, version=Cells.VERSION),
        )

    try:
        with without_warnings(), tensorflow_disk_errors():
            builder = opened()
            _remove_left_overs(Path(builder.data_path).parents[1])
            if not builder.data_path.exists():
                say.line(f"Writing tfrecords to {data_dir} (a copy of the pixels for this deal; may be removed later)")
                tfds.disable_progress_bar()
                try:
                    builder.download_and_prepare()
                except OSError:
                    # Another process was first: it wrote the same, and its folder appeared whole, by a rename.
                    if not builder.data_path.exists():
                        raise
                    builder = opened()
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error})"
        raise OutputError(problem, path=data_dir, fix="copy the data set to a place of your own") from None
    return builder


def _fingerprint(manifest: Manifest, assignment: Mapping[str, str], by: str) -> str:
    digest = hashlib.sha256(repr((manifest.facts, by, sorted(assignment.items()))).encode())
    with (manifest.folder / MANIFEST).open("rb") as file:
        hashlib.file_digest(file, lambda: digest)
    for cell in manifest.cells():
        for path in filter(None, (cell.brightfield, cell.dapi)):
            try:
                stat = os.stat(path)
            except OSError:
                raise ImageError("no such file", path=path, fix="check the path or the manifest") from None
            digest.update(repr((stat.st_size, stat.st_mtime_ns)).encode())
    return digest.hexdigest()[:16]


def _remove_left_overs(folder: Path) -> None:
    """Of builds that were killed: tensorflow-datasets removes those that fail, and only those."""
    for left_over in folder.glob(f"*/{INCOMPLETE_PREFIX}*"):
        # Another process may be removing or renaming it.
        with contextlib.suppress(OSError):
            if max(path.stat().st_mtime for path in (left_over, *left_over.rglob("*"))) < time.time() - STALE:
                shutil.rmtree(left_over, ignore_errors=True)


class _Progress:
    """Counts cells and says so every few seconds."""

    def __init__(self, line: Callable[[str], None]):
        self.line, self.cells, self.last = line, 0, time.monotonic()

    def count(self) -> None:
        self.cells += 1
        if time.monotonic() - self.last > SAY_EVERY:
            self.last = time.monotonic()
            self.line(f"  {self.cells} cells written")
