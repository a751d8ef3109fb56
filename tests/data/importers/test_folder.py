"""From files and a table to a data set: what is reported, what is refused, what is written."""

import csv
import os
import unicodedata

import numpy as np
import pytest
from empty_files import touch
from PIL import Image

from tfctc.cells import Cell
from tfctc.data.importers.folder import DatasetDescription, assemble_cells, write_dataset
from tfctc.data.importers.labels import Columns, LabelRow, read_labels
from tfctc.data.importers.pairing import pair
from tfctc.data.manifest import Manifest
from tfctc.errors import ImageError, ManifestError, PairingError

PATTERN = r"(?P<patient>[^/]+)/(?P<cell>c\d+)_(?P<channel>\w+)\.(png|tif)"
CLASSES = ("leukocyte", "ctc")


def put_together(tmp_path, known, **options):
    options = {"mapping": {}, "drop": set(), **options}
    return assemble_cells(pair(tmp_path, PATTERN), known, CLASSES, **options)


def test_files_and_labels_become_cells_ordered_by_id(tmp_path):
    touch(tmp_path, *(f"p{n % 2}/c{n}_{c}.png" for n in range(5) for c in ("BF", "DAPI")), "p1/c5_BF.png")
    known = {"c0": LabelRow("WBC"), "c1": LabelRow("CTC", "p1", "s1"), "c2": LabelRow("junk"), "c3": LabelRow("?")}
    known["c9"] = LabelRow("WBC")
    cells, report = put_together(tmp_path, known, mapping={"WBC": "leukocyte", "CTC": "ctc", "?": ""}, drop={"junk"})
    path = {c: str((tmp_path / c).resolve()) for c in ("p0/c0_BF.png", "p0/c0_DAPI.png")}
    assert cells[0] == Cell("c0", "p0", "", path["p0/c0_BF.png"], path["p0/c0_DAPI.png"], "leukocyte")
    assert [(c.cell_id, c.patient_id, c.site, c.label) for c in cells[1:]] == [
        ("c1", "p1", "s1", "ctc"), ("c3", "p1", "", ""), ("c4", "p0", "", ""), ("c5", "p1", "", ""),
    ]  # fmt: skip
    assert cells[-1].dapi == "" and report.cells == {"leukocyte": 1, "ctc": 1, "unlabelled": 3}
    assert report.notes == [
        "1 cell(s) without DAPI kept: c5",
        "1 labelled cell(s) without an image: c9",
        "2 cell(s) without a row in the label table: c4, c5",
        "1 cell(s) dropped by label",
    ]


@pytest.mark.parametrize(("of_files", "of_table"), [("NFD", "NFC"), ("NFC", "NFD")])
def test_files_and_table_may_write_letters_in_other_bytes(tmp_path, of_files, of_table):
    """A Mac's file names are decomposed, a spreadsheet's text is not."""

    def files(text):
        return unicodedata.normalize(of_files, text)

    touch(tmp_path, files("Süd/Müller/é1_BF.png"), files("Süd/Müller/é1_DAPI.png"))
    table = unicodedata.normalize(of_table, "cell_id,label,patient,site\né1,ctc,Müller,Süd\n")
    (tmp_path / "t.csv").write_text(table, encoding="utf-8")
    known = read_labels(tmp_path / "t.csv", Columns("cell_id", "label", "patient", "site"))
    for pattern in ("NFC", "NFD"):
        pattern = unicodedata.normalize(pattern, r"(?P<site>Süd)/(?P<patient>\w+)/(?P<cell>\w+)_(?P<channel>\w+)\.png")
        cells, report = assemble_cells(pair(tmp_path, pattern), known, CLASSES, mapping={}, drop=set())
        names = [(c.cell_id, c.patient_id, c.site, c.label) for c in cells]
        assert names == [("é1", "Müller", "Süd", "ctc")] and not report.notes
    assert os.path.exists(cells[0].brightfield) and os.path.exists(cells[0].dapi)


def test_orphans_are_named_or_left_out(tmp_path):
    touch(tmp_path, "p1/c1_BF.png", *(f"p1/c{n}_DAPI.png" for n in range(2, 10)))
    with pytest.raises(PairingError, match=r"8 cell\(s\) without a bright-field image: c2, c3, c4, c5, c6 and 3 more"):
        put_together(tmp_path, {})
    cells, report = put_together(tmp_path, {}, skip_orphans=True)
    assert [c.cell_id for c in cells] == ["c1"]
    assert "8 cell(s) without bright-field left out: c2, c3, c4, c5, c6 and 3 more" in report.notes


