"""The manifest as a contract: read back with csv, refused line by line; read once, held in little memory."""

import builtins
import csv
import errno
import io
import os
import tracemalloc
from collections import Counter
from dataclasses import replace

import pytest

from tfctc.cells import COLUMNS, SPLITS, Cell, DatasetFacts
from tfctc.config import RunConfig
from tfctc.data.manifest import Manifest, write_manifest
from tfctc.data.splits import Splits
from tfctc.errors import ConfigError, ManifestError, SplitError
from tfctc.io import duplicates

FACTS = DatasetFacts("few", classes=("interphase", "mitosis"), image_size=(8, 6), bit_depth=12, mpp=0.5, group="block")
CELLS = [
    Cell("a", "p1", "s1", "images/a.png", "images/a_dapi.png", "mitosis"),
    Cell("b", "p1", "s1", "/elsewhere/b.png", "", "interphase"),
    Cell("ü, comma", "p2", "s2", "images/c.png", "images/c_dapi.png", ""),
]


def test_round_trip(tmp_path):
    write_manifest(tmp_path, FACTS, iter(CELLS))
    with (tmp_path / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert tuple(rows[0]) == COLUMNS and rows[3][0] == "ü, comma"
    for path in (tmp_path, tmp_path / "manifest.csv"):
        manifest = Manifest.open(path)
        assert manifest.facts == FACTS
        read = list(manifest.cells())
        assert [c.cell_id for c in read] == ["a", "b", "ü, comma"]
        assert read[0].dapi == str(tmp_path / "images/a_dapi.png")
        assert (read[1].brightfield, read[1].dapi) == ("/elsewhere/b.png", "")


def test_groups_are_counted_by_label(tmp_path):
    write_manifest(tmp_path, FACTS, CELLS)
    manifest = Manifest.open(tmp_path)
    assert manifest.groups("patient_id") == {"p1": Counter(mitosis=1, interphase=1), "p2": Counter({"": 1})}
    assert set(manifest.groups("site")) == {"s1", "s2"}
    with pytest.raises(ConfigError, match="cannot be split by 'ward'"):
        manifest.groups("ward")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_cells_are_in_file_order_with_their_lines_however_a_spreadsheet_breaks_them(tmp_path, encoding, newline):
    rows = [*CELLS, Cell('two\nlines, a "quote"', "p1", "", "d.png"), Cell("last", "p1", "", "e.png", label="mitosis")]
    write_manifest(tmp_path, FACTS, rows)
    path = tmp_path / "manifest.csv"
    lines = path.read_text(encoding="utf-8").split("\n")
    lines.insert(2, "")
    path.write_text("\n".join(lines), encoding=encoding, newline=newline)
    manifest = Manifest.open(tmp_path)
    written = [cell.cell_id.replace("\n", newline) for cell in rows]
    assert [cell.cell_id for cell in manifest.cells()] == written and len(manifest) == 5
    assert manifest.index.lines.tolist() == [2, 4, 5, 7, 8]  # A row of two lines counts as its last.
    order = [3, 0, 4, 2, 1, 3]
    assert [manifest.cell(i) for i in order] == [list(manifest.cells())[i] for i in order]


def test_the_file_is_read_once(tiny_dataset, tmp_path, monkeypatch):
    """Everything else comes from memory: it works when the file is gone."""
    (tmp_path / "dataset.json").write_text((tiny_dataset / "dataset.json").read_text())
    (tmp_path / "manifest.csv").write_text((tiny_dataset / "manifest.csv").read_text())
    opened, real = [], io.open

    def counted(file, *arguments, **options):
        opened.append(os.path.basename(file) if isinstance(file, str | os.PathLike) else file)
        return real(file, *arguments, **options)

    for place in (io, builtins):
        monkeypatch.setattr(place, "open", counted)
    manifest = Manifest.open(tmp_path)
    assert opened.count("manifest.csv") == 1
    (tmp_path / "manifest.csv").unlink()
    assert sum(manifest.groups("patient_id").values(), Counter()) == Counter(leukocyte=24, ctc=24)
    assert len(manifest.groups("site")) == 3 and len(manifest.digest) == 64
    assert len(list(manifest.cells())) == len(manifest) == 48
    splits = Splits.make(manifest, RunConfig(), folds=2)
    assert sum(splits.mask(manifest, split).sum() for split in SPLITS) == 48
    assert opened.count("manifest.csv") == 1


def test_ids_of_one_fingerprint_are_no_duplicates(tmp_path, monkeypatch):
    monkeypatch.setattr(duplicates, "_digest", lambda name: bytes(8))
    write_manifest(tmp_path, FACTS, CELLS)
    assert len(list(Manifest.open(tmp_path).cells())) == 3


def test_a_cell_takes_less_than_300_bytes_of_memory(tmp_path):
    names = ("brightfield", "dapi")

    def cells():
        for i in range(10_000):
            patient = f"patient{i % 200:03}"
            paths = [f"images/{patient}/cell{i:07}_{name}.png" for name in names]
            yield Cell(f"{patient}_cell{i:07}", patient, f"site{i % 3}", *paths, ("", "mitosis", "interphase")[i % 3])

    write_manifest(tmp_path, FACTS, CELLS)
    Manifest.open(tmp_path)  # What is imported and cached on the way does not count.
    write_manifest(tmp_path, FACTS, cells())
    texts = sum(len(cell.cell_id + cell.brightfield + cell.dapi) for cell in cells())
    tracemalloc.start()
    try:
        manifest = Manifest.open(tmp_path)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(manifest) == 10_000
    assert texts < held < 300 * 10_000, "the texts themselves are counted, and little beside them"


def test_a_patient_at_two_sites_cannot_be_split_by_site(tmp_path):
    write_manifest(tmp_path, FACTS, [*CELLS, Cell("d", "p1", "s2", "d.png")])
    with pytest.raises(SplitError, match="block p1 has cells in site 's1' and 's2'"):
        Manifest.open(tmp_path).groups("site")


def test_cells_of_no_site_are_not_one_site(tmp_path):
    write_manifest(tmp_path, FACTS, [*CELLS, Cell("d", "p3", "", "d.png")])
    manifest = Manifest.open(tmp_path)
    with pytest.raises(SplitError, match=r"line 5 \(cell d\) has no site; .*split.by=patient_id"):
        manifest.groups("site")
    assert set(manifest.groups("patient_id")) == {"p1", "p2", "p3"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,p1,,a.png,,mitosis\na,p2,,b.png,,\n", "cell a is named on lines 2 and 3"),
        ("a,p1,,a.png,,tumor\n", r"line 2 \(cell a\): unknown label 'tumor'; use one of: interphase, mitosis"),
        (
            "a,P1,,a.png,,\nb,p1,,b.png,,\n",
            r"line 3 \(cell b\): patient_id is 'p1' here and 'P1' above; write .* one way",
        ),
        ("a,M\u00fcller,,a.png,,\nb,Mu\u0308ller,,b.png,,\n", r"is 'Mu\\u0308ller' here and 'M\\xfcller' above"),
        ("a,p1,,a\0.png,,\n", "line 2 holds a NUL character; save it as CSV"),
        ("a,p1,S,a.png,,\nb,p2,s,b.png,,\n", r"line 3 \(cell b\): site is 's' here and 'S' above"),
        ("a,p1,,a.png,,\na\xa0,p2,,b.png,,\n", "cell a is named on lines 2 and 3"),
        ("1.2E+05,p1,,a.png,,\n", "line 2 has '1.2E[+]05' in column 'cell_id': a spreadsheet has shortened it"),
        (
            "a,p1,,a.png,,\nb,p2,,x/../a.png,,\n",
            "image .*/a.png is named on lines 2 and 3; give every cell .* of its own",
        ),
        ("a,p1,,a.png,b.png,\nb,p2,,b.png,,\n", "image .*/b.png is named on lines 2 and 3"),
        ("a,p1,,a.png,a.png,\n", "image .*/a.png is named on lines 2 and 2"),
        ("a,p1,,,,\n", r"line 2 \(cell 'a'\) has no brightfield"),
        ("a,,,a.png,,\n", "has no patient_id"),
        (",p1,,a.png,,\n", "has no cell_id"),
        ("a,p1,,a.png\n", "line 2 has 4 values, 6 expected as in the header"),
        ("a,p1,,a.png,,,,x\n", "line 2 has 8 values, 6 expected as in the header"),
        ("", "holds no cell"),
    ],
)
def test_what_a_manifest_may_not_be(tmp_path, text, message):
    write_manifest(tmp_path, FACTS, [])
    with (tmp_path / "manifest.csv").open("a", encoding="utf-8") as file:
        file.write(text)
    with pytest.raises(ManifestError, match=message) as error:
        Manifest.open(tmp_path)
    assert str(tmp_path) in str(error.value)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            "cell_id,label",
            "has no columns 'patient_id', 'site', 'brightfield', 'dapi' .columns on line 1: 'cell_id', 'la",
        ),
        (
            "cell_id,patient_id,site,brightfield,dapi,label,label",
            "has several columns 'label'; rename or delete all but",
        ),
        (
            "cell_id,patient_id,site,brightfield,dapi,label,area",
            "columns must be cell_id, patient_id, site, brightfield, dapi, label, got 'cell_id', .*, 'area'; delete",
        ),
    ],
)
def test_columns_are_checked(tmp_path, header, message):
    write_manifest(tmp_path, FACTS, CELLS)
    (tmp_path / "manifest.csv").write_text(f"{header}\na,mitosis\n")
    with pytest.raises(ManifestError, match=message):
        Manifest.open(tmp_path)


