"""The index of cells against the list that it was built from."""

import numpy as np
import pytest

from tfctc.cells import Cell
from tfctc.data import index as module
from tfctc.data.index import CellIndex


@pytest.fixture
def cells():
    """20 cells; texts are short and long, empty and not ASCII."""
    rng = np.random.default_rng(0)
    return [
        Cell(
            cell_id=f"cell {i} " + "ü細" * int(rng.integers(0, 20)),
            patient_id=f"p{rng.integers(5)}",
            site=("s1", "s2", "")[i % 3],
            brightfield=f"images/{'x' * int(rng.integers(0, 60))}{i}.png",
            dapi="" if i % 4 == 0 else f"images/{i}_dapi.png",
            label=("", "ctc", "leukocyte")[i % 3],
        )
        for i in range(20)
    ]


@pytest.mark.parametrize("chunk", [1, 7, 10, 20, 16_384])
def test_what_goes_in_comes_out_whatever_the_chunks(cells, chunk, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", chunk)
    lines = [2 + 3 * i for i in range(len(cells))]
    index = CellIndex.build(zip(lines, cells, strict=True))
    assert list(index) == cells and index.lines.tolist() == lines and len(index) == 20
    assert [index[i] for i in (3, 0, 19, -1, 3)] == [cells[i] for i in (3, 0, 19, -1, 3)]
    assert all(type(value) is str for value in vars(index[5]).values())
    for name in ("cell_id", "brightfield", "dapi"):
        assert index.texts[name].tolist() == [getattr(cell, name) for cell in cells]


def test_no_cell_is_an_index_too():
    index = CellIndex.build(iter(()))
    assert len(index) == 0 and list(index) == [] and index.names["label"] == []
    assert index.coded("label", {"ctc": 1}, -1).shape == (0,)


def test_names_are_those_that_occur_in_order_of_first_occurrence(cells):
    index = CellIndex.build(enumerate(cells))
    for name in ("patient_id", "site", "label"):
        assert index.names[name] == list(dict.fromkeys(getattr(cell, name) for cell in cells))


def test_coded_values_are_those_of_a_dictionary(cells):
    index = CellIndex.build(enumerate(cells))
    for column, values in (("label", {"leukocyte": 0, "ctc": 1}), ("patient_id", {"p1": 7, "p4": 9, "stranger": 3})):
        found = index.coded(column, values, -1)
        assert found.dtype == np.int64
        assert found.tolist() == [values.get(getattr(cell, column), -1) for cell in cells]
