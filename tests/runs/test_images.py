"""Images that a run has used, found again in other data sets by their pixels."""

import shutil
from dataclasses import replace

import numpy as np
from made_up import edit_manifest
from PIL import Image
from small_runs import changed

from tfctc.data.manifest import Manifest
from tfctc.io.duplicates import image_fingerprint
from tfctc.io.images import read_channel
from tfctc.runs.folder import RunFolder
from tfctc.runs.images import read_used_images, write_used_images
from tfctc.runs.leakage import training_cells


def cells_in(run, *splits):
    """Ids of the cells of some splits, from the manifest alone."""
    cells = Manifest.open(run.config.data).cells()
    return [cell.cell_id for cell in cells if run.splits.assignment[cell.patient_id] in splits]


def test_a_fingerprint_is_of_size_and_pixel_values_alone():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 1))
    marks = [image_fingerprint(pixels.astype(kind)) for kind in ("uint8", "uint16", ">u2")]
    marks.append(image_fingerprint(np.asfortranarray(pixels.astype("uint16"))))
    assert len(set(marks)) == 1 and 0 <= marks[0] < 2**64
    other = pixels.copy()
    other[0, 0] += 1
    assert len({marks[0], image_fingerprint(other), image_fingerprint(pixels.reshape(4, 6, 1))}) == 3
    assert image_fingerprint(np.full((6, 4, 1), 7, "uint8")) is None


def same_images(manifest, run):
    """Cells of a data set whose image the run has been trained or validated on."""
    known = training_cells(run)
    read = lambda cell: image_fingerprint(read_channel(cell.brightfield, manifest.facts))  # noqa: E731
    return [cell.cell_id for cell in manifest.cells() if known.knows_image(read(cell))]


def test_the_images_of_training_and_validation_are_found_under_other_names(distilled_run, tiny_dataset, tmp_path):
    def rename(rows):
        for row in rows:
            row.update(cell_id=f"x{row['cell_id']}", patient_id=f"y{row['patient_id']}", site="z")

    other = changed(tiny_dataset, tmp_path / "data", rename)
    used = cells_in(distilled_run, "train", "validation")
    assert same_images(Manifest.open(other), distilled_run) == [f"x{cell_id}" for cell_id in used]
    assert len(read_used_images(distilled_run)) == len(used) < 48


def test_another_image_is_not_found(distilled_run, tiny_dataset, tmp_path):
    data = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    (cell,) = edit_manifest(data, lambda rows: rows.__delitem__(slice(1, None))) and Manifest.open(data).cells()
    pixels = np.asarray(Image.open(cell.brightfield)).copy()
    pixels[3, 3] ^= 1
    Image.fromarray(pixels).save(cell.brightfield)
    assert same_images(Manifest.open(data), distilled_run) == []


def test_images_of_the_initial_weights_are_known_too(distilled_run, tmp_path):
    write_used_images(tmp_path / "images.npy", np.array([5, 1], np.uint64), [distilled_run])
    heir = replace(distilled_run, folder=tmp_path)
    assert set(read_used_images(heir).tolist()) == {1, 5, *read_used_images(distilled_run).tolist()}


def test_a_run_of_an_early_version_is_not_compared(distilled_run, tmp_path):
    early = RunFolder(tmp_path, distilled_run.config, distilled_run.facts)
    assert read_used_images(early) is None
