"""Tables of spreadsheets and instruments: one reader for every encoding, delimiter and layout."""

import codecs
import csv
import io
import os
import subprocess
import sys
import zipfile

import pytest
from table_reading import NEEDED, OPTIONS, notes, refusal, rows

from tfctc.errors import ManifestError, RunError
from tfctc.io import encodings
from tfctc.io.tables import parse_number, read_table

ENCODINGS = {
    "utf-8": (b"", "utf-8"),
    "utf-8 with mark": (codecs.BOM_UTF8, "utf-8"),
    "utf-16 le": (codecs.BOM_UTF16_LE, "utf-16-le"),
    "utf-16 be": (codecs.BOM_UTF16_BE, "utf-16-be"),
    "utf-16 le without mark": (b"", "utf-16-le"),
    "utf-16 be without mark": (b"", "utf-16-be"),
    "utf-32": (codecs.BOM_UTF32_LE, "utf-32-le"),
    "windows-1252": (b"", "cp1252"),
}
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}


@pytest.fixture
def table(tmp_path):
    """Writes a table and returns its path."""

    def write(content, name="t.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


# Encodings, delimiters, line ends


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_delimiter_and_line_end_gives_the_same_rows(table, encoding, delimiter, end):
    expected = [["p1/é1", "ctc", "12,5"], ["a;b,c|d\te", 'say "x"', ""], ["two" + end + "lines", "wbc", "µm"]]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows([["cell_id", "label", "Größe (µm)"], *expected])
    mark, codec = ENCODINGS[encoding]
    if encoding == "windows-1252" and end == "\r":
        codec = "mac_roman"  # As Excel saved it on the Macs that had these line ends.
    path = table(mark + text.getvalue().encode(codec))
    with read_table(path, NEEDED) as found:
        assert found.header == ("cell_id", "label", "Größe (µm)") and found.positions == {"cell_id": 0, "label": 1}
        assert list(found.rows) == [(2, expected[0]), (3, expected[1]), (5, expected[2])]
    assert (delimiter == ",") != (f"separated by {DELIMITERS[delimiter]}" in found.notes)
    read_as = {"windows-1252": "Windows-1252", "utf-32": "UTF-32"}.get(encoding, "UTF-16" if "16" in encoding else "")
    read_as = "Mac Roman" if codec == "mac_roman" else read_as
    assert [note for note in found.notes if note.startswith("read as")] == (
        [f"read as {read_as}" + (", which gives 'Größe (µm)'" if codec in ("cp1252", "mac_roman") else "")]
        if read_as
        else []
    )


def test_a_letter_far_below_the_first_lines_tells_the_encoding(table):
    many = "".join(f"c{i},ctc\r\n" for i in range(100_000))
    path = table(f"cell_id,label\r\n{many}Müller,ctc\r\n".encode("cp1252"))
    assert rows(path)[-1] == (100_002, ["Müller", "ctc"])
    assert notes(path) == ("read as Windows-1252, which gives 'Müller'",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"cell_id,label\nM\x81ller,ctc\n", "is neither UTF-8 nor Windows-1252 (byte 0x81 on line 2); save it as CSV"),
        ("cell_id,label\nMü,é\n".encode() + b"M\xfc,ctc\n", "cannot be read (UTF-8 mixed with another encoding"),
        ("cell_id,label\nMü,ctcé\nMü".encode()[:-1], "cannot be read (UTF-8 mixed with another encoding, or damaged)"),
        (codecs.BOM_UTF8 + b"cell_id,label\nM\xfc,ctc\n", "cannot be read as UTF-8-SIG (invalid start byte)"),
        (b"\xff\xfe\x00cell", "cannot be read as UTF-16 (truncated data)"),
        (b"cell_id,label\r\na,x\r\rb\0,y\n", "line 4 holds a NUL character; save it as CSV in UTF-8"),
        (bytes(100), "line 1 holds a NUL character"),
        (b"", "is empty"),
        (b"\n \n,,\n", "is empty"),
    ],
)
def test_bytes_that_are_no_text(table, content, message):
    assert message in refusal(table(content))


# Delimiter


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sep=;\r\ncell_id;label\na;x\n", ()),
        ('"sep=,"\r\ncell_id,label\na,x\n', ()),
        ("SEP=\t\ncell_id\tlabel\na\tx\n", ()),
        ("sep=\\t\ncell_id\tlabel\na\tx\n", ()),
        ("sep=^\ncell_id^label\na^x\n", ()),
        ("\ufeffsep=;;\ncell_id;label\na;x\n", ()),
        ("sep=;\ncell_id,label\na,x\n", ("separated by commas, although the first line is sep=;",)),
    ],
)
def test_the_first_line_may_tell_the_delimiter(table, text, told):
    path = table(text)
    assert rows(path) == [(3, ["a", "x"])] and notes(path) == told
    assert rows(path, skip_lines=1) == [(3, ["a", "x"])]


