"""Folders in which a cell, a channel or a patient could be taken for another one without a word."""

import numpy as np
import pytest
from lab import Lab

FILES = "{patient}/{cell}_{channel}.tif"


@pytest.fixture
def lab(tmp_path):
    return Lab(tmp_path)


def stack(lab, name, count, dark=False, **options):
    image = lab.dapi if dark else lab.brightfield
    options = {"photometric": "minisblack", "metadata": None, **options}
    return lab.save(name, np.stack([image() for _ in range(count)]), **options)


def both(lab, name, first="BF", second="DAPI", turned=False):
    pages = [lab.brightfield(), lab.dapi()]
    metadata = {"axes": "CYX", "Channel": {"Name": [first, second]}}
    lab.save(name, np.stack(pages[::-1] if turned else pages), ome=True, metadata=metadata)


def only_bright(lab, manifest):
    return all(pixels.mean() > 1000 for pixels in lab.pixels(manifest).values())


def test_pages_of_an_unknown_channel_are_no_cells(lab):
    for patient in ("P1", "P2"):
        for name in ("BF", "DAPI", "CD45"):
            stack(lab, f"in/{patient}/{name}.tif", 2, dark=name != "BF")
    cells = ("--files", "{patient}/{channel}.tif", "--planes", "cells", "--bit-depth", 12)
    manifest, output = lab.imported("in", *cells)
    assert len(manifest) == 4 and only_bright(lab, manifest) and "2 file(s) of channel CD45 ignored" in output
    (lab.folder / "in/P2/BF.tif").unlink()
    assert "2 cell(s) without a bright-field image: P2/0, P2/1" in lab.import_refused("in", *cells)


def test_channels_of_other_numbers_of_pages_are_not_paired_by_number(lab):
    stack(lab, "in/P1/BF.tif", 4)
    stack(lab, "in/P1/DAPI.tif", 3, dark=True)
    message = lab.import_refused("in", "--files", "{patient}/{channel}.tif", "--planes", "cells", "--bit-depth", 12)
    assert "P1: the files have different numbers of pages, 4 of brightfield, 3 of dapi" in message


@pytest.mark.parametrize(("events", "first", "advised"), [((1, 2, 3), 0, 1), ((0, 1, 2), 1, 0)])
def test_a_table_of_events_that_counts_from_another_number_is_asked_about(lab, events, first, advised):
    for patient in ("P1", "P2"):
        stack(lab, f"in/{patient}/BF.tif", 3)
    table = lab.folder / "events.csv"
    table.write_text("sample,event,label\n" + "".join(f"{p},{n},ctc\n" for p in ("P1", "P2") for n in events))
    options = ["--files", "{patient}/{channel}.tif", "--planes", "cells", "--bit-depth", 12, "--labels", table]
    options += ["--id-column", "sample", "--id-column", "event", "--first-plane"]
    assert f"give --first-plane {advised} if the table does" in lab.import_refused("in", *options, first)
    manifest, _ = lab.imported("in", *options, advised)
    assert all(cell.label == "ctc" for cell in manifest.cells()) and len(manifest) == 6


def test_numbers_of_planes_count_from_0_and_must_not_contradict_names(lab):
    for cell in (1, 2):
        both(lab, f"in/P1/{cell}.tif")
    one = ("--files", "{patient}/{cell}.tif", "--bit-depth", 12)
    message = lab.import_refused("in", *one, "--channel", "1=brightfield", "--channel", "2=dapi")
    assert "--channel 2: the file has no such plane; its planes are BF, DAPI; numbers count from 0" in message
    numbered = ("--channel", "0=brightfield", "--channel", "1=dapi")
    manifest, _ = lab.imported("in", *one, *numbered)
    assert only_bright(lab, manifest)
    both(lab, "in/P1/3.tif", first="DAPI", second="BF", turned=True)
    message = lab.import_refused("in", *one, *numbered)
    assert "3.tif: has a plane 0 that is called DAPI, and --channel 0=brightfield was given" in message
    manifest, _ = lab.imported("in", *one)
    assert len(manifest) == 3 and only_bright(lab, manifest)
    answers = lab.predicted(lab.model(naming=manifest.facts.naming), lab.folder / "in")
    assert min(answers.values()) > 0.5 and len(answers) == 3
    message = lab.import_refused("in", "--files", "{patient}/{cell}.tif", "--planes", "cells", "--bit-depth", 12)
    assert "has a plane that is called" in message and "its planes are channels, not cells" in message


