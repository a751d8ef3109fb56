"""Label tables: ids of one column or several, rows that repeat one another, and what is refused."""

import unicodedata

import pytest

from tfctc.cells import FileNaming
from tfctc.data.importers.labels import Columns, LabelRow, labels_of_cells, read_labels
from tfctc.errors import ManifestError
from tfctc.io.naming import Names


@pytest.fixture
def table(tmp_path):
    """Writes a table and returns its path."""

    def write(text, encoding="utf-8"):
        (tmp_path / "t.csv").write_text(text, encoding=encoding)
        return tmp_path / "t.csv"

    return write


def test_a_label_table_by_its_own_column_names(table):
    path = table("\ufeffid,phase,block,hall\n a ,G1,b1,h1\nb,,b2,\n")
    labels = read_labels(path, Columns(("id",), "phase", "block", "hall"))
    assert labels.rows == {"a": LabelRow("G1", "b1", "h1"), "b": LabelRow("", "b2", "")} and labels.notes == ()


def test_several_columns_are_the_id(table):
    path = table("field;patient;label;cell\n1;p1;x;7\n1;p2;y;7\n")
    columns = Columns(("patient", "cell"), patient="patient")
    assert read_labels(path, columns).rows == {"p1/7": LabelRow("x", "p1"), "p2/7": LabelRow("y", "p2")}
    assert set(read_labels(path, columns, "{0[0]}_c{0[1]}".format).rows) == {"p1_c7", "p2_c7"}
    with pytest.raises(ManifestError, match="line 2 has no value in the id column 'cell'; fill it in, or delete"):
        read_labels(table("patient,cell,label\np1,,x\n"), Columns(("patient", "cell")))


@pytest.mark.parametrize(("of_table", "typed"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_a_column_is_the_same_however_its_accents_are_coded(table, of_table, typed):
    path = table(unicodedata.normalize(of_table, "cell_id,célula\né,ü\n"))
    labels = read_labels(path, Columns(label=unicodedata.normalize(typed, "célula")))
    assert labels.rows == {"é": LabelRow("ü")}


@pytest.mark.parametrize(
    "text", ["tumor\xa0cell", " tumor\u2009cell\u200b", "tu\u2060mor cell", "\ufefftumor cell\u200e"]
)
def test_characters_that_nobody_sees_do_not_make_another_label(table, text):
    assert read_labels(table(f"cell_id,label\na,{text}\n")).rows == {"a": LabelRow("tumor cell")}


def test_rows_that_a_spreadsheet_left_empty_are_none(table):
    assert read_labels(table("cell_id,label\n,\na,x\n , \n,\n")).rows == {"a": LabelRow("x")}


def test_what_was_recognised_is_told(table):
    labels = read_labels(table("Größe in µm\nCell ID;label\na;x\n", "cp1252"))
    assert labels.rows == {"a": LabelRow("x")}
    assert labels.notes == (
        "read as Windows-1252, which gives 'Größe in µm'",
        "separated by semicolons",
        "1 line above the header skipped",
        "column 'Cell ID' read as 'cell_id'",
    )


def test_the_layout_is_given_by_hand(table):
    path = table("cell_id:label\nfalse:header\ncell_id:label\na:x\n")
    assert read_labels(path, delimiter=":", skip_lines=2).rows == {"a": LabelRow("x")}
    with pytest.raises(ManifestError, match="leave out --sheet"):
        read_labels(path, sheet="s")


def test_a_row_that_repeats_another_in_every_column_counts_once(table):
    labels = read_labels(table("cell_id,label,area\na,x,1\nb,y,2\na,x,1\nb,y,2\na,x,1\n"))
    assert labels.rows == {"a": LabelRow("x"), "b": LabelRow("y")}
    assert labels.notes == ("3 row(s) left out that repeat another one in every column: line 4, 5, 6",)


@pytest.mark.parametrize("other", ["a,y,1", "a,x,2"])
def test_different_rows_of_one_cell_are_listed(table, other):
    """Even with the same label: two rows that differ elsewhere may be two cells."""
    more = "".join(f"c{i},x,{i // 10}\n" for i in [*range(8), *range(8)])
    path = table(f"cell_id,label,area\na,x,1\n{other}\n{more}c9,x,0\nc9,y,0\n")
    with pytest.raises(ManifestError) as caught:
        read_labels(path)
    assert caught.value.problem == "2 row(s) repeat the id of a different row: a (lines 2 and 3), c9 (lines 20 and 21)"
    assert caught.value.fix == (
        "keep one row for each cell; if only several columns together are the id, give --id-column for each"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,label\na,x\n", r"has no column 'cell_id' \(columns on line 1: 'id', 'label'\); name it with --id-column"),
        ("cell,label\na,x\n", "; did you mean --id-column cell?"),
        ("cell_id,class\na,x\n", "has no column 'label' .*; name it with --label-column"),
        ("cell_id,label\na,x\n,x\n", "line 3 has no value in the id column 'cell_id'; fill it in, or delete the line"),
        ("cell_id,label\na,x\nb\n", "line 3 has 1 value, 2 expected"),
        ("cell_id,label\na,b,x\n", "line 2 has 3 values, 2 expected"),
        ("cell_id,label\n\n", "has no row below its header; add a row for each cell, or leave out --labels"),
        ("cell_id,label,label\na,x,y\n", "has several columns 'label'"),
        ("", "is empty"),
    ],
)
def test_a_label_table_that_cannot_be_used(table, text, message):
    with pytest.raises(ManifestError, match=message):
        read_labels(table(text))


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(ManifestError, match="cannot be read"):
        read_labels(tmp_path / "none.csv")


# Rows and cells

BOTH = Names(
    FileNaming(("{patient}/{cell}_{channel}.tif",), cell_id="{patient}/{cell}", channels={"w1": "brightfield"})
)
PADDED = ["P1/0001", "P1/0002", "P2/0001", "P2/0002"]
NUMBERS = ["1/1", "1/2", "2/1", "2/2"]


def labels(path, columns, cells, names=BOTH, **options):
    """Label by cell id."""
    return {one: row.label for one, row in labels_of_cells(path, columns, cells, names, **options).rows.items()}


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("donor;nr;label\nP1;1;a\nP1;2;b\nP2;1;c\nP2;2;d\n", ("nr",)),
        ("donor;nr;label\nP1;1.0;a\nP1;2.0;b\nP2;1.0;c\nP2;2.0;d\n", ("nr",)),
        ("donor;nr;label\nP1;0001_BF.tif;a\nP1;2_w1.tif;b\nP2;1.png;c\nP2;2;d\n", ("nr",)),
        ("donor;nr;label\nP1;P1/1;a\nP1;P1/2;b\nP2;P2/1;c\nP2;P2/2;d\n", ("nr",)),
        ("donor;nr;label\nP1;1;a\nP1;2;b\nP2;1;c\nP2;2;d\n", ("donor", "nr")),
        ("donor;nr;label\nP1;1;a\nP1;2;b\nP2;1;c\nP2;2;d\n", ("nr", "donor")),
    ],
)
def test_the_patient_column_may_be_a_part_of_the_id(table, text, ids):
    """Also where a spreadsheet has removed the zeros of numbers that begin anew in each patient."""
    found = labels(table(text), Columns(ids, patient="donor"), PADDED)
    assert found == dict(zip(PADDED, "abcd", strict=True))


