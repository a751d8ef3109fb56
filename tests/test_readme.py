"""The README: short, and everything in it works as it stands there."""

import csv
import re
import shlex
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image
from small_models import make_compact_shallow

import tfctc
from tfctc.cli import main

README = Path(__file__).parents[1] / "README.md"
PATIENTS, CELLS = 12, 4


def blocks(language):
    """Code blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(program):
    """Command lines of a program, comments left out."""
    lines = "\n".join(blocks("")).replace("\\\n", " ").splitlines()
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words and words[0] == program]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the files of the README's listing; CTCs have a bright disc."""
    rng, disc = np.random.default_rng(0), np.hypot(*(np.indices((16, 16)) - 7.5)) < 4
    rows = []
    for patient in range(1, PATIENTS + 1):
        (folder := tmp_path / "scans" / f"patient{patient:02}").mkdir(parents=True)
        for cell in range(1, CELLS + 1):
            label = ("WBC", "CTC")[cell % 2]
            rows.append({"cell_id": f"{folder.name}/{cell:04}", "label": label})
            for channel, contrast in (("BF", 300), ("DAPI", 900)):
                counts = 1500 + contrast * disc * (label == "CTC") + rng.normal(0, 100, disc.shape)
                Image.fromarray(counts.astype(np.uint16)).save(folder / f"{cell:04}_{channel}.tif")
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["cell_id", "label"])
        writer.writeheader()
        writer.writerows(rows)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_readme_is_short():
    assert len(README.read_text(encoding="utf-8").split()) < 900


def test_the_set_up_commands_are_there():
    for command in (*commands("tools/quickstart"), *commands("tools/test")):
        assert (README.parent / command[0]).stat().st_mode & 0o100
    assert [len(commands(f"tools/{name}")) for name in ("quickstart", "test")] == [1, 1]


@pytest.fixture
def quick(monkeypatch):
    """Every training ends after two epochs, and the backbone "compact" has two stages."""
    make_compact_shallow(monkeypatch)
    fit = keras.Model.fit
    monkeypatch.setattr(
        keras.Model, "fit", lambda *args, epochs, **options: fit(*args, epochs=min(epochs, 2), **options)
    )


@pytest.mark.slow
def test_the_commands_and_the_python_lines_run_on_the_files_listed(here, quick, capfd):
    """In the README's order, on made-up images under the names of its listing."""
    lines = commands("tfctc")
    assert [line[1] for line in lines] == ["import", "fit", "evaluate", "export", "predict"]
    for _, *arguments in lines:
        # Two epochs on made-up images make a model with cautions.
        accepted = ["--accept"] if arguments[0] == "export" else []
        with pytest.raises(SystemExit) as ended:
            main([*arguments, *accepted])
        assert ended.value.code == 0, arguments
    with (here / "predictions.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == PATIENTS * CELLS
    (python,) = blocks("python")
    names = {}
    python = python.replace('quantize="int8")', 'quantize="int8", accept=True)')
    exec(compile(python, str(README), "exec"), names)
    assert names["tfctc"] is tfctc and 0 <= names["probability"] <= 1
    assert str(names["images"]["dapi"].shape) in capfd.readouterr().out
