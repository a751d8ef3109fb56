"""A laboratory: a folder with images whose mean tells what they are, and the commands that are given in it."""

import csv

import numpy as np
import tifffile
from click.testing import CliRunner
from mean_model import write_mean_model
from PIL import Image

from tfctc.cells import DatasetFacts
from tfctc.cli import main
from tfctc.data.manifest import Manifest
from tfctc.io.images import read_channel

SIDE = 32
#: Mean of a bright-field and of a DAPI image, as shares of 4095; so the model answers which of them it was given.
BRIGHT, DARK = 0.6, 0.02


class Lab:
    """A folder of a laboratory, and the commands that are given in it."""

    def __init__(self, folder):
        self.folder, self.rng = folder, np.random.default_rng(0)
        self.outputs = 0

    def brightfield(self, size=(SIDE, SIDE)):
        return np.clip(self.rng.normal(BRIGHT * 4095, 40, size), 0, 4095).astype(np.uint16)

    def dapi(self, size=(SIDE, SIDE)):
        return np.clip(self.rng.normal(DARK * 4095, 10, size), 0, 4095).astype(np.uint16)

    def save(self, name, pixels, **options):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if options:
            tifffile.imwrite(path, pixels, **options)
        else:
            Image.fromarray(pixels).save(path)
        return path

    def pairs(self, brightfield, dapi, patients=2, cells=2, size=None):
        """Files of both channels, named by two templates of `patient` and `cell`."""
        for patient in range(patients):
            for cell in range(1, cells + 1):
                names = {"patient": f"patient{patient:03}", "cell": f"{cell:04}", "n": cell}
                self.save(brightfield.format(**names), self.brightfield(size or (SIDE, SIDE)))
                self.save(dapi.format(**names), self.dapi(size or (SIDE, SIDE)))

    def run(self, *arguments):
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    def imported(self, folder, *arguments):
        """Imports; returns the data set and what was printed."""
        self.outputs += 1
        output = self.folder / f"out{self.outputs}"
        result = self.run("import", self.folder / folder, *arguments, "--output", output)
        assert result.exit_code == 0, result.output
        return Manifest.open(output), result.output

    def refused(self, *arguments):
        result = self.run(*arguments)
        assert result.exit_code == 2 and isinstance(result.exception, SystemExit), result.output
        assert result.output.count("tfctc: error:") == 1
        return result.output.rpartition("tfctc: error: ")[2]

    def import_refused(self, folder, *arguments):
        output = self.folder / "refused"
        message = self.refused("import", self.folder / folder, *arguments, "--output", output)
        assert not output.exists()
        return message

    def model(self, **facts):
        facts = DatasetFacts("lab", **{"bit_depth": 12, "image_size": (SIDE, SIDE), **facts})
        return write_mean_model(self.folder / "model.tflite", facts)

    def predicted(self, model, *arguments, code=0):
        """Predicts; returns cell id -> probability."""
        table = self.folder / "predictions.csv"
        result = self.run("predict", model, *arguments, "--output", table)
        assert result.exit_code == code, result.output
        with table.open() as file:
            rows = list(csv.DictReader(file))
        return {row["cell_id"]: float(row["p_ctc"] or "nan") for row in rows}

    def pixels(self, manifest, channel="brightfield"):
        """Cell id -> pixels of one channel, as training would read them."""
        return {
            cell.cell_id: read_channel(getattr(cell, channel), manifest.facts, channel)[..., 0]
            for cell in manifest.cells()
        }
