"""Files as laboratories have them: kinds of input that once ended wrong, each with what is right now."""

import csv
import struct

import numpy as np
import pytest
from lab import SIDE, Lab
from PIL import Image

P = "(?P<cell>(?P<patient>[^/]+)/\\d+)_(?P<channel>BF|DAPI)\\.tif"


def case_01_predict_answers_dapi_images(lab):
    """A folder with both channels under five names: the model's own naming, or a refusal."""
    habits = {
        "amnis": ("{n}_Ch1.ome.tif", "{n}_Ch7.ome.tif", "1_Ch1.ome.tif and 1_Ch7.ome.tif"),
        "imagej": ("C1-cell{n}.tif", "C2-cell{n}.tif", "C1-cell1.tif and C2-cell1.tif"),
        "imagexpress": ("P_A01_s{n}_w1.TIF", "P_A01_s{n}_w2.TIF", "P_A01_s1_w1.TIF and P_A01_s1_w2.TIF"),
        "micromanager2": (
            "img_channel000_position00{n}_time000000000_z000.tif",
            "img_channel001_position00{n}_time000000000_z000.tif",
            "img_channel000_position001_time000000000_z000.tif and img_channel001_position001_time000000000_z000.tif",
        ),
        "nosuffix": ("{n}_Ch1.tif", "{n}_Ch7.tif", "1_Ch1.tif and 1_Ch7.tif"),
    }
    model = lab.model()
    for habit, (brightfield, dapi, shown) in habits.items():
        lab.pairs(f"{habit}/{brightfield}", f"{habit}/{dapi}", patients=1)
        message = lab.refused("predict", model, lab.folder / habit, "--output", lab.folder / "no.csv")
        assert f"{habit}: {shown} may be two channels of one cell" in message and "--files" in message
        files = sorted((lab.folder / habit).iterdir())
        assert "may be two channels of one cell" in lab.refused("predict", model, *files)
    lab.save("patients/PE012_0001.tif", lab.brightfield())
    assert list(lab.predicted(model, lab.folder / "patients")) == ["PE012_0001"]


def case_03_channel_before_cell_number(lab):
    lab.pairs("in/{patient}/BF/{cell}.tif", "in/{patient}/DAPI/{cell}.tif")
    lab.pairs("ij/{patient}/C1-cell{n:03}.tif", "ij/{patient}/C2-cell{n:03}.tif")
    position = "position{n:03}_time000000000_z000.tif"
    lab.pairs(f"mm/{{patient}}/img_channel000_{position}", f"mm/{{patient}}/img_channel001_{position}")
    pattern = r"(?P<patient>[^/]+)/(?P<channel>BF|DAPI)/(?P<cell>\d+)\.tif"
    numbered = ("--channel", "C1=brightfield", "--channel", "C2=dapi")
    named = ("--channel", "000=brightfield", "--channel", "001=dapi")
    for folder, arguments, first in (
        ("in", ("--pattern", pattern), "patient000/0001"),
        ("in", ("--files", "{patient}/{channel}/{cell}.tif"), "patient000/0001"),
        ("ij", ("--pattern", r"(?P<patient>[^/]+)/(?P<channel>C\d)-(?P<cell>cell\d+)\.tif", *numbered),
         "patient000/cell001"),
        ("ij", ("--preset", "imagej", *numbered), "patient000/cell001"),
        ("mm", ("--preset", "micromanager2", *named), "patient000/001"),
    ):  # fmt: skip
        manifest, output = lab.imported(folder, *arguments, "--bit-depth", 12)
        cells = list(manifest.cells())
        assert len(cells) == 4 and cells[0].cell_id == first and all(cell.dapi for cell in cells)
        assert {cell.patient_id for cell in cells} == {"patient000", "patient001"}
        assert "ids are now {patient}/{cell}" in output
        model = lab.model(naming=manifest.facts.naming)
        answers = lab.predicted(model, lab.folder / folder)
        assert set(answers) == {cell.cell_id for cell in cells} and all(p > 0.5 for p in answers.values())
    spanning = r"(?P<cell>(?P<patient>[^/]+)/(?P<channel>BF|DAPI)/\d+)\.tif"
    for extra in ((), ("--skip-orphans",)):
        message = lab.import_refused("in", "--pattern", spanning, "--bit-depth", 12, *extra)
        assert "the group cell of --pattern includes the group channel" in message and "--cell-id" in message