def test_a_cell_of_no_patient_is_refused(tmp_path):
    touch(tmp_path, "c1_BF.png", "c2_BF.png")
    found = pair(tmp_path, r"(?P<cell>c\d)_(?P<channel>BF)\.png")
    with pytest.raises(ManifestError, match=r"1 cell\(s\) have no patient: c2"):
        assemble_cells(found, {"c1": LabelRow("ctc", "p1")}, CLASSES, mapping={}, drop=set())


@pytest.mark.parametrize("row", [LabelRow("ctc", "p1", "s2"), LabelRow("ctc", "p2", "s1")])
def test_a_table_that_contradicts_the_path_is_refused(tmp_path, row):
    touch(tmp_path, "s1/p1/c1_BF.png", "s1/p1/c2_BF.png")
    found = pair(tmp_path, r"(?P<site>s\d)/(?P<patient>p\d)/(?P<cell>c\d)_(?P<channel>BF)\.png")
    with pytest.raises(
        ManifestError, match=r"1 cell\(s\) have another patient or site in the table than in the path: c2;"
    ):
        assemble_cells(found, {"c1": LabelRow("ctc", "p1", "s1"), "c2": row}, CLASSES, mapping={}, drop=set())


@pytest.mark.parametrize(
    ("known", "options", "message"),
    [
        (
            {"c1": LabelRow("WBC")},
            {},
            "cell c1: unknown label 'WBC', classes are leukocyte and ctc; "
            "give --map WBC=leukocyte or --map WBC=ctc, --drop WBC, or other --classes",
        ),
        ({"c1": LabelRow("CTC")}, {}, "unknown label 'CTC', .*; give --map CTC=ctc, --drop CTC, or other --classes"),
        ({"x1": LabelRow("ctc")}, {}, "none of the cell ids of the files: it has x1, .* the files have c1;"),
        ({"c1": LabelRow("ctc")}, {"drop": {"ctc"}}, "no cell is left"),
    ],
)
def test_labels_that_do_not_fit(tmp_path, known, options, message):
    touch(tmp_path, "p1/c1_BF.png")
    with pytest.raises(ManifestError, match=message):
        put_together(tmp_path, known, **options)


def test_a_written_data_set_opens_and_its_depth_is_that_of_the_files(tmp_path):
    for n, dtype in ((1, np.uint8), (2, np.uint16)):
        folder = tmp_path / f"p{n}"
        folder.mkdir()
        pixels = np.full((6, 8), 200, dtype)
        Image.fromarray(pixels).save(folder / "c1_BF.png")
        found = pair(tmp_path, rf"(?P<patient>p{n})/(?P<cell>c1)_(?P<channel>BF)\.png")
        cells, _ = assemble_cells(found, {}, CLASSES, mapping={}, drop=set())
        facts, notes = write_dataset(tmp_path / f"out{n}", cells, DatasetDescription("few", mpp=0.5))
        assert facts.bit_depth == 8 * n and facts.image_size == (6, 8)
        assert Manifest.open(tmp_path / f"out{n}").facts == facts
        assert bool(notes) == (n == 2)
        told = (
            "no pixel is above 200: if the camera has fewer than 16 bits, import again with --bit-depth and their "
            "number, 8 or more"
        )
        assert notes in ([], [told])