def test_numbers_of_planes_are_a_part_of_the_id(table):
    names = Names(FileNaming(("{patient}.tif",), planes="cells", first_plane=1))
    path = table("sample,event,label\nP1,1,a\nP1,2,b\n")
    for columns in (Columns(("sample", "event")), Columns(("event",), patient="sample")):
        assert labels(path, columns, ["P1/1", "P1/2"], names) == {"P1/1": "a", "P1/2": "b"}


@pytest.mark.parametrize("header", ["Patient ID;cell", "patient;Cell_ID", "patient_id;nr", "donor;cell"])
@pytest.mark.parametrize("turned", [False, True])
def test_columns_with_the_names_of_groups_count_in_any_order(table, header, turned):
    path = table(f"{header};label\n1;1;a\n1;2;b\n2;1;c\n2;2;d\n")
    ids = tuple(header.split(";"))
    found = labels_of_cells(path, Columns(ids[::-1] if turned else ids), NUMBERS, BOTH)
    assert {one: row.label for one, row in found.rows.items()} == dict(zip(NUMBERS, "abcd", strict=True))
    told = [note for note in found.notes if "order of the files" in note]
    assert bool(told) == turned


def test_the_order_that_fits_the_files_counts(table):
    path = table("donor;nr;label\nP1;1;a\nP2;1;c\n")
    for ids in (("donor", "nr"), ("nr", "donor")):
        assert labels(path, Columns(ids), PADDED) == {"P1/0001": "a", "P2/0001": "c"}


def test_if_both_orders_fit_the_patient_is_asked_for(table):
    path = table("donor;the nr;label\n1;1;a\n1;2;b\n2;1;c\n")
    with pytest.raises(ManifestError) as caught:
        labels_of_cells(path, Columns(("the nr", "donor")), NUMBERS, BOTH)
    problem = "its id columns fit cells in several orders: 3 as the nr/donor and 3 as donor/the nr"
    assert caught.value.problem == problem
    assert "say which one is the patient: --patient-column 'the nr' or --patient-column donor" in caught.value.fix
    found = labels(path, Columns(("the nr", "donor"), patient="donor"), NUMBERS)
    assert found == {"1/1": "a", "1/2": "b", "2/1": "c"}
    runs = Names(FileNaming(("{patient}/{run}/{cell}_{channel}.tif",), cell_id="{run}/{cell}"))
    with pytest.raises(ManifestError, match="fit cells in several orders") as caught:
        labels_of_cells(path, Columns(("the nr", "donor")), NUMBERS, runs)
    assert caught.value.fix == "rename the columns as in the cell id, {run}/{cell}"
    renamed = table("run;cell;label\n1;1;a\n1;2;b\n2;1;c\n")
    assert labels(renamed, Columns(("cell", "run")), NUMBERS, runs) == {"1/1": "a", "1/2": "b", "2/1": "c"}


def test_rows_without_a_cell_keep_their_id(table):
    path = table("cell_id,label\n0001_w1.tif,a\n0003,b\n")
    single = Names(FileNaming(("{cell}_{channel}.tif",), channels={"w1": "brightfield"}))
    assert labels(path, Columns(), ["0001", "0002"], single) == {"0001": "a", "0003": "b"}
    assert labels(table("cell_id,label\n1,a\n"), Columns(), ["0001"], None) == {"0001": "a"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cell_id,donor,label\n1,P1,a\n1,P9,b\n1,P1,c\n", "repeat the id of a different row"),
        ("cell_id,donor,label\n7,P1,a\n8,P1,b\n", "no id of the table is the id of a cell: the table has '7', '8',"),
        ("cell_id,donor,label\n7,P1,a\n7,P2,b\n", "no id of the table is the id of a cell: the table has 'P1/7', "),
    ],
)
def test_a_patient_column_that_does_not_help(table, text, message):
    with pytest.raises(ManifestError, match=message):
        labels_of_cells(table(text), Columns(patient="donor"), PADDED, BOTH)
