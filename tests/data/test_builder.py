"""tfrecords against the image files they were made from."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from made_up import made_up_cells, write_cells
from PIL import Image

from tfctc.cells import SPLITS, Cell, DatasetFacts
from tfctc.config import SplitConfig
from tfctc.data import builder as module
from tfctc.data.builder import build
from tfctc.data.manifest import Manifest, write_manifest
from tfctc.data.pipeline import records
from tfctc.data.splits import deal
from tfctc.errors import ImageError, OutputError, SplitError


def built(folder, by="patient_id", **options):
    manifest = Manifest.open(folder)
    assignment = deal(manifest.groups(by), manifest.facts, SplitConfig(), 0)
    return build(manifest, assignment, by, **options), manifest, assignment


@pytest.mark.parametrize("bit_depth", [8, 12, 16])
def test_every_record_is_its_files_bit_for_bit(tmp_path, bit_depth):
    facts = DatasetFacts("depth", bit_depth=bit_depth, image_size=(12, 20))
    cells = made_up_cells(facts)
    cells[3] = replace(cells[3], dapi="", label="")
    folder = write_cells(tmp_path / "data", facts, cells)
    builder, manifest, assignment = built(folder)
    by_id, seen, patients = {cell.cell_id: cell for cell in manifest.cells()}, set(), {}
    for split in SPLITS:
        for record in records(builder, split, ("brightfield", "dapi")).as_numpy_iterator():
            cell = by_id[record["cell_id"].decode()]
            assert record["patient_id"].decode() == cell.patient_id and record["site"].decode() == cell.site
            assert assignment[cell.patient_id] == split and record["label"] == facts.class_index(cell.label)
            assert record["dapi_present"] == bool(cell.dapi)
            for channel in ("brightfield", "dapi"):
                path = getattr(cell, channel)
                expected = np.asarray(Image.open(path)) if path else np.zeros(facts.image_size)
                assert record[channel].dtype == facts.dtype
                np.testing.assert_array_equal(record[channel][..., 0], expected)
            seen.add(cell.cell_id)
            patients.setdefault(cell.patient_id, set()).add(split)
    assert seen == set(by_id) and all(len(splits) == 1 for splits in patients.values())


def test_the_same_is_built_once_and_a_changed_image_again(tiny_dataset, tmp_path):
    folder = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    lines = []
    first, manifest, _ = built(folder, progress=lines.append)
    again, *_ = built(folder, progress=lines.append)
    assert len(lines) == 1 and again.data_path == first.data_path
    assert f"to {folder / 'tfrecords'} (a copy" in lines[0] and "may be removed" in lines[0]
    cell = next(manifest.cells())
    pixels = np.asarray(Image.open(cell.brightfield)).copy()
    pixels[0, 0] += 1
    Image.fromarray(pixels).save(cell.brightfield)
    os.utime(cell.brightfield, ns=(0, 1))
    changed, *_ = built(folder, progress=lines.append)
    assert len(lines) == 2 and changed.data_path != first.data_path
    found = {
        record["cell_id"].decode(): record["brightfield"][..., 0]
        for split in SPLITS
        for record in records(changed, split, ("brightfield",)).as_numpy_iterator()
    }
    np.testing.assert_array_equal(found[cell.cell_id], pixels)


def test_a_row_that_names_another_file_of_one_name_and_stamp_is_built_again(tmp_path):
    """Cameras number each patient's cells anew; uncompressed files are of one size, unpacked ones of one time."""
    facts = DatasetFacts("few", bit_depth=8, image_size=(4, 4))
    cells = [replace(cell, brightfield=f"{cell.cell_id}/1.tif", dapi="") for cell in made_up_cells(facts)]
    folder = write_cells(tmp_path, facts, cells)
    for i, cell in enumerate(cells):
        Image.fromarray(np.full((4, 4), i, np.uint8)).save(folder / cell.brightfield)
        os.utime(folder / cell.brightfield, ns=(0, 1))
    first, manifest, _ = built(folder)
    cells[0] = replace(cells[0], brightfield=cells[5].brightfield)
    cells[5] = replace(cells[5], brightfield="p00-0/1.tif")
    write_manifest(folder, facts, cells)
    again, *_ = built(folder)
    found = {
        record["cell_id"].decode(): int(record["brightfield"][0, 0, 0])
        for split in SPLITS
        for record in records(again, split, ("brightfield",)).as_numpy_iterator()
    }
    assert found == {cell.cell_id: {0: 5, 5: 0}.get(i, i) for i, cell in enumerate(cells)}


def ids(builder, split):
    return [record["cell_id"].decode() for record in records(builder, split, ()).as_numpy_iterator()]


def test_the_order_of_the_records_is_random_but_not_of_the_manifests_making(tiny_dataset, tmp_path):
    """The order is that of the ids' hash, whatever the order of the manifest's rows and the number of files."""
    folder = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    builder, manifest, assignment = built(folder)
    header, *rows = (folder / "manifest.csv").read_text().splitlines()
    (folder / "manifest.csv").write_text("\n".join([header, *rows[::-1]]))
    again = build(Manifest.open(folder), assignment, "patient_id")
    assert again.data_path != builder.data_path
    for split in SPLITS:
        of_split = [cell.cell_id for cell in manifest.cells() if assignment[cell.patient_id] == split]
        by_hash = sorted(of_split, key=lambda i: int.from_bytes(blake2b(i.encode(), digest_size=8).digest(), "little"))
        assert ids(builder, split) == ids(again, split) == by_hash != of_split