def test_the_told_delimiter_counts_where_two_would_do(table):
    text = "cell_id;b,cell_id\n1;2,3\n"
    problem = "has the columns 'cell_id' with each of the delimiters ',' and ';'"
    assert refusal(table(text), ["cell_id"], options=OPTIONS) == f"{problem}; give --delimiter , or --delimiter ';'"
    assert refusal(table(text), ["cell_id"]) == f"{problem}; save it with commas between the columns"
    for delimiter, expected in ((",", "3"), (";", "1")):
        assert rows(table(f"sep={delimiter}\n{text}"), ["cell_id"]) == [(3, [expected])]
        assert rows(table(text), ["cell_id"], delimiter=delimiter) == [(2, [expected])]


def test_a_delimiter_is_given_by_hand(table):
    path = table("cell_id:label\na: x\n")
    fix = "; give the character between its columns by --delimiter"
    assert "'cell_id:label'" in (message := refusal(path, options=OPTIONS)) and message.endswith(fix)
    assert refusal(path).endswith("; save it with commas between the columns")
    assert rows(path, delimiter=":") == [(2, ["a", "x"])]
    assert rows(table("cell_id\tlabel\na\tx\n"), delimiter="tab") == [(2, ["a", "x"])]
    assert "--delimiter must be one character, got '::'" in refusal(path, delimiter="::")
    assert "give another character" in refusal(path, delimiter=";", options=OPTIONS)
    assert refusal(path, sheet="s") == "is a text table, which has no sheets; leave out --sheet"


def test_one_column_needs_no_delimiter(table):
    assert rows(table("cell_id\na\nb\n"), ["cell_id"]) == [(2, ["a"]), (3, ["b"])]


# Header


def test_lines_above_the_header_are_skipped(table):
    path = table('Sample "file\nStatistics, mean\n\nObject Number\tlabel\np/1\tctc\n')
    assert rows(path, ["Object Number", "label"]) == [(5, ["p/1", "ctc"])]
    assert notes(path, ["Object Number", "label"]) == ("separated by tabs", "2 lines above the header skipped")
    assert rows(path, ["Object Number"], skip_lines=3) == [(5, ["p/1"])]
    assert notes(path, ["Object Number"], skip_lines=3) == ("separated by tabs",)
    message = refusal(path, ["Object Number"], options={"Object Number": "--id-column"}, skip_lines=1)
    assert "(columns on line 2: 'Statistics', 'mean'); name it with --id-column, or give another --skip-" in message
    assert refusal(path, skip_lines=9) == "holds no text below its first lines; fill it"


def test_a_header_may_have_line_breaks_and_columns_without_a_name(table):
    path = table('above\n,cell_id,"size\n(um)",label,,\n0,a,1,x,,\n1,b,2,y\n')
    with read_table(path, NEEDED) as found:
        assert found.header == ("", "cell_id", "size\n(um)", "label")
        assert list(found.rows) == [(4, ["0", "a", "1", "x"]), (5, ["1", "b", "2", "y"])]


@pytest.mark.parametrize(
    "name", ["Cell_ID", "cell id", "CellID", "# cell-id", "CELL.ID", "cell_id\u200b", "\xa0cell_id "]
)
def test_a_name_in_another_case_is_told(table, name):
    path = table(f"{name},label\na,x\n")
    assert rows(path) == [(2, ["a", "x"])]
    shown = name.strip("\u200b\xa0 ")
    assert notes(path) == (() if shown == "cell_id" else (f"column {shown!r} read as 'cell_id'",))


def test_the_equal_name_counts_before_similar_ones(table):
    assert rows(table("Cell_ID,cell_id,label\nz,a,x\n")) == [(2, ["a", "x"])]
    assert refusal(table("Cell_ID,Cell ID,label\nz,a,x\n")).startswith(
        "has several columns 'cell_id': 'Cell_ID' and 'Cell ID'; rename or delete all but one"
    )
    assert refusal(table("cell_id,label,label\na,x,y\n")).startswith("has several columns 'label'; rename or")


