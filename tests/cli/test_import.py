"""`tfctc import` as a user types it, and every kind of bad input ending in one line."""

import csv
import os
import unicodedata

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tfctc.cli import main
from tfctc.data.manifest import Manifest

PATTERN = r"(?P<patient>p\d)_(?P<cell>c\d+)_(?P<channel>BF|DAPI)\.(png|tif)"


@pytest.fixture
def scans(tmp_path):
    """24 cells of 6 patients, both channels, 12 bits, and their labels."""
    folder, rng = tmp_path / "scans", np.random.default_rng(0)
    folder.mkdir()
    with (folder / "labels.csv").open("w", newline="") as file:
        labels = csv.writer(file)
        labels.writerow(["cell_id", "label"])
        for n in range(24):
            labels.writerow([f"c{n:02}", ("WBC", "CTC")[n % 2]])
            for channel in ("BF", "DAPI"):
                pixels = rng.integers(0, 4096, (10, 12), dtype=np.uint16)
                Image.fromarray(pixels).save(folder / f"p{n // 4}_c{n:02}_{channel}.png")
    return folder


def run(folder, *arguments, output=None):
    labels = ["--labels", folder / "labels.csv", "--map", "WBC=leukocyte", "--map", "CTC=ctc"]
    output = output or folder.parent / "out"
    arguments = ["import", folder, "--pattern", PATTERN, *labels, "--output", output, *arguments]
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_says_what_it_wrote_where_and_what_is_next(scans):
    result = run(scans, "--bit-depth", 12, "--mpp", 0.64)
    assert result.exit_code == 0, result.output
    out = scans.parent / "out"
    assert "Wrote 24 cells (12 leukocyte, 12 ctc, 0 unlabelled) in 6 groups by patient" in result.output
    assert f"10 x 12 px, 12 bit, to {out}" in result.output
    assert result.output.rstrip().endswith(f"Next: tfctc fit {out}")
    with (out / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["cell_id"] for row in rows] == [f"c{n:02}" for n in range(24)]
    assert all(os.path.isfile(out / row["brightfield"]) and os.path.isfile(out / row["dapi"]) for row in rows)


