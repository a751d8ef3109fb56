"""tfrecords against the image files they were made from."""

import errno
import os
import shutil
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
from tfctc.config import RunConfig, SplitConfig
from tfctc.data import builder as module
from tfctc.data.builder import build
from tfctc.data.manifest import Manifest, write_manifest
from tfctc.data.pipeline import records
from tfctc.data.splits import Splits
from tfctc.errors import ImageError, OutputError, SplitError


def built(folder, by="patient_id", **options):
    manifest = Manifest.open(folder)
    splits = Splits.make(manifest, RunConfig(split=SplitConfig(by)))
    return build(manifest, splits, **options), manifest, splits


@pytest.fixture
def at_each_cell(monkeypatch):
    """Has a function called whenever a cell has been written."""
    return lambda function: monkeypatch.setattr(module.Task, "advance", lambda self: function())


@pytest.mark.parametrize("bit_depth", [8, 12, 16])
def test_every_record_is_its_files_bit_for_bit(tmp_path, bit_depth):
    facts = DatasetFacts("depth", bit_depth=bit_depth, image_size=(12, 20))
    cells = made_up_cells(facts)
    cells[3] = replace(cells[3], dapi="", label="")
    folder = write_cells(tmp_path / "data", facts, cells)
    builder, manifest, splits = built(folder)
    by_id, seen, patients = {cell.cell_id: cell for cell in manifest.cells()}, set(), {}
    for split in SPLITS:
        for record in records(builder, split, ("brightfield", "dapi")).as_numpy_iterator():
            cell = by_id[record["cell_id"].decode()]
            assert record["patient_id"].decode() == cell.patient_id and record["site"].decode() == cell.site
            assert splits.of(cell) == split and record["label"] == facts.class_index(cell.label)
            assert record["dapi_present"] == bool(cell.dapi)
            for channel in ("brightfield", "dapi"):
                path = getattr(cell, channel)
                expected = np.asarray(Image.open(path)) if path else np.zeros(facts.image_size)
                assert record[channel].dtype == facts.dtype
                np.testing.assert_array_equal(record[channel][..., 0], expected)
            seen.add(cell.cell_id)
            patients.setdefault(cell.patient_id, set()).add(split)
    assert seen == set(by_id) and all(len(splits) == 1 for splits in patients.values())


def test_the_same_is_built_once_and_a_changed_image_again(copied, logged):
    steps = []

    def progress(*step):
        steps.append(step)

    first, manifest, _ = built(copied, progress=progress)
    again, *_ = built(copied, progress=progress)
    assert again.data_path == first.data_path
    assert steps == [(f"Writing tfrecords to {copied / 'tfrecords'}", done, 48) for done in range(1, 49)]
    (line,) = logged
    assert f"to {copied / 'tfrecords'} (a copy" in line and "may be removed" in line
    cell = next(manifest.cells())
    pixels = np.asarray(Image.open(cell.brightfield)).copy()
    pixels[0, 0] += 1
    Image.fromarray(pixels).save(cell.brightfield)
    os.utime(cell.brightfield, ns=(0, 1))
    changed, *_ = built(copied, progress=progress)
    assert len(logged) == 2 and len(steps) == 96 and changed.data_path != first.data_path
    found = {
        record["cell_id"].decode(): record["brightfield"][..., 0]
        for split in SPLITS
        for record in records(changed, split, ("brightfield",)).as_numpy_iterator()
    }
    np.testing.assert_array_equal(found[cell.cell_id], pixels)


def test_tfrecords_move_with_their_data_set(copied, tmp_path, monkeypatch):
    """Named by another path, or moved to another folder: the same tfrecords."""
    first, _, _ = built(copied)
    monkeypatch.chdir(copied.parent)
    again, _, _ = built(Path(copied.name))
    copied.rename(tmp_path / "elsewhere")
    moved, _, _ = built(tmp_path / "elsewhere")
    assert first.builder_config.name == again.builder_config.name == moved.builder_config.name
    assert len(list((tmp_path / "elsewhere" / "tfrecords/cells").iterdir())) == 1


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


def test_the_order_of_the_records_is_random_but_not_of_the_manifests_making(copied):
    """The order is that of the ids' hash, whatever the order of the manifest's rows and the number of files."""
    builder, manifest, splits = built(copied)
    header, *rows = (copied / "manifest.csv").read_text().splitlines()
    (copied / "manifest.csv").write_text("\n".join([header, *rows[::-1]]))
    again = build(Manifest.open(copied), splits)
    assert again.data_path != builder.data_path
    for split in SPLITS:
        of_split = [cell.cell_id for cell in manifest.cells() if splits.of(cell) == split]
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


