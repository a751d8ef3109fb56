"""Folders with bright-field and DNA-stain images of the same cells: each cell once, from bright-field, or a refusal."""

import numpy as np
import pytest
from mean_model import write_mean_model
from PIL import Image

from tfctc.api.predicting import predict
from tfctc.cells import DatasetFacts, FileNaming
from tfctc.errors import TfctcError

SIDE, CELLS = 8, (1, 2, 3)
#: Habit -> bright-field name, name of the stain, template that tells them apart, name of bright-field in it.
HABITS = {
    "words": ("{n}_BF.tif", "{n}_DAPI.tif", "{cell}_{channel}.tif", "BF"),
    "words in front": ("BF {n}.tif", "Hoechst {n}.tif", "{channel} {cell}.tif", "BF"),
    "folders": ("BF/{n:04}.tif", "DAPI/{n:04}.tif", "{channel}/{cell}.tif", "BF"),
    "numbered folders": ("w1/{n:04}.tif", "w2/{n:04}.tif", "{channel}/{cell}.tif", "w1"),
    "amnis": ("{n}_Ch1.ome.tif", "{n}_Ch7.ome.tif", "{cell}_{channel}.ome.tif", "Ch1"),
    "imagej": ("C1-cell{n}.tif", "C2-cell{n}.tif", "{channel}-{cell}.tif", "C1"),
    "imagexpress": ("P_A01_s{n}_w1.TIF", "P_A01_s{n}_w2.TIF", "{cell}_{channel}.tif", "w1"),
    "micromanager": (
        "img_channel000_position{n:03}_time0_z0.tif",
        "img_channel001_position{n:03}_time0_z0.tif",
        "img_channel{channel}_position{cell}_time*.tif",
        "000",
    ),
    "letters": ("{n:04}a.png", "{n:04}b.png", "{cell}{channel}.png", "a"),
    "operetta": ("r01c{n:02}f01p01-ch1sk1.tif", "r01c{n:02}f01p01-ch2sk1.tif", "{cell}-{channel}sk1.tif", "ch1"),
    "no word for the stain": ("{n}_trans.png", "{n}_blue.png", "{cell}_{channel}.png", "trans"),
    "pre- and suffix": ("x{n}-405.png", "x{n}-trans.png", "{cell}-{channel}.png", "trans"),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    def make(habit):
        rng = np.random.default_rng(0)
        brightfield, stain = HABITS[habit][:2]
        if habit == "pre- and suffix":
            brightfield, stain = stain, brightfield
        for n in CELLS:
            for name, level in ((brightfield, 3000), (stain, 100)):
                path = tmp_path / "cells" / name.format(n=n)
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.normal(level, 9, (SIDE, SIDE)).astype(np.uint16)).save(path)
        return tmp_path / "cells"

    return make


def naming_of(habit):
    return FileNaming((HABITS[habit][2],), channels={HABITS[habit][3]: "brightfield"})


def rows(tmp_path, naming, *arguments, **options):
    """Probability of each row, from a model that answers with the mean pixel."""
    facts = DatasetFacts("made-up", bit_depth=12, image_size=(SIDE, SIDE), naming=naming)
    model = write_mean_model(tmp_path / "model.tflite", facts)
    predict(model, *arguments, tmp_path / "out.csv", **options)
    lines = (tmp_path / "out.csv").read_text().splitlines()[1:]
    return {line.split(",")[0]: float(line.split(",")[4]) for line in lines}


@pytest.mark.parametrize("habit", HABITS)
def test_the_kept_naming_finds_bright_field(folder, tmp_path, habit):
    found = rows(tmp_path, naming_of(habit), [folder(habit)])
    assert len(found) == len(CELLS) and min(found.values()) > 0.5


@pytest.mark.parametrize("habit", HABITS)
def test_a_naming_of_the_command_finds_bright_field(folder, tmp_path, habit):
    naming = naming_of(habit)
    found = rows(tmp_path, None, [folder(habit)], files=naming.files, channels=naming.channels)
    assert len(found) == len(CELLS) and min(found.values()) > 0.5


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("each", [False, True], ids=["folder", "files"])
def test_without_a_naming_the_folder_is_refused(folder, tmp_path, habit, each):
    images = folder(habit)
    arguments = sorted(path for path in images.rglob("*") if path.is_file()) if each else [images]
    with pytest.raises(TfctcError, match="--files|give each cell once"):
        rows(tmp_path, None, arguments)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("habit", HABITS)
@pytest.mark.parametrize("of_model", HABITS)
def test_the_naming_of_another_instrument_never_lets_a_stain_pass(folder, tmp_path, habit, of_model):
    try:
        found = rows(tmp_path, naming_of(of_model), [folder(habit)])
    except TfctcError:
        return
    assert len(found) == len(CELLS) and min(found.values()) > 0.5
