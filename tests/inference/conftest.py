"""A network whose probability is known, images for it, and watchers of a folder."""

import numpy as np
import pytest
from mean_model import write_mean_model
from PIL import Image

from tfctc.cells import DatasetFacts, FileNaming
from tfctc.inference.batch import columns, last_values
from tfctc.inference.journal import Journal
from tfctc.inference.predictor import Predictor
from tfctc.inference.sources import SearchRules
from tfctc.inference.watch import Watcher

HEIGHT, WIDTH = 12, 10


@pytest.fixture(scope="session")
def facts():
    return DatasetFacts("made-up", bit_depth=12, image_size=(HEIGHT, WIDTH))


@pytest.fixture
def write_model(facts, tmp_path):
    def write(integer=False, **changes):
        path = tmp_path / f"mean_{'int8' if integer else 'float32'}.tflite"
        return write_mean_model(path, facts, integer, **changes)

    return write


@pytest.fixture
def write_image(facts, tmp_path):
    """Writes an image of the given share of the full scale; its rows are a count brighter and darker, in turn."""

    def write(name, share=0.5, size=(HEIGHT, WIDTH), dtype=np.uint16):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full(size, round(share * facts.full_scale))
        pixels[::2] += 1
        pixels[1::2] -= 1
        Image.fromarray(pixels.clip(0, facts.full_scale).astype(dtype)).save(path)
        return path

    return write


@pytest.fixture
def begin(write_model, tmp_path):
    """Starts a watcher as a new process would; the one before has ended."""
    open_journals = []

    def start(pattern=None, settle=0.0, **changes):
        rules = SearchRules(FileNaming(pattern=pattern), True) if pattern else SearchRules()
        for journal in open_journals:
            journal.close()
        predictor = Predictor(write_model(**changes))
        journal = Journal(tmp_path / "predictions.csv", columns(predictor), last_values(predictor))
        open_journals.append(journal)
        return Watcher(predictor, tmp_path / "cells", journal, rules, settle=settle)

    (tmp_path / "cells").mkdir()
    yield start
    for journal in open_journals:
        journal.close()