@pytest.mark.parametrize(
    ("pixels", "declared", "fix"), [(np.uint8, 12, "give --bit-depth 8"), (np.uint16, 8, "give --bit-depth 9 to 16")]
)
def test_a_bit_depth_that_no_file_has_is_told_with_one_that_they_may_have(tmp_path, pixels, declared, fix):
    Image.fromarray(np.zeros((4, 4), pixels)).save(tmp_path / "c1_BF.png")
    found = pair(tmp_path, r"(?P<patient>(?P<cell>c1))_(?P<channel>BF)\.png")
    cells, _ = assemble_cells(found, {}, CLASSES, mapping={}, drop=set())
    with pytest.raises(ImageError, match=f"c1_BF.png: has .* pixels, .* expected .*; {fix}$"):
        write_dataset(tmp_path / "out", cells, DatasetDescription("few", bit_depth=declared))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["Px/c1_BF.png", "px/c2_BF.png"], r"\(cell c2\): patient_id is 'px' here and 'Px' above; write it in one way"),
        (["p1 /c1_BF.png"], "patient_id 'p1 ' has white space around it; remove it"),
        (["p1/c1_BF.png", "p1/c2_BF.png -> c1_BF.png"], "image .*/p1/c1_BF.png is named on lines 2 and 3"),
        (["p1/_BF.png"], "has no cell_id; fill it in; correct the names"),
    ],
)
def test_a_data_set_that_fit_would_refuse_is_not_written(tmp_path, files, message):
    for name in files:
        name, _, target = name.partition(" -> ")
        path = tmp_path / "scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if target:
            path.symlink_to(target)
        else:
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(path)
    found = pair(tmp_path / "scans", r"(?P<patient>[^/]+)/(?P<cell>(c\d)?)_(?P<channel>BF)\.png")
    cells, _ = assemble_cells(found, {}, CLASSES, mapping={}, drop=set())
    out = tmp_path / "out"
    with pytest.raises(ManifestError, match=message) as caught:
        write_dataset(out, cells, DatasetDescription("few"))
    assert str(caught.value).startswith(f"{out / 'manifest.csv'}: would be refused by fit: ")
    assert [path.name for path in tmp_path.iterdir()] == ["scans"]


def test_a_link_to_a_name_that_no_manifest_can_hold_is_one_line(tmp_path):
    (tmp_path / os.fsdecode(b"p\xfc.png")).touch()
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "c1_BF.png").symlink_to(tmp_path / os.fsdecode(b"p\xfc.png"))
    found = pair(tmp_path / "scans", r"(?P<patient>(?P<cell>c1))_(?P<channel>BF)\.png")
    with pytest.raises(ImageError) as caught:
        assemble_cells(found, {}, CLASSES, mapping={}, drop=set())
    assert str(caught.value) == rf"{tmp_path}/p\xfc.png: file name is not UTF-8; rename it"


def test_a_link_to_itself_is_no_image(tmp_path):
    (tmp_path / "c1_BF.png").symlink_to("c1_BF.png")
    found = pair(tmp_path, r"(?P<patient>(?P<cell>c1))_(?P<channel>BF)\.png")
    cells, _ = assemble_cells(found, {}, CLASSES, mapping={}, drop=set())
    with pytest.raises(ImageError, match="c1_BF.png: cannot be read"):
        write_dataset(tmp_path / "out", cells, DatasetDescription("few"))


def test_a_copy_of_an_image_is_no_second_cell(tmp_path):
    """Another patient's, it would be learnt from and tested on. Blank images are no copies of one another."""
    rng, scans = np.random.default_rng(0), tmp_path / "scans"
    for number in (1, 2, 3):
        (scans / f"p{number}").mkdir(parents=True)
        Image.fromarray(rng.integers(0, 255, (4, 4), np.uint8)).save(scans / f"p{number}" / f"c{number}_BF.png")
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(scans / f"p{number}" / f"c{number}_DAPI.png")
    cells, _ = assemble_cells(pair(scans, PATTERN), {}, CLASSES, mapping={}, drop=set())
    write_dataset(tmp_path / "whole", cells, DatasetDescription("few"))
    # Another file of the same pixels.
    with Image.open(scans / "p1/c1_BF.png") as image:
        image.save(scans / "p3/c3_BF.png", compress_level=0)
    with pytest.raises(PairingError, match=r"c3_BF.png: has the same pixels as .*c1_BF.png; keep one"):
        write_dataset(tmp_path / "out", cells, DatasetDescription("few"))
    assert {path.name for path in tmp_path.iterdir()} == {"scans", "whole"}


def test_ids_survive_the_csv_and_each_cell_is_reported(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a,b_BF.png")
    found = pair(tmp_path, r"(?P<cell>(?P<patient>a),b)_(?P<channel>BF)\.png")
    cells, _ = assemble_cells(found, {}, CLASSES, mapping={}, drop=set())
    steps = []
    write_dataset(tmp_path / "out", cells, DatasetDescription("few"), lambda *step: steps.append(step))
    with (tmp_path / "out" / "manifest.csv").open(newline="") as file:
        assert [row["cell_id"] for row in csv.DictReader(file)] == ["a,b"]
    assert steps == [("Checking images", 1, 1)]
