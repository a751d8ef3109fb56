"""Ids in a table against those of image files: one to one, or asked for."""

import pytest

from tfctc.data.importers.matching import match_ids
from tfctc.errors import ManifestError

CELLS = ["p1/0001", "p1/0002", "p1/0010", "p2/0001"]


def test_equal_ids_need_no_rule():
    ids = ["p2/0001", "p1/0010", "p9/0001", "p1/1"]
    assert match_ids(ids[:3], CELLS) == ({"p2/0001": "p2/0001", "p1/0010": "p1/0010"}, [])
    assert match_ids([], CELLS) == match_ids(["a"], []) == ({}, [])


@pytest.mark.parametrize(
    ("ids", "cells", "rule"),
    [
        (["p1/1", "p1/2", "p1/10", "p2/1"], CELLS, "leading zeros"),
        (["1", "2", "10"], ["0001", "0002", "0010"], "leading zeros"),
        (["0001", "0002"], ["1", "2"], "leading zeros"),
        (["p1_1_3"], ["p1_01_0003"], "leading zeros"),
        (["0", "1"], ["000", "001"], "leading zeros"),
        (["1.0", "2.0"], ["1", "2"], "a decimal place"),
        (["1.0", "2.0"], ["0001", "0002"], "leading zeros"),
        (["p1/1.0"], ["p1/1"], "a decimal place"),
        (["0001_BF.tif", "0002_BF.tif"], ["0001", "0002"], "the ending of a file name and of its channel"),
        (["p1\\0001_bright-field.TIFF"], ["p1/0001"], "the ending of a file name and of its channel"),
        (["7_2_DAPI.ome.tif"], ["07_2"], "the ending of a file name and of its channel"),
        (["p1\\0001.TIFF"], ["p1/0001"], "the ending of a file name"),
        (["1.png", "2.png"], ["0001", "0002"], "the ending of a file name, and leading zeros"),
        (["7_BF.png"], ["7_BF"], "the ending of a file name"),
        (["P1/A 3", "p2/\u00c9"], ["p1/a  3", "p2/\u00e9"], "case, spaces or leading zeros"),
        (["P1/1"], ["p1/0001"], "case, spaces or leading zeros"),
    ],
)
def test_a_rule_that_gives_each_id_one_cell_is_told(ids, cells, rule):
    matched, notes = match_ids(ids, cells)
    assert matched == dict(zip(ids, cells, strict=True))
    assert notes == [f"{len(ids)} id(s) of the table differ from the files in {rule}: {ids[0]} is read as {cells[0]}"]


def test_a_rule_is_for_what_is_left():
    matched, notes = match_ids(["a", "1", "B", "99"], ["a", "b", "01", "001x"])
    assert matched == {"a": "a", "1": "01", "B": "b"} and len(notes) == 2
    # The cell 01 has its row, so that 1 is a cell without an image.
    assert match_ids(["1", "01"], ["01", "2"]) == ({"01": "01"}, [])


@pytest.mark.parametrize(
    ("ids", "cells", "message"),
    [
        (
            ["x", "1"],
            ["x", "01", "001"],
            "id '1' may be any of the cells 01, 001, which differ from it in leading zeros;",
        ),
        (
            ["1", "001"],
            ["01"],
            "ids '1' and '001' may both be cell 01, from which they differ in leading zeros; keep one",
        ),
        (["A"], ["a ", "a"], "id 'A' may be any of the cells a , a, which differ from it in case"),
        (["7_BF.tif", "7_DAPI.tif"], ["7"], "ids '7_BF.tif' and '7_DAPI.tif' may both be cell 7"),
        (["7_bf.tif", "07-BF.tif"], ["7"], "ids '7_bf.tif' and '07-BF.tif' may both be cell 7"),
    ],
)
def test_what_could_be_two_is_asked_for(ids, cells, message):
    with pytest.raises(ManifestError) as caught:
        match_ids(ids, cells, table="t.csv")
    assert (
        str(caught.value).startswith(f"t.csv: {message}")
        and "write the ids in the table as in the files" in caught.value.fix
    )


@pytest.mark.parametrize(
    ("ids", "cells", "matched"),
    [
        (["7.tif", "7_cluster.tif"], ["7", "7_cluster"], ["7", "7_cluster"]),
        (["7_BF.tif", "7_cluster_BF.tif"], ["7", "7_cluster"], ["7", "7_cluster"]),
        (["7_BF.tif"], ["7", "7_BF"], ["7_BF"]),
        (["8.png", "9.png", "7_cluster.png"], ["7", "8", "9"], ["8", "9"]),
        (["8.png", "7_BF_left.png"], ["7", "8"], ["8"]),
    ],
)
def test_the_row_of_a_file_labels_no_other_cell(ids, cells, matched):
    assert match_ids(ids, cells)[0] == dict(zip(ids, matched, strict=False))


def test_the_channels_of_an_import_may_end_a_file_name():
    ids, cells = ["7_w1.tif", "8_TL 10x.tif", "9_1.tif"], ["7", "8", "9"]
    assert match_ids(ids, cells, channels=["w1", "tl10x", "1"])[0] == {"7_w1.tif": "7", "8_TL 10x.tif": "8"}


def test_the_note_shows_the_id_that_differs_most():
    _, notes = match_ids(["02", "1", "3"], ["2", "001", "03"])
    assert notes == ["3 id(s) of the table differ from the files in leading zeros: 1 is read as 001"]


@pytest.mark.parametrize(
    ("one", "cell"),
    [("7_2.tif", "7"), ("7_cluster.tif", "7"), ("10", "1"), ("cell_01", "cell1"), ("1.5", "1"), ("v1.0.1", "v1.1")],
)
def test_different_ids_stay_different(one, cell):
    assert match_ids(["x", one], ["x", cell]) == ({"x": "x"}, [])


def test_if_nothing_matches_both_sides_are_shown():
    with pytest.raises(ManifestError) as caught:
        match_ids(["a", "b", "c", "d"], ["p1/a", "p1/b"], table="t.csv")
    problem = "no id of the table is the id of a cell: the table has 'a', 'b', 'c', the files have 'p1/a', 'p1/b'"
    assert caught.value.problem == problem
    assert (
        caught.value.fix == "give another --id-column, or --files or a --pattern whose cell ids are those of the table"
    )


@pytest.mark.parametrize("day", ["1-Mar", "03. Jan", "Mar-01", "2024-03-01", "p1/3/1/2024", "p1/01. Mrz", "3-mars"])
def test_ids_that_became_dates_are_told(day):
    with pytest.raises(
        ManifestError, match="a spreadsheet may have made the date .* of an id such as 3-1: enter ids as"
    ):
        match_ids(["x", day], ["3-1"])


@pytest.mark.parametrize("one", ["1-ctc", "3-1", "2024-03-001x", "a-b-c", "march"])
def test_ids_that_are_no_dates_are_not_suspected(one):
    with pytest.raises(ManifestError) as caught:
        match_ids([one], ["x"])
    assert "date" not in caught.value.fix