def case_04_label_group_ignored(lab):
    for label, patient, cells in (("CTC", "patient000", (1, 2)), ("WBC", "patient001", (5, 6))):
        for cell in cells:
            lab.save(f"in/{label}/{patient}_{cell:04}_BF.tif", lab.brightfield())
            lab.save(f"in/{label}/{patient}_{cell:04}_DAPI.tif", lab.dapi())
    pattern = r"(?P<label>CTC|WBC)/(?P<cell>(?P<patient>[^_/]+)_\d+)_(?P<channel>BF|DAPI)\.tif"
    maps = ("--map", "CTC=ctc", "--map", "WBC=leukocyte")
    for naming in (("--pattern", pattern), ("--files", "{label}/{patient}_{cell}_{channel}.tif")):
        manifest, output = lab.imported("in", *naming, *maps, "--bit-depth", 12)
        assert [cell.label for cell in manifest.cells()] == ["ctc", "ctc", "leukocyte", "leukocyte"]
        assert "Next: tfctc fit" not in output and "1 patient with ctc, 3 needed" in output
    wrong = pattern.replace("label", "lable").replace("<patient>", "<patent>")
    assert "unknown group 'lable'" in lab.import_refused("in", "--pattern", wrong, "--bit-depth", 12)
    message = lab.import_refused("in", "--pattern", pattern, *maps, "--map", "PLT=", "--bit-depth", 12)
    assert "--map PLT: no cell has this label; the labels are CTC, WBC" in message
    message = lab.import_refused("in", "--pattern", pattern, "--bit-depth", 12)
    assert "unknown label 'CTC' (2 cells), 'WBC' (2 cells)" in message


def case_05_crop_size_differs_per_cell(lab):
    sizes = {("patient000", 1): (30, 27), ("patient000", 2): (26, 23), ("patient001", 5): (23, 20),
             ("patient001", 6): (40, 34)}  # fmt: skip
    for (patient, cell), size in sizes.items():
        lab.save(f"in/{patient}/{cell}_Ch1.ome.tif", lab.brightfield(size))
        lab.save(f"in/{patient}/{cell}_Ch7.ome.tif", lab.dapi(size))
    naming = ("--preset", "amnis", "--channel", "Ch1=brightfield", "--channel", "Ch7=dapi", "--bit-depth", 12)
    message = lab.import_refused("in", *naming)
    assert "bright-field images have 4 sizes, from 23 x 20 to 40 x 34 px" in message and "--size 40" in message
    manifest, output = lab.imported("in", *naming, "--size", 32)
    assert manifest.facts.image_size == (32, 32) and manifest.facts.crop_or_pad
    assert "1 of 4 cells (25.0 %) are larger than 32 x 32 px and lose pixels" in output
    model = lab.model(naming=manifest.facts.naming, crop_or_pad=True)
    answers = lab.predicted(model, lab.folder / "in")
    for cell_id, pixels in lab.pixels(manifest).items():
        assert answers[cell_id] == pytest.approx(pixels.mean() / 4095, abs=1e-6)
    message = lab.run("predict", lab.model(naming=manifest.facts.naming), lab.folder / "in", "--output", "-").output
    assert "is 30 x 27 px, 32 x 32 expected" in message


def case_06_both_channels_in_one_file(lab):
    brightfield, dapi = lab.brightfield(), lab.dapi()
    both = np.stack([brightfield, dapi])
    names = {"Channel": {"Name": ["BF", "DAPI"]}}
    lab.save("imagej/p1/1_BF.tif", both, imagej=True, metadata={"axes": "CYX", "Labels": ["BF", "DAPI"]})
    lab.save("ome/p1/1_BF.tif", both, ome=True, metadata={"axes": "CYX", **names})
    lab.save("planar/p1/1_BF.tif", both, planarconfig="separate", photometric="minisblack")
    lab.save("interleaved/p1/1_BF.tif", np.stack([brightfield, dapi], -1), planarconfig="contig",
             photometric="minisblack")  # fmt: skip
    lab.save("pages/p1/1_BF.tif", both, photometric="minisblack", metadata=None)
    pattern = r"(?P<cell>(?P<patient>[^/]+)/\d+)_BF\.tif"
    by_number = ("--channel", "0=brightfield", "--channel", "1=dapi")
    for kind in ("imagej", "ome", "planar", "interleaved", "pages"):
        message = lab.import_refused(kind, "--pattern", P, "--bit-depth", 12)
        assert "p1/1_BF.tif: holds 2 planes" in message and "--channel" in message
        selections = [(P, by_number), (pattern, by_number)]
        if kind in ("imagej", "ome"):
            by_name = ("--channel", "BF=brightfield", "--channel", "DAPI=dapi")
            selections += [(P, by_name), (pattern, by_name), (pattern, ())]
        else:
            message = lab.import_refused(kind, "--pattern", pattern, "--bit-depth", 12)
            assert "holds 2 planes" in message and "say which channels they are" in message
        for naming, selection in selections:
            manifest, _ = lab.imported(kind, "--pattern", naming, *selection, "--bit-depth", 12)
            np.testing.assert_array_equal(lab.pixels(manifest)["p1/1"], brightfield)
            np.testing.assert_array_equal(lab.pixels(manifest, "dapi")["p1/1"], dapi)
            answers = lab.predicted(lab.model(naming=manifest.facts.naming), lab.folder / kind)
            assert answers == {"p1/1": pytest.approx(brightfield.mean() / 4095, abs=1e-6)}


