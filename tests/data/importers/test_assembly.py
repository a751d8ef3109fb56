"""From files and a table to cells: what is joined, reported and refused."""

import csv
import re
import shlex
import unicodedata

import pytest
from empty_files import touch

from tfctc.cells import Cell, FileNaming
from tfctc.data.importers.assembly import ClassRules, assemble
from tfctc.data.importers.labels import Columns, LabelRow, Labels, read_labels
from tfctc.data.importers.pairing import pair
from tfctc.errors import ConfigError, ManifestError, PairingError

FILES = "{patient}/{cell}_{channel}.png"


def assembled(folder, rows=None, files=FILES, skip_orphans=False, **rules):
    rules = ClassRules(**rules | {name: frozenset(rules.get(name, ())) for name in ("drop", "other")})
    table = None if rows is None else Labels(rows, ())
    return assemble(pair(folder, FileNaming((files,))).cells, rules, table, source="t.csv", skip_orphans=skip_orphans)


def test_files_and_labels_become_cells_ordered_by_id(tmp_path):
    touch(tmp_path, *(f"p{n % 2}/c{n}_{c}.png" for n in range(5) for c in ("BF", "DAPI")), "p1/c5_BF.png")
    rows = {"c0": LabelRow("WBC"), "c1": LabelRow("CTC", "p1", "s1"), "c2": LabelRow("junk"), "c3": LabelRow("?")}
    rows["c9"] = LabelRow("WBC")
    result = assembled(tmp_path, rows, mapping={"WBC": "leukocyte", "CTC": "ctc", "?": ""}, drop={"junk"})
    assert [cell for cell, _ in result] == [
        Cell("c0", "p0", "", "", "", "leukocyte", "WBC"), Cell("c1", "p1", "s1", "", "", "ctc", "CTC"),
        Cell("c3", "p1", "", "", "", "", "?"), Cell("c4", "p0", "", "", ""), Cell("c5", "p1", "", "", ""),
    ]  # fmt: skip
    assert [sorted(images) for _, images in result] == [["brightfield", "dapi"]] * 4 + [["brightfield"]]
    (_, images), *_ = result
    assert images["dapi"].path == str(tmp_path / "p0" / "c0_DAPI.png")
    assert result.counts == {"leukocyte": 1, "ctc": 1, "unlabelled": 3}
    assert result.notes == [
        "1 cell(s) without DAPI kept: c5",
        "1 labelled cell(s) without an image: c9",
        "2 cell(s) without a row in the label table: c4, c5",
        "1 cell(s) dropped by label",
    ]


@pytest.mark.parametrize(("of_files", "of_table"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_files_and_table_may_write_letters_in_other_bytes(tmp_path, of_files, of_table):
    """A Mac's file names are decomposed, a spreadsheet's text is not."""
    names = [unicodedata.normalize(of_files, f"Süd/Müller/é1_{channel}.png") for channel in ("BF", "DAPI")]
    touch(tmp_path, *names)
    table = unicodedata.normalize(of_table, "cell_id,label,patient,site\né1,ctc,Müller,Süd\n")
    (tmp_path / "t.csv").write_text(table, encoding="utf-8")
    known = read_labels(tmp_path / "t.csv", Columns(("cell_id",), "label", "patient", "site"))
    for form in ("NFC", "NFD"):
        naming = FileNaming(
            pattern=unicodedata.normalize(form, r"(?P<site>Süd)/(?P<patient>\w+)/(?P<cell>\w+)_(?P<channel>\w+)\.png")
        )
        result = assemble(pair(tmp_path, naming).cells, ClassRules(), known)
        names = [(c.cell_id, c.patient_id, c.site, c.label) for c, _ in result]
        assert names == [("é1", "Müller", "Süd", "ctc")] and not result.notes


def test_orphans_are_named_or_left_out(tmp_path):
    touch(tmp_path, "p1/c1_BF.png", "p1/c1_DAPI.png", *(f"p1/c{n}_DAPI.png" for n in range(2, 10)))
    with pytest.raises(PairingError, match=r"8 cell\(s\) without a bright-field image: c2, c3, c4, c5, c6 and 3 more"):
        assembled(tmp_path)
    result = assembled(tmp_path, skip_orphans=True)
    assert [c.cell_id for c, _ in result] == ["c1"]
    assert "8 cell(s) without bright-field left out: c2, c3, c4, c5, c6 and 3 more" in result.notes


def test_a_cell_of_no_patient_is_refused(tmp_path):
    touch(tmp_path, "c1_BF.png", "c2_BF.png")
    rows = {"c1": LabelRow("ctc", "p1")}
    with pytest.raises(ManifestError, match=r"1 cell\(s\) have no patient: c2; add \{patient\} to --files"):
        assembled(tmp_path, rows, "{cell}_{channel}.png")
    result = assembled(tmp_path, rows, "{cell}_{channel}.png", skip_orphans=True)
    assert [cell.cell_id for cell, _ in result] == ["c1"]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        (LabelRow("ctc", "p1", "s2"), "site in the table than in the path: c2 .c2: s2 and s1."),
        (LabelRow("ctc", "p2", "s1"), "patient in the table than in the path: c2 .c2: p2 and p1."),
        (LabelRow("leukocyte"), "label in the table than in the path: c2 .c2: leukocyte and ctc."),
    ],
)
def test_a_table_that_contradicts_the_path_is_refused(tmp_path, row, what):
    touch(tmp_path, "s1/p1/ctc/c1_BF.png", "s1/p1/ctc/c2_BF.png")
    with pytest.raises(ManifestError, match=rf"1 cell\(s\) have another {what}; correct the table"):
        assembled(tmp_path, {"c1": LabelRow("ctc", "p1"), "c2": row}, "{site}/{patient}/{label}/{cell}_{channel}.png")