def test_a_folder_without_a_manifest_is_named(tmp_path):
    with pytest.raises(ManifestError, match="holds no manifest.csv"):
        Manifest.open(tmp_path)


def test_a_path_that_cannot_be_asked_for_is_one_line(tmp_path, monkeypatch):
    with pytest.raises(ManifestError, match="manifest.csv: cannot be read .File name too long.; check path and perm"):
        Manifest.open("x" * 300)
    monkeypatch.setattr(os, "stat", refusing)
    with pytest.raises(ManifestError, match=f"{tmp_path}/manifest.csv: cannot be read .Permission denied.; check"):
        Manifest.open(tmp_path)


def refusing(*arguments, **options):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", ", "])
def test_a_manifest_saved_by_a_spreadsheet_has_the_same_cells(tmp_path, encoding, delimiter):
    cells = [replace(cell, cell_id=cell.cell_id.replace(", ", " "), original_label=cell.label) for cell in CELLS]
    write_manifest(tmp_path, FACTS, cells)
    written = Manifest.open(tmp_path)
    path = tmp_path / "manifest.csv"
    text = path.read_text(encoding="utf-8").replace(",", delimiter) + delimiter.strip(" ") * 5 + "\n"
    path.write_text(text, encoding=encoding, newline="\r\n")
    saved = Manifest.open(tmp_path)
    assert list(saved.index) == list(written.index) == cells and saved.digest == written.digest