def case_07_grey_or_pseudocolour_saved_as_colour(lab):
    brightfield, dapi = ((image >> 4).astype(np.uint8) for image in (lab.brightfield(), lab.dapi()))
    none = np.zeros_like(dapi)
    lab.save("rgb/p1/1_BF.tif", np.stack([brightfield] * 3, -1))
    lab.save("rgb/p1/1_DAPI.tif", np.stack([none, none, dapi], -1))
    ramp, zeros = np.arange(256, dtype=np.uint16) * 257, np.zeros(256, np.uint16)
    for folder, tables in (("palette", (None, (zeros, zeros, ramp))), ("greypalette", ((ramp,) * 3, (ramp,) * 3))):
        for name, pixels, table in zip(("BF", "DAPI"), (brightfield, dapi), tables, strict=True):
            options = (
                {"photometric": "palette", "colormap": np.stack(table)} if table else {"photometric": "minisblack"}
            )
            lab.save(f"{folder}/p1/1_{name}.tif", pixels, **options)
    for folder in ("rgb", "palette", "greypalette"):
        manifest, output = lab.imported(folder, "--pattern", P)
        np.testing.assert_array_equal(lab.pixels(manifest)["p1/1"], brightfield)
        np.testing.assert_array_equal(lab.pixels(manifest, "dapi")["p1/1"], dapi)
        assert "note: 1 dapi image(s): " in output
    lab.save("rgb/p1/1_BF.tif", lab.rng.integers(0, 255, (SIDE, SIDE, 3), np.uint8))
    assert "colour" in lab.import_refused("rgb", "--pattern", P)


def packed(pixels, bits, order):
    """A TIFF of packed samples: most significant bit first, rows padded to whole bytes."""
    rows = [np.packbits([[value >> bit & 1 for bit in range(bits - 1, -1, -1)] for value in row]) for row in pixels]
    data = np.concatenate(rows).astype(np.uint8).tobytes()
    height, width = pixels.shape
    tags = [(256, 4, width), (257, 4, height), (258, 3, bits), (259, 3, 1), (262, 3, 1), (273, 4, 8 + 2 + 9 * 12 + 4),
            (277, 3, 1), (278, 4, height), (279, 4, len(data))]  # fmt: skip
    letter = {"II": "<", "MM": ">"}[order]
    head = order.encode() + struct.pack(letter + "HI", 42, 8) + struct.pack(letter + "H", len(tags))
    for tag, kind, value in tags:
        head += struct.pack(letter + "HHI", tag, kind, 1)
        head += struct.pack(letter + ("HH" if kind == 3 else "I"), *([value, 0] if kind == 3 else [value]))
    return head + struct.pack(letter + "I", 0) + data


def case_08_tiff_told_to_be_no_tiff(lab):
    brightfield = lab.brightfield()
    for folder, bits, order in (("packed12_MM", 12, "MM"), ("packed14", 14, "MM"), ("packed12_II", 12, "II")):
        path = lab.save(f"{folder}/p1/1_BF.tif", brightfield)
        path.write_bytes(packed(brightfield, bits, order))
        manifest, output = lab.imported(folder, "--pattern", P)
        np.testing.assert_array_equal(lab.pixels(manifest)["p1/1"], brightfield)
        assert manifest.facts.bit_depth == bits and "--bit-depth" not in output
    lab.save("bigtiff/p1/1_BF.tif", brightfield, bigtiff=True, byteorder=">", compression="lzw")
    lab.save("float64/p1/1_BF.tif", brightfield.astype(np.float64), photometric="minisblack")
    for folder in ("bigtiff", "float64"):
        manifest, _ = lab.imported(folder, "--pattern", P, "--bit-depth", 12)
        np.testing.assert_array_equal(lab.pixels(manifest)["p1/1"], brightfield)
    lab.save("jpeg2000/p1/1_BF.tif", brightfield, compression="jpeg2000", photometric="minisblack")
    assert "JPEG 2000" in lab.import_refused("jpeg2000", "--pattern", P)
    lab.save("empty/p1/1_BF.tif", brightfield).write_bytes(b"")
    assert "1_BF.tif: is empty (0 bytes)" in lab.import_refused("empty", "--pattern", P)


