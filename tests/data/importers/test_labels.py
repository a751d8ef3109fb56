"""Label tables: what a CSV file of any spreadsheet says of the cells."""

import unicodedata

import pytest

from tfctc.data.importers.labels import Columns, LabelRow, read_labels
from tfctc.errors import ManifestError


def test_a_label_table_by_its_own_column_names(tmp_path):
    (tmp_path / "t.csv").write_text("\ufeffid,phase,block,hall\n a ,G1,b1,h1\nb,,b2,\n", encoding="utf-8")
    known = read_labels(tmp_path / "t.csv", Columns("id", "phase", "block", "hall"))
    assert known == {"a": LabelRow("G1", "b1", "h1"), "b": LabelRow("", "b2", "")}


@pytest.mark.parametrize(("of_table", "typed"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_column_is_the_same_however_its_accents_are_coded(tmp_path, of_table, typed):
    (tmp_path / "t.csv").write_text(unicodedata.normalize(of_table, "cell_id,célula\na,x\n"), encoding="utf-8")
    assert read_labels(tmp_path / "t.csv", Columns(label=unicodedata.normalize(typed, "célula"))) == {
        "a": LabelRow("x")
    }


def test_rows_that_a_spreadsheet_left_empty_are_none(tmp_path):
    (tmp_path / "t.csv").write_text("cell_id,label\n,\na,x\n , \n,\n")
    assert read_labels(tmp_path / "t.csv") == {"a": LabelRow("x")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,label\na,x\n", r"has no column 'cell_id' \(columns: 'id', 'label'\)"),
        ("id,label\na,x\n", "; name it with --id-column"),
        ("cell_id;label\na;x\n", r"has no column 'cell_id' \(columns: 'cell_id;label'\); save the table with commas"),
        ("cell_id\tlabel\na\tx\n", "; save the table with commas between columns"),
        ("cell_id,label\na,x\na,y\n", "line 3 repeats cell a; keep one row for each cell"),
        ("cell_id,label\na,x\n,x\n", "line 3 has no id; fill it in, or delete the line"),
        ("cell_id,label\na,x\nb\n", "line 3 has more or fewer values than the 2 columns"),
        ("cell_id,label\na,b,x\n", "line 2 has more or fewer values than the 2 columns"),
        ("cell_id,label\n\n", "has no row"),
        ("cell_id,label,label\na,x,y\n", "has several columns 'label'"),
        ("", r"has no column 'cell_id' \(columns: none\)"),
    ],
)
def test_a_label_table_that_cannot_be_used(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ManifestError, match=message):
        read_labels(tmp_path / "t.csv")
    with pytest.raises(ManifestError, match="cannot be read"):
        read_labels(tmp_path / "none.csv")