def test_a_file_whose_planes_are_not_known_is_a_fault_and_not_lost(lab):
    both(lab, "in/P1/1.tif")
    both(lab, "in/P1/2.tif", first="TL 10x", second="x")
    one = ("--files", "{patient}/{cell}.tif", "--bit-depth", 12)
    assert "2.tif: has no plane that is known as bright-field; its planes are TL 10x, x" in lab.import_refused(
        "in", *one
    )
    manifest, _ = lab.imported("in", *one, "--skip-bad")
    assert [cell.cell_id for cell in manifest.cells()] == ["1"]
    answers = lab.predicted(lab.model(naming=manifest.facts.naming), lab.folder / "in", code=1)
    assert answers["1"] > 0.5 and np.isnan(answers["2"])


def test_files_deeper_than_the_others_are_no_cells_at_prediction_either(lab):
    lab.pairs("in/{patient}/{cell}_BF.tif", "in/{patient}/{cell}_DAPI.tif")
    for name in ("patient000/backup/0001_BF.tif", "patient000/backup/0009_BF.tif", "patient001/montage/all_BF.tif"):
        lab.save(f"in/{name}", lab.brightfield())
    manifest, output = lab.imported("in", "--files", FILES, "--bit-depth", 12)
    assert "3 image file(s) with other names" in output
    model = lab.model(naming=manifest.facts.naming)
    expected = {cell.cell_id for cell in manifest.cells()}
    assert set(lab.predicted(model, lab.folder / "in")) == expected
    below = lab.predicted(model, lab.folder / "in/patient000", lab.folder / "in/patient001")
    assert set(below) == expected


def test_the_images_of_a_data_set_inside_the_folder_are_no_cells(lab):
    lab.pairs("in/{patient}/{cell}_BF.png", "in/{patient}/{cell}_DAPI.png")
    naming = ("--files", "**/{patient}/{cell}_{channel}.png", "--bit-depth", 12)
    done = lab.run("import", lab.folder / "in", *naming, "--copy", "--output", lab.folder / "in/cells")
    assert done.exit_code == 0, done.output
    manifest, _ = lab.imported("in", *naming)
    assert len(manifest) == 4
    assert len(lab.predicted(lab.model(naming=manifest.facts.naming), lab.folder / "in")) == 4


def test_single_files_are_held_against_the_naming(lab):
    lab.pairs("in/{patient}/{n}_w1.tif", "in/{patient}/{n}_w2.tif", patients=1)
    files = sorted((lab.folder / "in/patient000").iterdir())
    given = ("--files", FILES, "--channel", "w1=brightfield")
    message = lab.refused("predict", lab.model(), *files, *given)
    assert "1_w2.tif: is an image of channel w2 by its name" in message
    assert len(lab.predicted(lab.model(), *files[::2], *given)) == 2
    lab.save("in/other.png", lab.brightfield())
    assert "other.png: has no name like --files" in lab.refused(
        "predict", lab.model(), lab.folder / "in/other.png", *given
    )