def test_the_digest_is_of_the_cells_and_not_of_where_they_lie(tmp_path):
    def digest(name, facts, cells):
        (tmp_path / name).mkdir()
        write_manifest(tmp_path / name, facts, cells)
        return Manifest.open(tmp_path / name).digest

    first = digest("first", FACTS, CELLS)
    assert digest("moved", FACTS, [replace(cell, brightfield=f"/x/{cell.brightfield}") for cell in CELLS]) == first
    others = [
        digest(name, facts, cells)
        for name, facts, cells in (
            ("facts", replace(FACTS, mpp=0.4), CELLS),
            ("label", FACTS, [replace(CELLS[0], label=""), *CELLS[1:]]),
            ("patient", FACTS, [replace(CELLS[0], patient_id="p2"), *CELLS[1:]]),
            ("dapi", FACTS, [replace(CELLS[0], dapi=""), *CELLS[1:]]),
            ("fewer", FACTS, CELLS[:2]),
        )
    ]
    assert len({first, *others}) == 6


def test_original_labels_are_a_column_that_may_be_missing(tmp_path):
    cells = [replace(CELLS[0], original_label="M phase"), CELLS[1], replace(CELLS[2], original_label="?")]
    write_manifest(tmp_path, FACTS, cells, original=True)
    path = tmp_path / "manifest.csv"
    assert path.read_text(encoding="utf-8").splitlines()[0] == ",".join((*COLUMNS, "original_label"))
    manifest = Manifest.open(tmp_path)
    assert [cell.original_label for cell in manifest.index] == ["M phase", "interphase", "?"]
    edited = path.read_text(encoding="utf-8").replace("original_label", "note")
    path.write_text(edited, encoding="utf-8")
    with pytest.raises(ManifestError, match="only original_label and split may be added, once each"):
        Manifest.open(tmp_path)
    write_manifest(tmp_path, FACTS, cells)
    assert Manifest.open(tmp_path).digest == manifest.digest
