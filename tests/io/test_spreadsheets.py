"""Excel files: sheets, cells as they are shown, and files that are damaged."""

import sys
import zipfile
from datetime import date, datetime

import pytest
from table_reading import NEEDED, OPTIONS, notes, refusal, rows

from tfctc.errors import DependencyError
from tfctc.io.tables import read_table


@pytest.fixture
def book(tmp_path):
    """Writes an Excel file and returns its path."""
    openpyxl = pytest.importorskip("openpyxl")

    def write(change=None, **sheets):
        made = openpyxl.Workbook()
        made.remove(made.active)
        for name, lines in sheets.items():
            sheet = made.create_sheet(name)
            for line in lines:
                sheet.append(line)
        if change:
            change(made)
        made.save(tmp_path / "t.xlsx")
        return tmp_path / "t.xlsx"

    return write


HEADER = ["cell_id", "label"]


def test_cells_are_text_as_the_spreadsheet_shows_it(book):
    def change(made):
        made["s"]["A5"].number_format = "0000"

    lines = [HEADER, ["a", 1], [12.0, True], [0.1 + 0.2, " x\xa0"], [7, None], [None, None], ["é", "#1"]]
    expected = [["a", "1"], ["12", "TRUE"], ["0.3", "x"], ["0007", ""], ["é", "#1"]]
    assert rows(book(change, s=lines)) == list(zip([2, 3, 4, 5, 7], expected, strict=True))


def test_an_excel_file_is_recognised_whatever_its_name(book):
    path = book(
        s=[["above"], [], ["more", "Cell ID", "label"], [date(2024, 3, 1), "a", "x"], [], ["", "b", "y", "", ""]]
    )
    path = path.rename(path.with_name("t.csv"))
    with read_table(path, NEEDED) as found:
        assert found.header == ("more", "Cell ID", "label")
        assert found.notes == ("1 line above the header skipped", "column 'Cell ID' read as 'cell_id'")
        assert [(line, row[1:]) for line, row in found.rows] == [(4, ["a", "x"]), (6, ["b", "y"])]
    assert rows(path, skip_lines=2) == [(4, ["a", "x"]), (6, ["b", "y"])]
    assert refusal(path, delimiter=";") == "is an Excel file, which has no delimiter; leave out --delimiter"


def test_the_sheet_with_the_columns_is_read(book):
    one, other, remarks = [HEADER, ["a", "x"]], [HEADER, ["b", "y"]], [["read me"]]
    assert notes(book(one=one, empty=[])) == ()
    path = book(remarks=remarks, one=one, empty=[])
    assert rows(path) == [(2, ["a", "x"])] and notes(path) == ("only sheet 'one' read",)
    path = book(one=one, other=other)
    problem = "has the columns 'cell_id', 'label' in the sheets 'one' and 'other'; "
    assert refusal(path, options=OPTIONS) == f"{problem}give --sheet one or --sheet other"
    assert refusal(path) == f"{problem}save the right one as CSV in UTF-8"
    assert rows(path, sheet="other") == [(2, ["b", "y"])]
    assert refusal(path, sheet="x") == "has no sheet 'x'; give one of these by --sheet: 'one', 'other'"

    def hide(made):
        made["other"].sheet_state = "hidden"

    assert rows(book(hide, one=one, other=other)) == [(2, ["a", "x"])]
    assert "has no columns 'cell_id', 'label' (columns on line 1: 'read me')" in refusal(book(remarks=remarks))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            datetime(2024, 1, 3),
            "cell A3 (column 'cell_id') holds the date 2024-01-03T00:00:00; format the column as text",
        ),
        (1234567890123456789, "cell A3 (column 'cell_id') holds a number of more than 15 digits; format the column"),
        ("=1+1", "cell A3 has a formula without a value; open it in the spreadsheet and save it there"),
        ("#REF!", "line 3 has #REF! in column 'cell_id'"),
        ("1.2E+10", "line 3 has '1.2E+10' in column 'cell_id'"),
    ],
)
def test_a_cell_that_a_spreadsheet_has_spoilt(book, value, message):
    assert message in refusal(book(s=[HEADER, ["a", "x"], [value, "y"]]))


def test_a_row_of_formulas_without_values_is_not_blank(book):
    assert "cell A2 has a formula without" in refusal(book(s=[HEADER, ['="a"', '="x"']]))
    assert rows(book(s=[[*HEADER, "more"], ["a", None, "=1+1"]])) == [(2, ["a", ""])]


def test_wrong_dimensions_do_not_count(book, tmp_path):
    """Some programs write that a sheet has one cell."""
    path = book(s=[HEADER, ["a", "x"]])
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "new.xlsx", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b'<dimension ref="A1:B2"', b'<dimension ref="A1"'))
    assert rows(tmp_path / "new.xlsx") == [(2, ["a", "x"])]


@pytest.mark.parametrize("broken", ["xl/workbook.xml", "xl/worksheets/sheet1.xml"])
def test_a_damaged_excel_file_is_refused(book, tmp_path, broken):
    path = book(s=[HEADER, *[["a", "x"]] * 300])
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "new.xlsx", "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name)[: -200 if name == broken else None])
    assert refusal(tmp_path / "new.xlsx").startswith("cannot be read as an Excel file (")


def test_without_openpyxl_an_excel_file_asks_for_it(book, monkeypatch):
    path = book(s=[HEADER])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(DependencyError, match=r"is not installed; pip install 'tfctc\[formats\]', or save it as CSV"):
        read_table(path, NEEDED)
