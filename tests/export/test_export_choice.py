"""The smallest file that loses no more than allowed."""

import itertools
import json

import numpy as np
import pytest

from tfctc.errors import ExportError, SplitError
from tfctc.export import choice as choice_module
from tfctc.export import parity
from tfctc.export.card import model_card
from tfctc.export.choice import smallest_precision
from tfctc.export.litert import PRECISIONS, convert
from tfctc.export.version import write_version


def losing(costs):
    """A loss that knows the artefacts by how far they are from Keras: the rounder the answer, the more it costs."""

    def loss(before, after):
        largest = float(np.abs(before - after).max())
        return {"value": largest, "low": largest / 2, "high": largest * costs}

    return loss


def quiet(_):
    pass


@pytest.fixture(scope="module")
def flatbuffers(model, facts, images):
    return {precision: convert(model, facts, precision, images[::2]) for precision in PRECISIONS}


@pytest.fixture(autouse=True)
def once(flatbuffers, monkeypatch):
    """Converted once, not in every test."""
    monkeypatch.setattr(choice_module, "convert", lambda model, facts, precision, calibration: flatbuffers[precision])


def test_the_bound_decides_and_every_try_is_told(subject, images):
    said = []
    chosen, choice = smallest_precision(subject, images, images[::2], losing(1), 1.0, said.append)
    sizes = {name: tried["bytes"] for name, tried in choice["tried"].items()}
    assert list(sizes) == list(PRECISIONS.values()) and all(t["within"] for t in choice["tried"].values())
    assert choice["chosen"] == min(sizes, key=sizes.get) and chosen == choice["chosen"] and choice["bound"] == 1.0
    assert len([line for line in said if "bytes" in line]) == 5
    # Every bound between two of them lets through those below it, and of these the smallest is taken.
    figures = {name: tried["loss"]["high"] for name, tried in choice["tried"].items()}
    losses = sorted(set(figures.values()))
    for below, above in itertools.pairwise(losses):
        within = {name for name, figure in figures.items() if figure <= below}
        chosen, choice = smallest_precision(subject, images, images[::2], losing(1), (below + above) / 2, quiet)
        assert {name for name, tried in choice["tried"].items() if tried["within"]} == within
        assert PRECISIONS[chosen] == choice["chosen"] == min(within, key=sizes.get)


def test_the_upper_end_of_the_interval_counts(subject, images):
    with pytest.raises(ExportError, match="no precision keeps the loss of F1 within 0.5"):
        smallest_precision(subject, images, images[::2], losing(1e9), 0.5, quiet)


def test_what_fails_its_gate_is_out_of_the_question(subject, images, monkeypatch):
    for name in ("int8", "mixed", "dynamic"):
        monkeypatch.setitem(parity.GATES, name, parity.Gate("mean_abs", -1.0, 1))
    chosen, choice = smallest_precision(subject, images, images[::2], losing(1), 1.0, quiet)
    assert chosen == "float16" and "int8 differs from Keras" in choice["tried"]["int8"]["problem"]


def test_the_choice_is_in_manifest_and_card(subject, images, tmp_path):
    tried = {"int8": {"bytes": 5000, "within": False, "problem": "int8 differs"}}
    tried["float32"] = {"bytes": 9000, "within": True, "loss": {"value": 0.001, "low": -0.002, "high": 0.004}}
    choice = {"bound": 0.01, "chosen": "float32", "tried": tried}
    folder = write_version(subject, tmp_path / "m", images[:2], (), False, ("none",), (), quiet, choice)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["choice"] == choice
    card = (folder / "MODEL_CARD.md").read_text()
    assert card == model_card(manifest, None)
    assert "float32 was chosen" in card and "| float32 | 9,000 | +0.0010 (-0.0020 to +0.0040) |" in card
    assert "| int8 | 5,000 | int8 differs |" in card


def test_what_cannot_be_converted_is_out_of_the_question(subject, images, flatbuffers, monkeypatch):
    def convert(model, facts, precision, calibration):
        if precision == "mixed":
            raise ExportError("not even half of the layers are enough")
        return flatbuffers[precision]

    monkeypatch.setattr(choice_module, "convert", convert)
    chosen, choice = smallest_precision(subject, images, images[::2], losing(1), 1.0, quiet)
    assert choice["tried"]["mixed"] == {"within": False, "problem": "not even half of the layers are enough"}
    assert chosen == min(set(PRECISIONS) - {"mixed"}, key=lambda precision: len(flatbuffers[precision]))


def test_cells_that_tell_no_loss_are_refused_before_the_work(subject, images):
    def loss(before, after):
        raise SplitError("two patients are needed")

    said = []
    with pytest.raises(SplitError, match="two patients"):
        smallest_precision(subject, images, images[::2], loss, 1.0, said.append)
    assert not said