def case_10_float_counts(lab):
    brightfield, dapi = lab.brightfield(), lab.dapi()
    lab.save("in/patient000/0001_BF.tif", brightfield.astype(np.float32))
    lab.save("in/patient000/0001_DAPI.tif", dapi.astype(np.float32))
    manifest, output = lab.imported("in", "--pattern", P, "--bit-depth", 12)
    np.testing.assert_array_equal(lab.pixels(manifest)["patient000/0001"], brightfield)
    np.testing.assert_array_equal(lab.pixels(manifest, "dapi")["patient000/0001"], dapi)
    assert "whole numbers saved as float" in output
    lab.save("in/patient000/0001_BF.tif", brightfield.astype(np.float32) + np.float32(0.25))
    message = lab.import_refused("in", "--pattern", P, "--bit-depth", 12)
    assert "0001_BF.tif: " in message and "fractions" in message and ".25" in message and "ImageJ" in message


def case_11_european_and_excel_tables(lab):
    lab.pairs("in/{patient}/{cell}_BF.tif", "in/{patient}/{cell}_DAPI.tif")
    rows = [("patient000/0001", "ctc"), ("patient000/0002", "ctc"), ("patient001/0001", "leukocyte")]
    rows.append(("patient001/0002", "leukocyte"))
    comma, semicolon, tab = ("".join(f"{a}{s}{b}\r\n" for a, b in [("cell_id", "label"), *rows]) for s in ",;\t")
    preamble = "IDEAS\r\nSample file\tgiven\r\n" + tab.replace("cell_id", "Object Number")
    tables = {
        "semicolon.csv": (semicolon.encode(), ()),
        "sep_line.csv": (b"sep=;\r\n" + semicolon.encode(), ()),
        "sep_comma.csv": (b"sep=,\r\n" + comma.encode(), ()),
        "cp1252.csv": (semicolon.replace("label\r\n", "label;Größe µm\r\n", 1).replace("c\r\n", "c;1,5\r\n")
                       .replace("e\r\n", "e;2,5\r\n").encode("cp1252"), ()),
        "excel_unicode.txt": (tab.encode("utf-16"), ()),
        "preamble.txt": (preamble.encode(), ("--id-column", "Object Number")),
    }  # fmt: skip
    for name, (content, arguments) in tables.items():
        (lab.folder / name).write_bytes(content)
        manifest, _ = lab.imported("in", "--pattern", P, "--labels", lab.folder / name, *arguments, "--bit-depth", 12)
        assert [(cell.cell_id, cell.label) for cell in manifest.cells()] == rows, name


def case_13_channels_of_two_depths(lab):
    for patient in ("patient000", "patient001"):
        lab.save(f"in/{patient}/0001_BF.tif", (lab.brightfield() >> 4).astype(np.uint8))
        lab.save(f"in/{patient}/0001_DAPI.tif", lab.dapi())
    for general in ("dapi=12", "12"):
        by_channel = ("--bit-depth", "brightfield=8", "--bit-depth", general)
        manifest, output = lab.imported("in", "--pattern", P, *by_channel)
        assert [manifest.facts.channel(name).full_scale for name in ("brightfield", "dapi")] == [255, 4095]
        assert "8 bit (DAPI 12 bit)" in output
    _, output = lab.imported("in", "--pattern", P)
    assert "no dapi pixel is above" in output and "dapi=9" in output
    assert "--bit-depth brightfield=8" in lab.import_refused("in", "--pattern", P, "--bit-depth", 12)
    assert "--bit-depth dapi=9 to 16" in lab.import_refused("in", "--pattern", P, "--bit-depth", 8)


