"""The table of predictions, by the command that writes it."""

import csv
import io
import multiprocessing
import subprocess
import sys
from itertools import repeat

import numpy as np
import pytest
from click.testing import CliRunner
from mean_model import COLUMNS

from tfctc.cli import main
from tfctc.errors import TfctcError
from tfctc.inference.batch import predict_cells
from tfctc.inference.predictor import Predictor
from tfctc.inference.sources import FoundImage


def predict(*arguments, code=0):
    result = CliRunner().invoke(main, ["predict", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def rows(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_a_row_for_each_image_with_the_call_by_the_threshold(write_model, write_image, tmp_path):
    images = [write_image(f"cells/{name}.png", share) for name, share in (("a", 0.2), ("b", 0.5), ("c", 0.8))]
    out = tmp_path / "out" / "table.csv"
    result = predict(write_model(), images[0].parent, "-o", out)
    header, *found = rows(out)
    assert header == COLUMNS
    assert [a[0] for a in found] == ["a", "b", "c"] and {tuple(a[6:]) for a in found} == {("ok", "0.5", "mean/1+abc")}
    np.testing.assert_allclose([float(a[4]) for a in found], [0.2, 0.5, 0.8], atol=1e-3)
    assert [a[5] for a in found] == ["ctc" if float(a[4]) >= 0.5 else "leukocyte" for a in found]
    assert {found[0][5], found[2][5]} == {"leukocyte", "ctc"}
    counts = ", ".join(f"{sum(a[5] == label for a in found)} {label}" for label in ("leukocyte", "ctc"))
    assert f"Wrote 3 rows to {out}: {counts}\n" in result.output and "Next: " in result.output


def test_images_unlike_those_trained_on_are_predicted_and_counted(write_model, write_image, tmp_path):
    for name, share in (("a", 0.02), ("b", 0.5), ("c", 0.98)):
        write_image(f"cells/{name}.png", share)
    result = predict(write_model(), tmp_path / "cells", "-o", tmp_path / "out.csv")
    assert [a[5:7] for a in rows(tmp_path / "out.csv")[1:]] == [["leukocyte", "dark"], ["ctc", "ok"], ["ctc", "bright"]]
    assert "note: 2 image(s) are unlike the cells trained on" in result.output


def test_another_threshold_changes_calls_alone(write_model, write_image, tmp_path):
    write_image("cells/a.png", 0.6)
    found = []
    for threshold in ("0.5", "0.7"):
        predict(write_model(), tmp_path / "cells", "--threshold", threshold, "-o", tmp_path / "out.csv")
        found.append(rows(tmp_path / "out.csv")[1])
    assert found[0][:5] == found[1][:5]
    assert [a[5:8] for a in found] == [["ctc", "ok", "0.5"], ["leukocyte", "ok", "0.7"]]


def test_the_written_probability_is_exact(write_model, write_image, tmp_path):
    """Whoever reads the table gets the float32 that was compared with the threshold."""
    image = write_image("a.png", 1 / 3)
    predict(write_model(), image, "-o", tmp_path / "out.csv")
    assert np.float32(rows(tmp_path / "out.csv")[1][4]) == np.float32(Predictor(write_model())(image).probability)


def test_a_refused_image_is_a_row_a_line_and_exit_code_1(write_model, write_image, tmp_path):
    good, turned = write_image("cells/a.png", 0.8), write_image("cells/b.png", size=(10, 12))
    broken = write_image("cells/c.png")
    broken.write_bytes(broken.read_bytes()[:40])
    out = tmp_path / "out.csv"
    result = predict(write_model(), good.parent, "-o", out, code=1)
    found = rows(out)[1:]
    assert [a[5] for a in found] == ["ctc", "refused", "refused"] and [a[4] for a in found][1:] == ["", ""]
    assert f"Wrote 3 rows to {out}: 0 leukocyte, 1 ctc\n" in result.output
    assert result.output.count("refused: ") == 2 and str(turned) in result.output and str(broken) in result.output
    assert result.output.count("tfctc: error:") == 1
    assert result.output.strip().splitlines()[-1].startswith("tfctc: error: 2 of 3 images were refused")


def test_several_processes_write_the_same_table(write_model, write_image, tmp_path):
    for number in range(40):
        write_image(f"cells/{number:02}.png", number / 40)
    write_image("cells/40.png", size=(3, 3))
    outputs = [tmp_path / f"{workers}.csv" for workers in (1, 2)]
    for output, workers in zip(outputs, ("1", "2"), strict=True):
        result = predict(write_model(), tmp_path / "cells", "-o", output, "--workers", workers, code=1)
        assert "1 of 41 images were refused" in result.output and "40.png: is 3 x 3 px" in result.output
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


ENDLESS = """
import sys
from itertools import repeat
from pathlib import Path
from tfctc.inference.batch import predict_cells
from tfctc.inference.predictor import Predictor
from tfctc.inference.sources import FoundImage

if __name__ == "__main__":
    model, image, table = sys.argv[1:]
    with open(table, "w", newline="") as file:
        told = lambda task, done, total: print("working", flush=True)
        predict_cells(Predictor(model), repeat(FoundImage("a", Path(image))), file, progress=told, workers=2)
"""


def test_processes_do_not_outlive_a_parent_that_is_killed(write_model, write_image, tmp_path):
    (tmp_path / "endless.py").write_text(ENDLESS)
    command = [sys.executable, tmp_path / "endless.py", write_model(), write_image("a.png"), tmp_path / "table.csv"]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "working\n"
    parent.kill()
    parent.communicate(timeout=60)  # Ends when the last that has the pipe does.


def test_a_process_that_is_killed_is_one_line(write_model, write_image, tmp_path):
    def kill(task, done, total):
        # None is left where all have been killed before the error is seen.
        for child in multiprocessing.active_children()[:1]:
            child.kill()

    cells = repeat(FoundImage("a", write_image("a.png")))
    message = "a process was killed, perhaps for lack of memory; start the command again, with fewer --workers"
    with (tmp_path / "table.csv").open("w", newline="") as file, pytest.raises(TfctcError, match=message):
        predict_cells(Predictor(write_model()), cells, file, progress=kill, workers=2)


def test_a_dash_prints_the_table_and_nothing_else_to_stdout(write_model, write_image):
    result = predict(write_model(), write_image("a.png", 0.8), "-o", "-")
    table = list(csv.reader(io.StringIO(result.stdout)))
    assert [row[0] for row in table] == ["cell_id", "a"]


def test_its_own_input_is_never_overwritten(write_model, write_image, tmp_path):
    write_image("a.png")
    table = tmp_path / "predictions.csv"
    table.write_text("cell_id,brightfield\nc,a.png\n")
    result = predict(write_model(), table, "-o", table, code=2)
    assert "is among the images" in result.output and table.read_text().startswith("cell_id,brightfield")


@pytest.mark.parametrize("output", ["a.png", "b.TIF", "other.tiff", "mean_float32.tflite", "new.tflite"])
def test_no_image_and_no_model_is_overwritten(write_model, write_image, tmp_path, output):
    """As happens to who writes `-o cells/*.png`."""
    images, model = [write_image("a.png"), write_image("b.TIF")], write_model()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    result = predict(model, *images, "-o", tmp_path / output, code=2)
    assert f"{output}: is the name of an image or a model; choose another --output" in result.output
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_model_by_another_name_is_not_overwritten_either(write_model, write_image, tmp_path):
    model = write_model().rename(tmp_path / "model")
    (tmp_path / "link").symlink_to(model)
    before = model.read_bytes()
    for output in ("model", "link"):
        assert "is the model" in predict(model, write_image("a.png"), "-o", tmp_path / output, code=2).output
    assert model.read_bytes() == before


@pytest.mark.parametrize(
    "head", ["cell_id,brightfield", "cell_id,patient_id,site,truth,p_other,call,quality,threshold,model_version", ""]
)
def test_another_table_is_not_overwritten(write_model, write_image, tmp_path, head):
    table = tmp_path / "manifest.csv"
    table.write_text(f"{head}\nc,a.png\n")
    result = predict(write_model(), write_image("a.png"), "-o", table, code=2)
    assert f"{table}: exists and is no table of such predictions; choose another --output" in result.output
    assert table.read_text() == f"{head}\nc,a.png\n"


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_predictions_and_an_empty_file_are_overwritten(write_model, write_image, tmp_path, line_break):
    out = tmp_path / "out.csv"
    out.touch()
    predict(write_model(), write_image("a.png", 0.8), "-o", out)
    found = rows(out)
    out.write_text(line_break.join([",".join(found[0]), "of before", ""]), newline="")
    predict(write_model(), tmp_path / "a.png", "-o", out)
    assert rows(out) == found


def test_settle_goes_with_watch(write_model, write_image, tmp_path):
    result = predict(write_model(), write_image("a.png"), "--settle", "1.0", "-o", tmp_path / "out.csv", code=2)
    assert "--settle goes with --watch; leave it out" in result.output and not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("threshold", ["nan", "-nan", "inf", "1.5"])
def test_a_threshold_is_a_number_from_0_to_1(write_model, write_image, tmp_path, threshold):
    result = predict(write_model(), write_image("a.png"), "--threshold", threshold, "-o", tmp_path / "o.csv", code=2)
    assert threshold in result.output and not (tmp_path / "o.csv").exists()


def test_a_full_disk_behind_a_dash_is_one_line(write_model, write_image):
    command = [sys.executable, "-m", "tfctc", "predict", write_model(), write_image("a.png"), "-o", "-"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr and "ignored" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("tfctc: error: -: cannot be written (No space left on device)")


@pytest.mark.parametrize("model", ["nowhere.tflite", "a.png"])
def test_a_model_that_is_none_ends_with_one_line(write_image, tmp_path, model):
    image = write_image("a.png")
    result = predict(tmp_path / model, image, "-o", tmp_path / "out.csv", code=2)
    assert result.output.count("tfctc: error:") == 1 and model in result.output and "Traceback" not in result.output
    assert not (tmp_path / "out.csv").exists()


def test_an_output_that_cannot_be_written_ends_with_one_line(write_model, write_image):
    image = write_image("a.png")
    result = predict(write_model(), image, "-o", image / "below.csv", code=2)
    assert "cannot be written" in result.output


def test_patient_site_and_truth_of_a_table_are_carried_to_the_predictions(write_model, write_image, tmp_path):
    write_image("a.png", 0.2)
    write_image("b.png", 0.8)
    table, out = tmp_path / "cells.csv", tmp_path / "out.csv"
    for truth in ("label", "truth", "Truth"):
        table.write_text(f"cell_id,patient_id,site,brightfield,{truth}\n1,P1,A,a.png,ctc\n2,P2,,b.png,\n")
        predict(write_model(), table, "-o", out)
        assert [row[:4] + row[5:6] for row in rows(out)[1:]] == [
            ["1", "P1", "A", "ctc", "leukocyte"],
            ["2", "P2", "", "", "ctc"],
        ]


def test_patient_and_site_of_a_path_are_carried_to_the_predictions(write_model, write_image, tmp_path):
    write_image("scans/Bonn/P1/7.png", 0.8)
    files = "{site}/{patient}/{cell}.png"
    predict(write_model(), tmp_path / "scans", "--files", files, "-o", tmp_path / "out.csv")
    assert rows(tmp_path / "out.csv")[1][:4] == ["7", "P1", "Bonn", ""]


def test_a_table_of_an_early_version_is_overwritten(write_model, write_image, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("cell_id,p_ctc,label,quality,threshold,model_version\nof before\n")
    predict(write_model(), write_image("a.png", 0.8), "-o", out)
    assert rows(out)[0][5] == "call" and len(rows(out)) == 2


def test_counts_by_patient_are_written_beside_the_table(write_model, write_image, tmp_path):
    for name, share in (("P1/1", 0.8), ("P1/2", 0.7), ("P2/1", 0.2), ("D/1", 0.1), ("D/2", 0.9)):
        write_image(f"scans/{name}.png", share)
    write_image("scans/P2/2.png", size=(3, 3))
    naming = ["--files", "{patient}/{cell}.png", "--cell-id", "{patient}/{cell}"]
    rates = {"threshold": 0.5, "sensitivity": 0.8, "false_positives": 0.1, "sensitivity_error": 0.1,
             "false_positives_error": 0.05, "quantile": 2.0}  # fmt: skip
    out = tmp_path / "may.csv"
    result = predict(write_model(rates=rates), tmp_path / "scans", *naming, "-o", out, code=1)
    header, *found = rows(tmp_path / "may_counts.csv")
    assert header[:6] == ["patient_id", "site", "cells", "refused", "unlike", "called_ctc"]
    assert [row[:1] + row[2:6] for row in found] == [
        ["D", "2", "0", "0", "1"],
        ["P1", "2", "0", "0", "2"],
        ["P2", "2", "1", "0", "0"],
    ]
    assert found[1][8] == "2.0" and found[2][8] == "0.0"
    assert "may_counts.csv: 3 patients, 0 to 2 cells called ctc (most in P1)" in result.output
    predict(write_model(rates=rates), tmp_path / "scans", *naming, "-o", out, "--threshold", "0.75", code=1)
    assert {row[8] for row in rows(tmp_path / "may_counts.csv")[1:]} == {""}, "rates of another threshold say nothing"


def test_controls_give_the_background(write_model, write_image, tmp_path):
    for name, share in (("1", 0.8), ("2", 0.2), ("3", 0.2)):
        write_image(f"{name}.png", share)
    (tmp_path / "cells.csv").write_text(
        "cell_id,patient_id,brightfield,label\n1,D1,1.png,control\n2,D1,2.png,control\n3,D2,3.png,control\n"
    )
    result = predict(write_model(), tmp_path / "cells.csv", "-o", tmp_path / "out.csv")
    assert "Background: 2 controls have 0.5 calls on average, 1 at most" in result.output


def test_a_table_that_is_no_count_is_not_overwritten(write_model, write_image, tmp_path):
    (tmp_path / "counts.csv").write_text("month,bills\n")
    image = write_image("a.png")
    result = predict(write_model(), image, "-o", tmp_path / "predictions.csv", code=2)
    assert "counts.csv: exists and holds no counts of patients; choose another --output" in result.output
    assert not (tmp_path / "predictions.csv").exists()


def test_without_patients_there_are_no_counts(write_model, write_image, tmp_path):
    predict(write_model(), write_image("a.png"), "-o", tmp_path / "predictions.csv")
    assert not (tmp_path / "counts.csv").exists()
