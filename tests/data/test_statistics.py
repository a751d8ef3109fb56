"""Counts and pixel statistics against NumPy."""

import numpy as np
import pytest
from PIL import Image

from tfctc.config import RunConfig
from tfctc.data import pipeline
from tfctc.data.splits import Splits
from tfctc.data.statistics import measure

CHANNELS = ("brightfield", "dapi")


def test_statistics_are_numpys_over_the_image_files(partly):
    found = measure(partly, CHANNELS)
    splits, cells = Splits.make(partly.manifest, RunConfig()), list(partly.manifest.cells())
    for split, counts in found.cells.items():
        own = [cell.label for cell in cells if splits.of(cell) == split]
        assert counts == {"leukocyte": own.count("leukocyte"), "ctc": own.count("ctc"), "unlabelled": own.count("")}
    negative, positive, _, unlabelled = pipeline.label_counts(partly, "train")
    assert found.cells["train"] == {"leukocyte": negative, "ctc": positive, "unlabelled": unlabelled}
    assert unlabelled and set(found.normalisation) == set(CHANNELS)
    for channel, (mean, deviation) in found.normalisation.items():
        paths = [getattr(cell, channel) for cell in cells if splits.of(cell) == "train"]
        pixels = np.stack([np.asarray(Image.open(path)) for path in paths if path]) / 4095
        assert mean == pytest.approx(pixels.mean()) and deviation == pytest.approx(pixels.std())


def test_only_the_channels_asked_for_are_measured(partly):
    assert set(measure(partly, ("brightfield",)).normalisation) == {"brightfield"}
    assert measure(partly, ()).normalisation == {}


def test_a_blank_channel_has_a_deviation_above_zero(partly, monkeypatch):
    """Networks divide by it."""
    blank = lambda *arguments, **options: records(*arguments, **options).map(  # noqa: E731
        lambda record: {name: 0 * value if name == "brightfield" else value for name, value in record.items()}
    )
    records = pipeline.records
    monkeypatch.setattr(pipeline, "records", blank)
    mean, deviation = measure(partly, ("brightfield",)).normalisation["brightfield"]
    assert mean == 0 and 0 < deviation < 1e-5