def case_14_dapi_binned(lab):
    binned = {}
    for patient in ("patient000", "patient001"):
        lab.save(f"in/{patient}/0001_BF.tif", lab.brightfield())
        binned[f"{patient}/0001"] = lab.dapi((16, 16))
        lab.save(f"in/{patient}/0001_DAPI.tif", binned[f"{patient}/0001"])
    message = lab.import_refused("in", "--pattern", P, "--bit-depth", 12)
    assert "0001_DAPI.tif: is 16 x 16 px, and bright-field of the same cell 32 x 32 px" in message
    assert "if DAPI was binned 2 x 2 on the camera, give --binning dapi=2" in message
    manifest, _ = lab.imported("in", "--pattern", P, "--bit-depth", 12, "--binning", "dapi=2")
    for cell_id, pixels in lab.pixels(manifest, "dapi").items():
        np.testing.assert_array_equal(pixels, np.kron(binned[cell_id], np.ones((2, 2), np.uint16)))


def case_15_one_bad_file_stops_import(lab):
    lab.pairs("in/{patient}/{cell}_BF.tif", "in/{patient}/{cell}_DAPI.tif")
    (lab.folder / "in/patient000/0001_DAPI.tif").write_bytes(b"")
    cut = lab.folder / "in/patient001/0002_BF.tif"
    cut.write_bytes(cut.read_bytes()[:900])
    result = lab.run("import", lab.folder / "in", "--pattern", P, "--bit-depth", 12, "--output", lab.folder / "no")
    assert result.exit_code == 2 and "2 images cannot be used" in result.output and "--skip-bad" in result.output
    assert result.output.count("bad: ") == 2 and "is empty (0 bytes)" in result.output
    manifest, output = lab.imported("in", "--pattern", P, "--bit-depth", 12, "--skip-bad")
    assert [(cell.cell_id, bool(cell.dapi)) for cell in manifest.cells()] == [
        ("patient000/0001", False), ("patient000/0002", True), ("patient001/0001", True),
    ]  # fmt: skip
    with (manifest.folder / "skipped.csv").open() as file:
        skipped = [(row["cell_id"], row["channel"]) for row in csv.DictReader(file)]
    assert skipped == [("patient000/0001", "dapi"), ("patient001/0002", "brightfield")]
    assert "1 cell(s) and the DAPI image of 1 other(s) left out" in output


def case_17_channel_names_of_import_unknown_to_predict(lab):
    lab.pairs("in/{patient}/{n}_Ch1.ome.tif", "in/{patient}/{n}_Ch7.ome.tif")
    pattern = r"(?P<cell>(?P<patient>[^/]+)/\d+)_(?P<channel>Ch\d+)\.ome\.tif"
    channels = ("--channel", "Ch1=brightfield", "--channel", "Ch7=dapi")
    manifest, _ = lab.imported("in", "--pattern", pattern, *channels, "--bit-depth", 12)
    expected = [f"patient00{p}/{n}" for p in (0, 1) for n in (1, 2)]
    assert list(lab.predicted(lab.model(naming=manifest.facts.naming), lab.folder / "in")) == expected
    model = lab.model()
    brightfield = ("--channel", "Ch1=brightfield")
    assert list(lab.predicted(model, lab.folder / "in", "--pattern", pattern, *brightfield)) == expected
    preset = ("--preset", "amnis", "--cell-id", "{patient}/{cell}")
    assert list(lab.predicted(model, lab.folder / "in", *preset, *brightfield)) == expected
    message = lab.refused("predict", model, lab.folder / "in", "--pattern", pattern)
    assert "holds no bright-field image" in message and "its channels are Ch1, Ch7" in message
    assert "--channel NAME=brightfield" in message


def case_19_other_image_files_not_mentioned(lab):
    lab.pairs("in/{patient}/{cell}_BF.tif", "in/{patient}/{cell}_DAPI.tif")
    for path in (lab.folder / "in").rglob("*_DAPI.tif"):
        Image.fromarray((lab.dapi() >> 4).astype(np.uint8)).save(path.with_suffix(".jpg"))
        path.unlink()
    _, output = lab.imported("in", "--pattern", P.replace("tif", "(tif|jpg)"), "--bit-depth", 12)
    assert "4 file(s) are JPEG images, which is not read" in output
    lab.save("pred/a.tif", lab.brightfield())
    for name in "bcde":
        Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(lab.folder / f"pred/{name}.jpg")
    result = lab.run("predict", lab.model(), lab.folder / "pred", "--output", lab.folder / "p.csv")
    assert result.exit_code == 0 and "4 file(s) are JPEG images" in result.output


CASES = [case for name, case in sorted(globals().items()) if name.startswith("case_")]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__.removeprefix("case_"))
def test_case(case, tmp_path):
    case(Lab(tmp_path))
