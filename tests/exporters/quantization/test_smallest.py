"""The smallest file that loses no more F1 than allowed."""

import itertools
import json

import numpy as np
import pytest

from tfctc.errors import ExportError, SplitError
from tfctc.exporters import parity
from tfctc.exporters.documents import model_card
from tfctc.exporters.litert import PRECISIONS
from tfctc.exporters.quantization import smallest
from tfctc.exporters.quantization.smallest import smallest_precision
from tfctc.exporters.version import write_version


def loss(before, after, upper=1.0):
    """A loss that grows with the largest difference from Keras: the coarser the file, the more it loses."""
    largest = float(np.abs(before - after).max())
    return {"value": largest, "low": largest / 2, "high": largest * upper}


@pytest.fixture
def choose(trained, images, flatbuffers, monkeypatch):
    """`smallest_precision` of the exporters' network, whose files are converted already."""
    monkeypatch.setattr(smallest, "convert", lambda model, facts, precision, calibration: flatbuffers[precision])
    return lambda bound, loss=loss: smallest_precision(trained, images, images[::2], loss, bound)


def test_the_bound_decides_and_every_file_is_reported(choose, messages):
    chosen, choice = choose(1.0)
    sizes = {name: tried["bytes"] for name, tried in choice["tried"].items()}
    assert list(sizes) == list(PRECISIONS.values()) and all(t["within"] for t in choice["tried"].values())
    assert choice["chosen"] == min(sizes, key=sizes.get) == PRECISIONS[chosen] and choice["bound"] == 1.0
    assert len([line for line in messages if "bytes" in line]) == 5
    # Every bound between two losses admits the files below it, and of these the smallest is chosen.
    losses = {name: tried["loss"]["high"] for name, tried in choice["tried"].items()}
    for below, above in itertools.pairwise(sorted(set(losses.values()))):
        within = {name for name, value in losses.items() if value <= below}
        chosen, choice = choose((below + above) / 2)
        assert {name for name, tried in choice["tried"].items() if tried["within"]} == within
        assert PRECISIONS[chosen] == choice["chosen"] == min(within, key=sizes.get)


def test_the_upper_end_of_the_interval_counts(choose):
    with pytest.raises(ExportError, match="no precision keeps the loss of F1 within 0.5"):
        choose(0.5, lambda before, after: loss(before, after, upper=1e9))


def test_a_file_that_fails_its_gate_is_not_chosen(choose, monkeypatch):
    for name in ("int8", "mixed", "dynamic"):
        monkeypatch.setitem(parity.GATES, name, parity.Gate("mean_abs", -1.0, 1))
    chosen, choice = choose(1.0)
    assert chosen == "float16" and "int8 differs from Keras" in choice["tried"]["int8"]["problem"]


def test_the_choice_is_in_manifest_and_model_card(trained, images, tmp_path, written_once):
    tried = {"int8": {"bytes": 5000, "within": False, "problem": "int8 differs"}}
    tried["float32"] = {"bytes": 9000, "within": True, "loss": {"value": 0.001, "low": -0.002, "high": 0.004}}
    choice = {"bound": 0.01, "chosen": "float32", "tried": tried}
    base = tmp_path / "m"
    folder = write_version(trained, base, images[:2], saved_model=False, precisions=("none",), choice=choice)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["choice"] == choice
    card = (folder / "MODEL_CARD.md").read_text()
    assert card == model_card(manifest, None)
    assert "float32 was chosen" in card and "| float32 | 9,000 | +0.0010 (-0.0020 to +0.0040) |" in card
    assert "| int8 | 5,000 | int8 differs |" in card


def test_a_precision_that_cannot_be_converted_is_not_chosen(choose, flatbuffers, monkeypatch):
    def convert(model, facts, precision, calibration):
        if precision == "mixed":
            raise ExportError("not even half of the layers are enough")
        return flatbuffers[precision]

    monkeypatch.setattr(smallest, "convert", convert)
    chosen, choice = choose(1.0)
    assert choice["tried"]["mixed"] == {"within": False, "problem": "not even half of the layers are enough"}
    assert chosen == min(set(PRECISIONS) - {"mixed"}, key=lambda precision: len(flatbuffers[precision]))


def test_cells_without_a_loss_are_refused_before_anything_is_converted(choose, messages, monkeypatch):
    def refuse(before, after):
        raise SplitError("two patients are needed")

    monkeypatch.setattr(smallest, "convert", lambda *_: pytest.fail("converted"))
    with pytest.raises(SplitError, match="two patients"):
        choose(1.0, refuse)
    assert not messages
