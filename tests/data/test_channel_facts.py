"""Channels of two bit depths, a binned one and crops of any size, from files to training batches."""

import numpy as np
from PIL import Image

import tfctc
from tfctc.data import pipeline
from tfctc.data.builder import build
from tfctc.data.manifest import Manifest
from tfctc.data.splits import Splits
from tfctc.data.statistics import measure
from tfctc.io.images import crop_or_pad


def test_batches_hold_each_channel_on_its_own_scale(tmp_path):
    rng, stored = np.random.default_rng(0), {}
    for n, (height, width) in enumerate([(8, 8), (12, 10), (6, 4), (8, 10), (10, 8), (4, 4)]):
        patient = f"p{n % 3}"
        brightfield = rng.integers(1, 256, (height, width), np.uint8)
        dapi = rng.integers(1, 4096, (height // 2, width // 2), np.uint16)
        (tmp_path / "scans" / patient).mkdir(parents=True, exist_ok=True)
        Image.fromarray(brightfield).save(tmp_path / "scans" / patient / f"{n}_BF.png")
        Image.fromarray(dapi).save(tmp_path / "scans" / patient / f"{n}_DAPI.png")
        stored[f"{n}"] = brightfield, np.kron(dapi, np.ones((2, 2), np.uint16))
    tfctc.import_images(
        tmp_path / "scans",
        tmp_path / "cells",
        files="{patient}/{cell}_{channel}.png",
        bit_depth={"brightfield": 8, "dapi": 12},
        binning={"dapi": 2},
        size=8,
    )
    manifest = Manifest.open(tmp_path / "cells")
    builder = build(manifest, Splits("patient_id", {"p0": "train", "p1": "validation", "p2": "test"}))
    found = {}
    for split in ("train", "validation", "test"):
        for batch in pipeline.id_batches(builder, split, ("brightfield", "dapi"), 4, pipeline.ALL).as_numpy_iterator():
            for cell_id, *images in zip(batch["cell_id"], batch["brightfield"], batch["dapi"], strict=True):
                found[cell_id.decode()] = images
    assert set(found) == set(stored)
    for cell_id, (brightfield, dapi) in stored.items():
        for image, pixels, scale in zip(found[cell_id], (brightfield, dapi), (255, 4095), strict=True):
            expected = crop_or_pad(pixels, (8, 8)).astype(np.float32) / np.float32(scale)
            np.testing.assert_array_equal(image[..., 0], expected)
    train = np.stack([found[cell.cell_id][1] for cell in manifest.cells() if cell.patient_id == "p0"])
    mean, deviation = measure(builder, ("brightfield", "dapi")).normalisation["dapi"]
    np.testing.assert_allclose((mean, deviation), (train.mean(), train.std()), rtol=1e-5)