def test_a_stain_beside_a_name_without_a_channel(lab):
    lab.pairs("in/{patient}/{n}.tif", "in/{patient}/{n}_DAPI.tif")
    plain = ("--files", "{patient}/{cell}.tif", "--channel", "0=brightfield", "--bit-depth", 12)
    message = lab.import_refused("in", *plain)
    assert "1_DAPI.tif: looks like a DAPI image by its name" in message
    two = ("--files", FILES, "--files", "{patient}/{cell}{channel=BF}.tif")
    assert f"{two[0]} '{two[1]}' {two[2]} '{two[3]}'" in message
    manifest, _ = lab.imported("in", *two, "--bit-depth", 12)
    assert len(manifest) == 4 and only_bright(lab, manifest) and all(cell.dapi for cell in manifest.cells())
    answers = lab.predicted(lab.model(naming=manifest.facts.naming), lab.folder / "in")
    assert len(answers) == 4 and min(answers.values()) > 0.5


def test_a_channel_can_be_left_out(lab):
    lab.pairs("in/{patient}/{cell}_BF.tif", "in/{patient}/{cell}_DAPI.tif")
    for patient in ("patient000", "patient001"):
        lab.save(f"in/{patient}/0001_Hoechst.tif", lab.dapi())
    message = lab.import_refused("in", "--files", FILES, "--bit-depth", 12)
    assert "has two dapi images" in message and "leave one of the two out, for example --channel Hoechst=" in message
    manifest, output = lab.imported("in", "--files", FILES, "--bit-depth", 12, "--channel", "Hoechst=")
    assert len(manifest) == 4 and "2 file(s) of channel Hoechst ignored" in output


def test_folders_of_runs_are_not_taken_for_patients(lab):
    for patient, run in (("P1", "run1"), ("P1", "run2"), ("P2", "run1"), ("P2", "run2")):
        lab.save(f"in/{patient}/{run}/{patient}{run}_Ch1.tif", lab.brightfield())
    amnis = ("--preset", "amnis", "--channel", "Ch1=brightfield", "--bit-depth", 12)
    message = lab.import_refused("in", *amnis)
    assert "2 patient(s) have folders in several places: run1 is in P1/run1 and in P2/run1" in message
    named = ("--files", "{patient}/{run}/{cell}_{channel}.tif", "--cell-id", "{patient}/{run}/{cell}")
    manifest, _ = lab.imported("in", *named, "--channel", "Ch1=brightfield", "--bit-depth", 12)
    assert {cell.patient_id for cell in manifest.cells()} == {"P1", "P2"}


def test_patients_of_one_name_at_two_sites_are_told(lab):
    for site in ("A", "B"):
        lab.save(f"in/{site}/P1/1_BF.tif", lab.brightfield())
    _, output = lab.imported("in", "--files", "{site}/{patient}/{cell}_{channel}.tif", "--bit-depth", 12)
    assert "1 patient(s) have cells at several sites and count as one person each: P1" in output


def test_of_two_copies_the_cell_that_tells_most_is_kept(lab):
    brightfield = lab.brightfield()
    for name in ("p1/cell1_BF.tif", "p1/Copy of cell1_BF.tif"):
        lab.save(f"in/{name}", brightfield)
    lab.save("in/p1/cell1_DAPI.tif", lab.dapi())
    manifest, _ = lab.imported("in", "--files", FILES, "--bit-depth", 12, "--skip-bad")
    assert [(cell.cell_id, bool(cell.dapi)) for cell in manifest.cells()] == [("cell1", True)]
    lab.save("in/p1/cell1_DAPI.tif", brightfield)
    (lab.folder / "in/p1/Copy of cell1_BF.tif").unlink()
    message = lab.import_refused("in", "--files", FILES, "--bit-depth", 12)
    assert "cell1_DAPI.tif: has the same pixels as the bright-field image of its cell" in message


def test_leading_zeros_that_differ_between_channels_are_told(lab):
    lab.save("in/p1/1_BF.tif", lab.brightfield())
    lab.save("in/p1/01_DAPI.tif", lab.dapi())
    for n in (10, 11):
        lab.save(f"in/p1/{n}_BF.tif", lab.brightfield())
        lab.save(f"in/p1/{n}_DAPI.tif", lab.dapi())
    message = lab.import_refused("in", "--files", FILES, "--bit-depth", 12, "--skip-orphans")
    assert "cell 01 has only DAPI, and cell 1 only bright-field: they may be one cell" in message