def test_an_interrupted_build_is_not_taken_for_whole(tiny_dataset, tmp_path, at_each_cell, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    at_each_cell(interrupt)
    with pytest.raises(KeyboardInterrupt):
        built(tiny_dataset, data_dir=tmp_path)
    monkeypatch.undo()
    builder, manifest, _ = built(tiny_dataset, data_dir=tmp_path)
    assert sum(builder.info.splits[s].num_examples for s in SPLITS) == len(manifest)
    assert not list(tmp_path.rglob("*incomplete*"))


def test_what_a_killed_build_left_is_removed_but_not_what_another_is_writing(
    tiny_dataset, tmp_path, at_each_cell, monkeypatch
):
    """A killed process removes nothing: its folder is copied in the midst of the build, and put back after it."""

    def kill():
        (building,) = tmp_path.glob("place/*/*/incomplete*")
        shutil.copytree(building, tmp_path / "copy")
        kept.append(building)
        raise KeyboardInterrupt

    kept: list[Path] = []
    at_each_cell(kill)
    with pytest.raises(KeyboardInterrupt):
        built(tiny_dataset, data_dir=tmp_path / "place")
    monkeypatch.undo()
    left = kept[0]
    assert not left.exists(), "tensorflow-datasets removes the folder of a build that fails"
    (tmp_path / "copy").rename(left)
    built(tiny_dataset, data_dir=tmp_path / "place")
    assert left.exists()
    for path in (*left.rglob("*"), left):
        os.utime(path, (time.time() - 2 * module.STALE,) * 2)
    built(tiny_dataset, data_dir=tmp_path / "place")
    assert not left.exists()


def test_of_two_builds_at_once_the_second_takes_what_the_first_wrote(tiny_dataset, tmp_path, at_each_cell, monkeypatch):
    def another_finishes_first():
        monkeypatch.undo()
        if not first:
            first.append(built(tiny_dataset, data_dir=tmp_path)[0])

    first = []
    at_each_cell(another_finishes_first)
    builder, manifest, splits = built(tiny_dataset, data_dir=tmp_path)
    of_train = {cell.cell_id for cell in manifest.cells() if splits.of(cell) == "train"}
    assert builder.data_path == first[0].data_path and set(ids(builder, "train")) == of_train
    assert builder.info.splits["train"].num_examples == len(of_train)
    assert not list(tmp_path.rglob("*incomplete*"))


def test_split_by_site(tiny_dataset, tmp_path):
    builder, *_ = built(tiny_dataset, by="site", data_dir=tmp_path)
    sites = [{r["site"] for r in records(builder, split, ()).as_numpy_iterator()} for split in SPLITS]
    assert all(sites) and not (sites[0] & sites[1] | sites[0] & sites[2] | sites[1] & sites[2])


def test_a_patient_unknown_when_the_cells_were_split_is_an_error(tiny_dataset):
    manifest = Manifest.open(tiny_dataset)
    with pytest.raises(SplitError, match="patient_id p01 was not in the data set when it was split; run fit again"):
        build(manifest, Splits("patient_id", {"p00": "train"}))


def test_a_missing_or_broken_image_is_named_and_nothing_is_left(copied):
    cell: Cell = next(Manifest.open(copied).cells())
    Path(cell.dapi).write_bytes(Path(cell.dapi).read_bytes()[:60])
    with pytest.raises(ImageError, match=cell.dapi):
        built(copied)
    Path(cell.dapi).unlink()
    with pytest.raises(ImageError, match="no such file"):
        built(copied)
    assert not [p for p in copied.rglob("*") if "tfrecord" in p.name and p.is_file()]


def test_a_disk_that_is_full_by_tensorflows_words_is_one_line(tiny_dataset, tmp_path, at_each_cell):
    def full():
        raise tf.errors.ResourceExhaustedError(None, None, f"{tmp_path}/x; {os.strerror(errno.ENOSPC)}")

    at_each_cell(full)
    with pytest.raises(OutputError, match=f"^{tmp_path}: cannot be written .No space left on device.; "):
        built(tiny_dataset, data_dir=tmp_path)


def test_a_place_that_cannot_be_written_to(tiny_dataset, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        built(tiny_dataset, data_dir=tmp_path / "file" / "below")