def with_splits(scans, split_of):
    """Adds a column `set` to the label table: `split_of` of the number of each cell."""
    with (scans / "labels.csv").open(newline="") as file:
        (header, *rows) = csv.reader(file)
    with (scans / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([[*header, "set"], *([*row, split_of(n)] for n, row in enumerate(rows))])


def test_splits_of_the_table_become_those_of_the_manifest(scans):
    """Four cells a patient: p0 and p1 train, p2 validation, p3 test, p4 and p5 left to tfctc."""
    given = ["train", " Train", "VALIDATION", "test", "", ""]
    with_splits(scans, lambda n: given[n // 4])
    result = run(scans, "--split-column", "set", "--bit-depth", 12)
    assert result.exit_code == 0, result.output
    with (scans.parent / "out" / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    expected = {"p0": "train", "p1": "train", "p2": "validation", "p3": "test", "p4": "", "p5": ""}
    assert len(rows) == 24 and all(row["split"] == expected[row["patient_id"]] for row in rows)
    pinned = Manifest.open(scans.parent / "out").pinned
    assert pinned == {patient: split for patient, split in expected.items() if split}
    without = run(scans, "--bit-depth", 12, output=scans.parent / "without")
    assert without.exit_code == 0 and "split" not in (scans.parent / "without" / "manifest.csv").read_text()


def test_all_faults_of_the_splits_are_told_at_once(scans):
    given = {0: "train", 1: "test", 2: "", 9: "held out"}
    with_splits(scans, lambda n: given.get(n, "train" if n < 4 else ""))
    result = run(scans, "--split-column", "set")
    assert result.exit_code == 2 and "Traceback" not in result.output
    assert "p0 is in train (cell c00) and in test (cell c01) and in none (cell c02)" in result.output
    assert "cell c09 has split 'held out'" in result.output
    assert "use train, validation, test or nothing, the same on all lines of a patient" in result.output
    assert not (scans.parent / "out").exists()
    result = run(scans, "--split-column", "sett")
    assert result.exit_code == 2 and "--split-column" in result.output


def test_a_label_is_the_same_however_its_accents_are_encoded(scans, tmp_path):
    """A Mac's file names hold accents as characters of their own; typed text does not."""
    one, apart = (unicodedata.normalize(form, "leucócito") for form in ("NFC", "NFD"))
    assert one != apart
    table = (scans / "labels.csv").read_text()
    (scans / "labels.csv").write_text(table.replace("WBC", apart, 6).replace("WBC", one), encoding="utf-8")
    for n, typed in enumerate((one, apart)):
        output = tmp_path / f"out-{n}"
        arguments = ["import", scans, "--pattern", PATTERN, "--labels", scans / "labels.csv", "--output", output]
        arguments += ["--map", "CTC=ctc", "--map", f"{typed}={apart}", "--classes", f"{typed},ctc"]
        result = CliRunner().invoke(main, list(map(str, arguments)))
        assert result.exit_code == 0, result.output
        with (output / "manifest.csv").open(encoding="utf-8") as file:
            assert [row["label"] for row in csv.DictReader(file)] == [one, "ctc"] * 12
    arguments = ["import", scans, "--pattern", PATTERN, "--labels", scans / "labels.csv", "--map", "CTC=ctc"]
    result = CliRunner().invoke(main, [*map(str, arguments), "--drop", apart, "--output", str(tmp_path / "dropped")])
    assert result.exit_code == 0, result.output
    assert "12 cell(s) dropped by label" in result.output


def spoil(folder, what):
    """Makes one thing of the scans wrong."""
    brightfield, dapi = folder / "p0_c01_BF.png", folder / "p0_c01_DAPI.png"
    pixels = np.asarray(Image.open(brightfield))
    if what == "missing channel":
        brightfield.unlink()
    elif what == "duplicate id":
        brightfield.rename(folder / "p0_c02_BF.tif")
        dapi.unlink()
    elif what == "size mismatch":
        Image.fromarray(pixels[:-1]).save(dapi)
    elif what == "bit depth mix":
        Image.fromarray((pixels >> 4).astype(np.uint8)).save(dapi)
    elif what == "truncated file":
        brightfield.write_bytes(brightfield.read_bytes()[:90])
    elif what == "NaN":
        brightfield.unlink()
        values = pixels.astype(np.float32)
        values[2, 3] = np.nan
        Image.fromarray(values).save(brightfield.with_suffix(".tif"))
    elif what == "RGB file":
        Image.fromarray(np.arange(360, dtype=np.uint8).reshape(10, 12, 3)).save(brightfield)
    elif what == "above the bit depth":
        Image.fromarray(pixels + np.uint16(4096)).save(brightfield)
    elif what == "unknown label":
        with (folder / "labels.csv").open("a") as file:
            file.write("c24,platelet\n")
        Image.fromarray(pixels).save(folder / "p5_c24_BF.png")
    elif what == "empty folder":
        for path in folder.glob("*.png"):
            path.unlink()


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing channel", "1 cell(s) without a bright-field image: c01; add the images, or leave these cells out"),
        ("duplicate id", "cell c02 has two brightfield images, p0_c02_BF.png and p0_c02_BF.tif"),
        ("size mismatch", "p0_c01_DAPI.png: is 9 x 12 px, and bright-field of the same cell 10 x 12 px; save both"),
        ("bit depth mix", "p0_c01_DAPI.png: has 8 bit pixels, 16 bit ones expected like most dapi images"),
        ("truncated file", "p0_c01_BF.png: ends too early: a part is missing; copy or export the file again"),
        ("NaN", "p0_c01_BF.tif: holds NaN or infinite pixels; export the raw counts again"),
        ("RGB file", "p0_c01_BF.png: is a colour"),
        (
            "above the bit depth",
            "above 4095 (brightfield: bit depth 12); give images of 12 bits, or --bit-depth brightfield=13",
        ),
        ("unknown label", "scans/labels.csv: unknown label 'platelet' (1 cells); classes are leukocyte and ctc; give"),
        ("empty folder", "scans: holds no PNG or TIFF image; export the images as one of these"),
    ],
)
def test_bad_input_ends_with_one_line_and_leaves_nothing(scans, what, message):
    spoil(scans, what)
    refused(run(scans, "--bit-depth", 12), message)
    assert os.listdir(scans.parent) == ["scans"]


def refused(result, message):
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit)
    assert result.output.count("tfctc: error:") == 1 and message in result.output, result.output
    assert len([line for line in result.output.splitlines() if "error" in line]) == 1


def test_a_preset_that_matches_no_file_advises_a_pattern_of_ones_own(scans):
    result = CliRunner().invoke(main, ["import", str(scans), "--preset", "deparray"])
    refused(result, "(e.g. p0_c00_BF.png); leave out --files, --pattern and --preset to see the templates that fit")


def test_an_output_that_cannot_be_written(scans):
    (scans.parent / "file").write_text("mine")
    refused(run(scans, output=scans.parent / "file" / "below"), "cannot be written")
    refused(run(scans, output=scans.parent / "file"), "exists already and is not an empty folder")
    assert (scans.parent / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("target", "message"),
    [(b"out", "cannot be written"), (b"p\xfc", r"name must be letters, digits, - and _, got 'p\udcfc'")],
)
def test_an_output_that_is_a_link_to_itself_or_to_a_name_that_is_not_utf8(scans, target, message):
    (scans.parent / "out").symlink_to(os.fsdecode(target))
    refused(run(scans), message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--drop", "CTC"], "class ctc has no cell; label cells of both classes"),
        (["--one-patient"], "1 patient(s) cannot be split into train, validation, test"),
    ],
)
def test_a_single_class_or_patient_is_refused_by_fit(scans, arguments, message):
    """Such a data set can be imported, as predict and evaluate can use it, but nothing can be learnt from it."""
    if arguments == ["--one-patient"]:
        for path in scans.glob("p?_*.png"):
            path.rename(scans / f"p0{path.name[2:]}")
        arguments = []
    assert run(scans, "--bit-depth", 12, *arguments).exit_code == 0
    out = scans.parent / "run"
    refused(CliRunner().invoke(main, ["fit", str(scans.parent / "out"), "-o", str(out)]), message)
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "deparray"], "one of --files, --pattern and --preset is needed, got --pattern and --preset"),
        (["--map", "WBC"], "--map expects OLD=NEW, got 'WBC'"),
        (["--map", "=ctc"], "--map expects OLD=NEW, got '=ctc'"),
        (["--map", " =ctc"], "--map expects OLD=NEW, got ' =ctc'"),
        (["--channel", "=dapi"], "--channel expects OLD=NEW, got '=dapi'"),
        (["--map", "CTC=leukocyte"], "--map CTC: given as 'ctc' and as 'leukocyte'; give it once"),
        (["--channel", "x=dapi", "--channel", "x=brightfield"], "--channel x: given as 'dapi' and as 'brightfield';"),
        (["--classes", "wbc,ctc,debris"], "give labels of neither to --other"),
        (["--name", "my cells"], "name must be letters, digits, - and _, got 'my cells'; choose another"),
        (["--mpp", "inf"], "mpp must be micrometres per pixel above 0, got inf"),
        (["--mpp", "nan"], "mpp must be micrometres per pixel above 0, got nan"),
        (["--map", "PLT=tumor"], "--map PLT=tumor: classes are leukocyte and ctc; map it to one of these"),
        (["--label-column", "phase"], "has no column 'phase'"),
    ],
)
def test_options_that_contradict(scans, arguments, message):
    refused(run(scans, *arguments), message)