def test_packed_data_sets_can_be_predicted_by_their_manifest(lab):
    for cell in (1, 2):
        both(lab, f"in/P1/{cell}.tif")
    manifest, _ = lab.imported("in", "--files", "{patient}/{cell}.tif", "--bit-depth", 12)
    model = lab.model(naming=manifest.facts.naming)
    assert lab.predicted(model, manifest.folder / "manifest.csv") == lab.predicted(model, lab.folder / "in")


def test_rescaled_data_sets_are_not_rescaled_again(lab):
    lab.pairs("in/{patient}/{cell}_BF.tif", "in/{patient}/{cell}_DAPI.tif", size=(64, 64))
    scale = ("--mpp", 0.5, "--rescale-mpp", 1.0)
    manifest, _ = lab.imported("in", "--files", FILES, "--bit-depth", 12, *scale)
    assert manifest.facts.image_size == (32, 32)
    facts = manifest.facts
    model = lab.model(naming=facts.naming, mpp=1.0, files_mpp=0.5, rescaled=True)
    stored = lab.predicted(model, manifest.folder / "manifest.csv")
    assert stored == {key: pytest.approx(p.mean() / 4095, abs=1e-6) for key, p in lab.pixels(manifest).items()}
    assert stored == lab.predicted(model, lab.folder / "in", "--mpp", 0.5, "--rescale-mpp")
    refused = lab.run("predict", model, lab.folder / "in", "--output", "-").output
    assert "declares no micrometres per pixel" in refused and "give --mpp and --rescale-mpp" in refused


@pytest.mark.parametrize("scale", [("--mpp", 0.5, "--rescale-mpp", 5e-7), ("--mpp", 5e-7, "--rescale-mpp", 0.5)])
def test_a_scale_in_another_unit_is_one_line(lab, scale):
    lab.save("in/p1/1_BF.tif", lab.brightfield())
    message = lab.import_refused("in", "--files", FILES, "--bit-depth", 12, *scale)
    assert "differ by more than a factor of 20; give both in micrometres per pixel" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--patient-column", "p"], "--patient-column is about the label table; give --labels too"),
        (["--delimiter", ";"], "--delimiter is about the label table"),
        (["--first-plane", 1], "--first-plane goes with --planes cells"),
        (["--size", 99999999], "--size must be up to 4096 px"),
        (["--bit-depth", "x"], "--bit-depth expects a whole number, got 'x'"),
    ],
)
def test_options_without_an_effect_are_refused(lab, arguments, message):
    lab.save("in/p1/1_BF.tif", lab.brightfield())
    assert message in lab.import_refused("in", "--files", FILES, *arguments)


def test_the_options_of_the_import_work_for_predict(lab):
    for cell in (1, 2):
        stack_ = np.stack([lab.dapi(), lab.brightfield()])
        lab.save(f"in/P1/{cell}_BF.tif", stack_, photometric="minisblack", metadata=None)
    options = ("--files", FILES, "--channel", "1=brightfield", "--channel", "0=dapi")
    lab.imported("in", *options, "--bit-depth", 12)
    answers = lab.predicted(lab.model(), lab.folder / "in", *options)
    assert len(answers) == 2 and min(answers.values()) > 0.5


def test_one_damaged_stack_does_not_end_the_prediction(lab):
    for patient in ("P1", "P2"):
        stack(lab, f"in/{patient}/BF.tif", 2)
    (lab.folder / "in/P3").mkdir()
    (lab.folder / "in/P3/BF.tif").write_bytes(b"")
    cells = ("--files", "{patient}/{channel}.tif", "--planes", "cells")
    answers = lab.predicted(lab.model(), lab.folder / "in", *cells, code=1)
    assert [key for key, p in answers.items() if np.isnan(p)] == ["P3/0"] and len(answers) == 5