@pytest.mark.parametrize(
    ("text", "with_options", "without"),
    [
        (
            "id;class\na;x\n",
            "has no columns 'cell_id', 'label' (columns on line 1: 'id', 'class'); "
            "name it with --id-column and --label-column",
            "add what is missing to the header",
        ),
        ("Cells,label\na,x\n", "did you mean --id-column Cells?", "rename 'Cells' to 'cell_id'"),
        ("cell id no,label\na,x\n", "did you mean --id-column 'cell id no'?", "rename 'cell id no' to 'cell_id'"),
        ("made by\n,,\nCell,ctc,label\na,x,y\n", "(columns on line 3: 'Cell', 'ctc', 'label')", "rename 'Cell'"),
        ('[{"cell_id": 1}]', "looks like JSON, HTML or XML, a table is expected; save it", "as CSV in UTF-8"),
        ("<table>\n<tr>", "looks like JSON, HTML or XML", "as CSV in UTF-8"),
    ],
)
def test_a_missing_column_is_told_with_the_nearest(table, text, with_options, without):
    assert with_options in refusal(table(text), options=OPTIONS)
    assert without in refusal(table(text))


def test_of_hundreds_of_columns_some_are_listed(table):
    message = refusal(table(",".join(f"f{i}" for i in range(300))), ["cell_id"])
    assert "'f19' and 280 more)" in message and "'f20'" not in message


# Rows


def test_blank_rows_and_empty_values_at_the_end_are_nothing(table):
    path = table("cell_id,label,more\n\n,,\na,x,1,,\n \xa0,\t,\nb,,2\nc,y\n\n")
    assert rows(path) == [(4, ["a", "x"]), (6, ["b", ""]), (7, ["c", "y"])]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("b", "line 3 has 1 value, 2 expected as in the header; correct it"),
        ("b,x,y", "line 3 has 3 values, 2 expected as in the header"),
        ('b,"x', "the row that begins on line 3 cannot be read (unexpected end of data); close its quotation marks"),
        ('b,"x" y', "the row that begins on line 3 cannot be read (',' expected after '\"')"),
        ("b," + "x" * 200_000, "the row that begins on line 3 cannot be read (field larger than field limit"),
        ("b,#N/A", "line 3 has #N/A in column 'label', an error of a spreadsheet; correct its formula"),
        ("#BEZUG!,x", "line 3 has #BEZUG! in column 'cell_id'"),
        ("#DIV/0!,x", "line 3 has #DIV/0! in column 'cell_id'"),
        ("####,x", "line 3 has #### in column 'cell_id'"),
        ("Err:502,x", "line 3 has Err:502"),
        ('"1,23E+05",x', "line 3 has '1,23E+05' in column 'cell_id': a spreadsheet has shortened it; format"),
        ("1.2E+10,x", "line 3 has '1.2E+10'"),
        ("1e+05,x", "line 3 has '1e+05'"),
        ("1.2E-05,x", "line 3 has '1.2E-05'"),
    ],
)
def test_a_row_that_cannot_be_used(table, row, message):
    assert message in refusal(table(f"cell_id,label\na,x\n{row}\n"))


def test_names_that_only_look_spoilt_are_kept(table):
    names = ["1E05", "12E-03", "3E-02", "#7", "#A", "Error", "7e", "a1e+05", "1.5", "1,234", "Err:5"]
    text = io.StringIO()
    csv.writer(text).writerows([["cell_id", "label"], *([name, "x"] for name in names)])
    assert [row[0] for _, row in rows(table(text.getvalue()))] == names


@pytest.mark.parametrize("name", ["1E+05", "1.2E+05", "#N/A!", '="1"'])
def test_a_value_that_is_in_a_file_name_was_entered_so(table, name):
    """As the ids that an import takes from the names of image files."""
    text = io.StringIO()
    csv.writer(text).writerows([["cell_id", "label", "image"], [name, "x", f"P1/{name}_BF.tif"]])
    assert rows(table(text.getvalue())) == [(2, [name, "x"])]


def test_two_equal_values_may_both_have_been_shortened(table):
    assert "'1.2E+05'" in refusal(table("cell_id,label,event\n1.2E+05,x,1.2E+05\n"))
    assert "'1.2E+05'" in refusal(table("cell_id,label,image\n1.2E+05,x,P1/120001_BF.tif\n"))
    assert "####" in refusal(table("cell_id,label,event\n####,x,######\n"))


@pytest.mark.parametrize(
    "written", [" a b ", "\xa0a b", "a b\u200b", "\ufeffa b", "\u2003a b\u3000", '"a b "', '"=""a b"""', "a b\t"]
)
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_white_space_around_values_is_stripped(table, written, delimiter):
    """Whether the first or the last value of the line, in a table in which only this one has any."""
    path = table(
        delimiter.join(["cell_id", "label\n"]) + delimiter.join(["x", written + "\n"]) + f"{written}{delimiter}y"
    )
    assert rows(path) == [(2, ["x", "a b"]), (3, ["a b", "y"])]
    assert rows(table(f"cell_id{delimiter}label\nx{delimiter}{written}")) == [(2, ["x", "a b"])]