def test_a_patient_without_its_leading_zeros_is_no_contradiction(tmp_path):
    touch(tmp_path, "007/c1_BF.png")
    assert [cell for cell, _ in assembled(tmp_path, {"c1": LabelRow("ctc", "7")})] == [
        Cell("c1", "007", "", "", "", "ctc")
    ]


def test_labels_of_paths_are_mapped_and_dropped(tmp_path):
    touch(tmp_path, "CTC/p1/c1_BF.png", "WBC/p2/c2_BF.png", "debris/p2/c3_BF.png")
    files = "{label}/{patient}/{cell}_{channel}.png"
    result = assembled(tmp_path, None, files, mapping={"CTC": "ctc", "WBC": "leukocyte"}, drop={"debris"})
    assert [(c.cell_id, c.label) for c, _ in result] == [("c1", "ctc"), ("c2", "leukocyte")]


@pytest.mark.parametrize(
    ("rows", "rules", "message"),
    [
        (
            {"c1": LabelRow("WBC"), "c2": LabelRow("big WBC")},
            {},
            "t.csv: unknown label 'WBC' .1 cells., 'big WBC' .1 cells.; classes are leukocyte and ctc; give for each "
            "of them --map WBC=leukocyte or --map WBC=ctc or --other WBC or --drop WBC and --map 'big WBC=leukocyte' ",
        ),
        (
            {"c1": LabelRow("CTC")},
            {},
            "unknown label 'CTC' .1 cells.; .*; give for each of them --map CTC=ctc or --other CTC or --drop",
        ),
        ({"c1": LabelRow("ctc"), "c2": LabelRow("ctc")}, {"drop": {"ctc"}}, "no cell is left"),
        ({"c1": LabelRow("ctc")}, {"mapping": {"WBC": "ctc"}}, "--map WBC: no cell has this label; the labels are ctc"),
        ({"c1": LabelRow("ctc")}, {"drop": {"debris"}}, "--drop debris: no cell has this label"),
        ({"c1": LabelRow("ctc")}, {"mapping": {"a": "b"}}, "--map a=b: classes are leukocyte and ctc"),
    ],
)
def test_labels_that_do_not_fit(tmp_path, rows, rules, message):
    touch(tmp_path, "p1/c1_BF.png", "p1/c2_BF.png")
    with pytest.raises((ManifestError, ConfigError), match=message):
        assembled(tmp_path, rows, **rules)


def test_labels_of_neither_class_become_other_and_stay_known(tmp_path):
    touch(tmp_path, *(f"p1/c{n}_BF.png" for n in range(4)))
    rows = {f"c{n}": LabelRow(label) for n, label in enumerate(("ctc", "leukocyte", "debris", "doublet"))}
    result = assembled(tmp_path, rows, other={"debris", "doublet"})
    assert [(cell.label, cell.original_label) for cell, _ in result] == [
        ("ctc", "ctc"), ("leukocyte", "leukocyte"), ("other", "debris"), ("other", "doublet"),
    ]  # fmt: skip
    assert result.counts == {"leukocyte": 1, "ctc": 1, "other": 2, "unlabelled": 0}


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"other": {"debris"}, "drop": {"debris"}}, "--other debris: the label is also in --drop; give it to one"),
        ({"other": {"debris"}, "mapping": {"debris": "ctc"}}, "--other debris: the label is also in --map"),
        ({"other": {"ctc"}}, "--other ctc: the label is also in --classes"),
        ({"mapping": {"debris": "other"}}, "--map debris=other: classes are .*; give --other debris in its place"),
        ({"drop": {"debris"}, "other": {"junk"}}, "--other junk: no cell has this label; the labels are debris"),
    ],
)
def test_rules_of_other_that_cannot_be(tmp_path, rules, message):
    touch(tmp_path, "p1/c1_BF.png")
    with pytest.raises(ConfigError, match=message):
        assembled(tmp_path, {"c1": LabelRow("debris")}, **rules)


def test_a_label_with_a_comma_is_advised_in_quotes_that_the_command_takes_apart(tmp_path):
    touch(tmp_path, "p1/c1_BF.png")
    with pytest.raises(ManifestError) as caught:
        assembled(tmp_path, {"c1": LabelRow("debris, small")})
    (option, value) = shlex.split(re.search(r"--other '[^']*'", str(caught.value))[0])
    assert (option, next(csv.reader([value]))) == ("--other", ["debris, small"])