def test_a_split_of_several_files_holds_the_same_records(tiny_dataset, tmp_path, monkeypatch):
    one, *_ = built(tiny_dataset, data_dir=tmp_path / "one")
    monkeypatch.setattr(module, "SHARD_BYTES", 5 * 16 * 16 * 2 * 2)
    several, *_ = built(tiny_dataset, data_dir=tmp_path / "several")
    for split in SPLITS:
        assert one.info.splits[split].num_shards == 1
        lengths = several.info.splits[split].shard_lengths
        assert len(lengths) > 1 and max(lengths) <= 5 and sum(lengths) == one.info.splits[split].num_examples
        assert ids(several, split) == ids(one, split)


def test_an_interrupted_build_is_not_taken_for_whole(tiny_dataset, tmp_path, monkeypatch):
    def die(self):
        raise KeyboardInterrupt

    with monkeypatch.context() as kill:
        kill.setattr(module._Progress, "count", die)
        with pytest.raises(KeyboardInterrupt):
            built(tiny_dataset, data_dir=tmp_path)
    builder, manifest, _ = built(tiny_dataset, data_dir=tmp_path)
    assert sum(builder.info.splits[s].num_examples for s in SPLITS) == len(list(manifest.cells()))
    assert not list(Path(tmp_path).rglob("*incomplete*"))


def test_what_a_killed_build_left_is_removed_but_not_what_another_is_writing(tiny_dataset, tmp_path):
    """Killed for real: no clean-up of its own runs."""
    build_and_die = (
        "import os, signal, sys; from test_builder import built, module\n"
        "module._Progress.count = lambda self: os.kill(os.getpid(), signal.SIGKILL)\n"
        "built(sys.argv[1], data_dir=sys.argv[2])"
    )
    here = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1]), *filter(None, sys.path)])
    command = [sys.executable, "-c", build_and_die, tiny_dataset, tmp_path]
    killed = subprocess.run(command, env=os.environ | {"PYTHONPATH": here}, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    (left,) = tmp_path.glob("*/*/incomplete*")
    built(tiny_dataset, data_dir=tmp_path)
    assert left.exists()
    for path in (*left.rglob("*"), left):
        os.utime(path, (time.time() - 2 * module.STALE,) * 2)
    built(tiny_dataset, data_dir=tmp_path)
    assert not left.exists()


def test_of_two_builds_at_once_the_second_takes_what_the_first_wrote(tiny_dataset, tmp_path, monkeypatch):
    def another_finishes_first(self):
        monkeypatch.undo()
        if not first:
            first.append(built(tiny_dataset, data_dir=tmp_path)[0])

    first = []
    monkeypatch.setattr(module._Progress, "count", another_finishes_first)
    builder, manifest, assignment = built(tiny_dataset, data_dir=tmp_path)
    of_train = {cell.cell_id for cell in manifest.cells() if assignment[cell.patient_id] == "train"}
    assert builder.data_path == first[0].data_path and set(ids(builder, "train")) == of_train
    assert builder.info.splits["train"].num_examples == len(of_train)
    assert not list(tmp_path.rglob("*incomplete*"))


def test_split_by_site(tiny_dataset, tmp_path):
    builder, *_ = built(tiny_dataset, by="site", data_dir=tmp_path)
    sites = [{r["site"] for r in records(builder, split, ()).as_numpy_iterator()} for split in SPLITS]
    assert all(sites) and not (sites[0] & sites[1] | sites[0] & sites[2] | sites[1] & sites[2])


def test_a_patient_unknown_when_dealt_is_an_error(tiny_dataset):
    manifest = Manifest.open(tiny_dataset)
    with pytest.raises(SplitError, match="patient_id p01 was not there when the cells were dealt"):
        build(manifest, {"p00": "train"}, "patient_id")


def test_a_missing_or_broken_image_is_named_and_nothing_is_left(tiny_dataset, tmp_path):
    folder = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    cell: Cell = next(Manifest.open(folder).cells())
    Path(cell.dapi).write_bytes(Path(cell.dapi).read_bytes()[:60])
    with pytest.raises(ImageError, match=cell.dapi):
        built(folder)
    Path(cell.dapi).unlink()
    with pytest.raises(ImageError, match="no such file"):
        built(folder)
    assert not [p for p in folder.rglob("*") if "tfrecord" in p.name and p.is_file()]


def test_a_disk_that_is_full_by_tensorflows_words_is_one_line(tiny_dataset, tmp_path, monkeypatch):
    def full(self):
        raise tf.errors.ResourceExhaustedError(None, None, f"{tmp_path}/x; {os.strerror(errno.ENOSPC)}")

    monkeypatch.setattr(module._Progress, "count", full)
    with pytest.raises(OutputError, match=f"^{tmp_path}: cannot be written .No space left on device.; "):
        built(tiny_dataset, data_dir=tmp_path)


def test_a_place_that_cannot_be_written_to(tiny_dataset, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        built(tiny_dataset, data_dir=tmp_path / "file" / "below")