@pytest.mark.parametrize("size", range(2**10 - 12, 2**10 + 3))
def test_values_across_parts_of_a_large_file_are_checked_too(table, size, monkeypatch):
    """The file is looked through in parts, here of 1 KiB."""
    monkeypatch.setattr(encodings, "CHUNK", 2**10)
    start = "cell_id,label\n" + "a,x\n" * ((size - 14) // 4 - 1)
    start += "b" * (size - len(start) - 2) + ",x"
    assert len(start) == size
    assert rows(table(f"{start}\nc, y\n"))[-1][1] == ["c", "y"]
    assert "'1.2E+05'" in refusal(table(f"{start}\n1.2E+05,x\n"))


def test_columns_that_are_not_needed_are_not_looked_at(table):
    with read_table(table("cell_id,area,label\na, 1.2E+10 ,x\nb,#N/A, y\n"), NEEDED) as found:
        assert list(found.rows) == [(2, ["a", " 1.2E+10 ", "x"]), (3, ["b", "#N/A", "y"])]


def test_rows_are_read_one_after_another(table):
    path = table("cell_id,label\na,x\nb\n")
    with read_table(path, NEEDED) as found:
        assert next(found.rows) == (2, ["a", "x"])
        with pytest.raises(ManifestError, match="line 3 has 1 value"):
            next(found.rows)
    assert found.file.closed


# Files that are no tables


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (b"\xd0\xcf\x11\xe0", "is an old Excel file (.xls), or protected by a password, a table is expected; save the"),
        (b"\x1f\x8b\x08", "is compressed (gzip), a table is expected; unpack it"),
        (b"%PDF-1.7", "is a PDF file"),
        (b"PK\x03\x04", "is a ZIP archive, or damaged, a table is expected; unpack it"),
        (b"FCS3.1  ", "is a flow cytometry file"),
    ],
)
def test_other_formats_are_named(table, start, message):
    assert message in refusal(table(start + b"  \n"))


@pytest.mark.parametrize(("inside", "name"), [("content.xml", "(.ods)"), ("Index/Document.iwa", "Numbers")])
def test_other_spreadsheets_are_named(tmp_path, inside, name):
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
        archive.writestr(inside, "")
    assert f"{name}" in (message := refusal(tmp_path / "t.xlsx")) and "save the table as .xlsx or as CSV" in message


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe").startswith("cannot be read (not a regular file); save the table as a file")
    assert refusal(tmp_path).startswith("cannot be read (Is a directory)")
    assert refusal(tmp_path / "none").startswith("cannot be read (No such file or directory); check path")
    with pytest.raises(RunError, match="No such file"):
        read_table(tmp_path / "none", NEEDED, error=RunError)


def test_openpyxl_is_imported_only_for_excel_files(table):
    code = f"import sys; from tfctc.io.tables import read_table; read_table({str(table('a,b'))!r}, 'a').file.close(); "
    code += "sys.exit('openpyxl' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# Numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.64", 0.64), ("0,64", 0.64), ("12", 12), ("-1,5", -1.5), ("\u22121.5", -1.5), ("+.5", 0.5), (" 7 ", 7),
        ("1.234", 1.234), ("0,234", 0.234), ("1,2345", 1.2345), ("1234,567", 1234.567), ("1.234,5", 1234.5),
        ("1,234.5", 1234.5), ("1.234.567", 1234567), ("1,234,567", 1234567), ("1\xa0234,5", 1234.5), ("1 234", 1234),
        ("1'234.5", 1234.5), ("1.234.567,8", 1234567.8), ("1,2E-03", 0.0012), ("1e3", 1000),
    ],
)  # fmt: skip
def test_numbers_with_a_point_or_a_comma(text, number):
    assert parse_number(text) == number


@pytest.mark.parametrize(
    "text", ["", "x", "1,2,3", "1.2.3", "1,234,5", "12.34,5", "nan", "inf", "1e999", "--1", "1_0", "٣"]
)
def test_what_is_no_number(text):
    with pytest.raises(ValueError, match="number is expected"):
        parse_number(text)


def test_a_number_that_can_be_two_is_asked_for():
    with pytest.raises(ValueError, match="'12,345' can be 12345 or 12.345; write it with a decimal point"):
        parse_number("12,345")
