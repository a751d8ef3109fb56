"""Each cell of a watched folder is predicted once, whatever happens in between."""

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner
from mean_model import COLUMNS

from tfctc.cli import main
from tfctc.errors import ImageError, PairingError
from tfctc.inference import watch


def rows(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_what_is_new_is_predicted_once(begin, write_image, tmp_path):
    watcher = begin()
    assert watcher.look() == 0
    write_image("cells/a.png", 0.2)
    assert (watcher.look(), watcher.look()) == (1, 0)
    write_image("cells/later/b.png", 0.8)
    assert (watcher.look(), watcher.look()) == (1, 0)
    header, *found = rows(tmp_path / "predictions.csv")
    assert header == COLUMNS
    assert [(a[0], a[5]) for a in found] == [("a", "leukocyte"), ("b", "ctc")]
    again = begin()
    write_image("cells/c.png")
    assert len(again.journal) == 2 and again.look() == 1
    assert [a[0] for a in rows(tmp_path / "predictions.csv")[1:]] == ["a", "b", "c"]


def test_a_file_is_waited_for_until_it_no_longer_changes(begin, write_image):
    watcher, clock = begin(settle=2.0), iter([0.0, 1.0, 2.5, 3.0, 4.4, 4.5])
    image = write_image("cells/a.png")
    whole = image.read_bytes()
    image.write_bytes(whole[:40])
    assert watcher.look(lambda: next(clock)) == 0
    image.write_bytes(whole[:60])
    assert watcher.look(lambda: next(clock)) == 0
    image.write_bytes(whole)
    assert [watcher.look(lambda: next(clock)) for _ in range(4)] == [0, 0, 0, 1]


def test_a_bad_image_is_a_refused_row_and_the_watch_goes_on(begin, write_image, tmp_path):
    told = []
    watcher = begin()
    watcher.tell = lambda row, error: told.append(error)
    write_image("cells/a.png", size=(3, 3))
    write_image("cells/b.png")
    assert watcher.look() == 2
    assert [(a[0], a[5]) for a in rows(tmp_path / "predictions.csv")[1:]] == [("a", "refused"), ("b", "ctc")]
    assert "3 x 3 px" in str(told[0]) and told[1] is None


def labels(path):
    return [(row[0], row[5]) for row in rows(path)[1:]]


@pytest.mark.parametrize("restarted", [False, True])
def test_a_refused_image_is_predicted_once_it_has_been_mended(begin, write_image, tmp_path, restarted):
    told, out = [], tmp_path / "predictions.csv"
    watcher = begin()
    watcher.tell = lambda row, error: told.append((row[0], str(error)))
    image = write_image("cells/a.png", 0.8)
    write_image("cells/b.png", 0.8)
    whole = image.read_bytes()
    image.write_bytes(whole[:60])  # A write that stalls for longer than it takes to settle.
    assert [watcher.look() for _ in range(3)] == [2, 0, 0] and len(watcher.journal) == 1
    image.write_bytes(whole[:70])
    assert [watcher.look() for _ in range(2)] == [1, 0], "it is told anew, and has its row already"
    assert [cell for cell, error in told if error != "None"] == ["a", "a"]
    if restarted:
        watcher = begin()
        assert [watcher.look() for _ in range(2)] == [1, 0], "it may have been the disk"
    assert labels(out) == [("a", "refused"), ("b", "ctc")]
    image.write_bytes(whole)
    assert [watcher.look() for _ in range(2)] == [1, 0] and len(watcher.journal) == 2
    assert labels(out) == [("a", "refused"), ("b", "ctc"), ("a", "ctc")]
    again = begin()
    assert again.look() == 0 and len(again.journal) == 2


def test_an_image_that_may_be_read_at_last_is_predicted(begin, write_image, tmp_path, monkeypatch):
    """Its size and the time of its content stay the same."""
    watcher, read = begin(), watch.predict_row
    image = write_image("cells/a.png", 0.8)
    shut = tmp_path / "shut"
    refuse = lambda predictor, found, threshold: read(predictor, found._replace(path=shut), threshold)  # noqa: E731
    monkeypatch.setattr(watch, "predict_row", refuse)
    assert watcher.look() == 1
    monkeypatch.undo()
    image.chmod(0o600)
    assert watcher.look() == 1 and labels(tmp_path / "predictions.csv") == [("a", "refused"), ("a", "ctc")]


def test_a_refused_image_may_be_replaced_by_another_file_but_not_joined_by_it(begin, write_image, tmp_path):
    watcher = begin()
    refused = write_image("cells/a.png", size=(3, 3))
    watcher.look()
    write_image("cells/a.tif", 0.8)
    assert watcher.look() == 1 and labels(tmp_path / "predictions.csv") == [("a", "refused"), ("a", "ctc")]
    with pytest.raises(PairingError, match="a.png: cell a has been predicted already"):
        watcher.look()
    refused.unlink()
    assert watcher.look() == 0


@pytest.mark.parametrize("what", ["deleted", "written"])
def test_what_changes_while_it_is_read_is_not_refused(begin, write_image, tmp_path, monkeypatch, what):
    watcher, read = begin(), watch.predict_row
    image = write_image("cells/a.png", 0.8)
    whole = image.read_bytes()
    image.write_bytes(whole[:60])

    def meanwhile(*arguments):
        image.unlink() if what == "deleted" else None
        found = read(*arguments)
        image.write_bytes(whole) if what == "written" else None
        return found

    monkeypatch.setattr(watch, "predict_row", meanwhile)
    assert watcher.look() == 0 and labels(tmp_path / "predictions.csv") == []
    monkeypatch.undo()
    image.write_bytes(whole)
    assert watcher.look() == 1 and labels(tmp_path / "predictions.csv") == [("a", "ctc")]


@pytest.mark.parametrize("what", ["deleted", "written"])
def test_what_changes_while_it_is_read_is_not_predicted_either(begin, write_image, tmp_path, monkeypatch, what):
    watcher, read = begin(), watch.predict_row
    image = write_image("cells/a.png", 0.2)

    def meanwhile(*arguments):
        found = read(*arguments)
        image.unlink() if what == "deleted" else write_image("cells/a.png", 0.8)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(watch, "predict_row", meanwhile)
        assert watcher.look() == 0 and labels(tmp_path / "predictions.csv") == []
    write_image("cells/a.png", 0.8)
    assert watcher.look() == 1 and labels(tmp_path / "predictions.csv") == [("a", "ctc")]


@pytest.mark.parametrize("name", [b"b\xfc.png", b"b\n.png"])
def test_a_name_that_no_row_can_hold_is_told_once_and_the_watch_goes_on(begin, write_image, tmp_path, name):
    told, watcher = [], begin()
    watcher.tell = lambda row, error: told.append(str(error))
    for image in ("a.png", "c.png"):
        write_image(f"cells/{image}", 0.8)
    (tmp_path / "cells" / "a.png").rename(tmp_path / "cells" / os.fsdecode(name))
    assert [watcher.look() for _ in range(2)] == [1, 0] and labels(tmp_path / "predictions.csv") == [("c", "ctc")]
    assert [error for error in told if error.endswith("; rename it")] == told[:1]
    assert told[0].isascii() and "\n" not in told[0]


def test_a_folder_that_is_not_utf8_may_hold_cells(begin, write_image, tmp_path):
    write_image("cells/p/a.png", 0.8).parent.rename(tmp_path / "cells" / os.fsdecode(b"p\xfc"))
    assert begin().look() == 1 and begin().look() == 0


def test_a_second_image_of_a_cell_is_told(begin, write_image):
    watcher = begin()
    write_image("cells/p1/a.png")
    watcher.look()
    write_image("cells/p2/a.png")
    with pytest.raises(PairingError, match="p2/a.png: cell a has been predicted already"):
        watcher.look()
    with pytest.raises(PairingError, match="cell a has been predicted already"):
        begin().look()


def test_an_predicted_id_that_comes_again_after_a_restart_is_told(begin, write_image, tmp_path):
    watcher = begin()
    first, kept = write_image("cells/run1/1.png"), write_image("cells/run1/2.png")
    watcher.look()
    first.unlink()
    watcher = begin()
    assert [watcher.look() for _ in range(2)] == [0, 0], f"{kept} was there at the first look"
    write_image("cells/run2/1.png")
    with pytest.raises(PairingError, match="run2/1.png: cell 1 has been predicted already, from another image; "):
        watcher.look()
    assert len(labels(tmp_path / "predictions.csv")) == 2


def test_other_channels_are_told_or_passed_over(begin, write_image):
    write_image("cells/a_DAPI.png")
    with pytest.raises(ImageError, match="looks like a DAPI image"):
        begin().look()
    write_image("cells/a_BF.png")
    assert begin(r"(?P<cell>.+)_(?P<channel>BF|DAPI)\.png").look() == 1


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        (["cells/a.png"], [], "--watch needs one existing folder, got "),
        (["cells", "more"], [], "--watch needs one existing folder, got 2 paths"),
        (["x" * 300], [], "cannot be read (File name too long)"),
        (["cells"], ["-o", "-"], "keeps its predictions in a file"),
        (["cells"], ["--workers", "2"], "--watch works in one process; leave out --workers"),
        (["cells"], ["--settle", "nan"], "nan is not a finite number"),
        (["cells"], ["--settle", "inf"], "inf is not a finite number"),
        (["cells"], ["-o", "cells.png"], "cells.png: is the name of an image or a model"),
        (["cells"], ["--pattern", "("], "--pattern is not a regular expression"),
    ],
)
def test_what_cannot_be_watched_says_so(write_model, write_image, tmp_path, monkeypatch, images, options, message):
    monkeypatch.chdir(tmp_path)
    write_image("cells/a.png")
    arguments = [write_model(), *(tmp_path / name for name in images), "--watch", *options]
    result = CliRunner().invoke(main, ["predict", *map(str, arguments)])
    assert result.exit_code == 2 and message in result.output
    assert not list(tmp_path.glob("*.csv"))


@pytest.mark.parametrize(("options", "others"), [(["--pattern", "(?P<cell>z)"], "b/a.png"), ([], "a.jpg")])
def test_files_of_which_none_is_a_cell_are_told_once(write_model, write_image, tmp_path, monkeypatch, options, others):
    """The journal may lie in the folder, and is none of them."""
    (tmp_path / "cells" / "b").mkdir(parents=True)
    looks = []

    def rest(seconds):
        looks.append(seconds)
        if len(looks) == 2:
            write_image("one.png").rename(tmp_path / "cells" / others)
        if len(looks) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", rest)
    out = tmp_path / "cells" / "predictions.csv"
    arguments = ["predict", str(write_model()), str(tmp_path / "cells"), "--watch", *options, "-o", str(out)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert result.output.count("note: ") == 1, result.output
    assert f"note: 1 file(s) so far, for example {others!r}, and no PNG or TIFF to predict" in result.output


def predicted(path):
    """Ids and labels of the rows that are not refused: a file that was slow to be written may have such a row first."""
    return [row for row in labels(path) if row[1] != "refused"]


def start_watching(model, folder):
    command = [sys.executable, "-m", "tfctc", "predict", str(model), str(folder / "cells"), "--watch"]
    command += ["--settle", "0.1", "-o", str(folder / "predictions.csv")]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def watch_and_be_killed(model, image, folder, times, rng):
    """Lets images arrive in a folder whose watcher is killed again and again; returns their number."""
    arrived = 0
    for number in range(times):
        process = start_watching(model, folder)
        if number % 4:  # The others are killed before or while they get ready.
            next(line for line in process.stderr if line.startswith("Watching"))
        end = time.monotonic() + rng.uniform(0.0, 0.4)
        while time.monotonic() < end:
            # Half of them are written in two parts, as over a slow network, the others appear whole.
            path = folder / "cells" / f"{arrived:04}.png"
            if arrived % 2:
                path.write_bytes(image[:50])
                time.sleep(0.005)
                path.write_bytes(image)
            else:
                (folder / "part").write_bytes(image)
                shutil.move(folder / "part", path)
            arrived += 1
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return arrived


def test_killed_twenty_times_it_predicts_every_cell_once(write_model, write_image, tmp_path):
    """In two folders at a time. The last process of each is asked to end, and says what it did."""
    model, image = write_model(), write_image("one.png", 0.8).read_bytes()
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        (folder / "cells").mkdir(parents=True)
    with ThreadPoolExecutor(2) as pool:
        kills = [
            pool.submit(watch_and_be_killed, model, image, folder, 10, random.Random(seed))
            for seed, folder in enumerate(folders)
        ]
        arrived = [done.result() for done in kills]
    for folder, count in zip(folders, arrived, strict=True):
        out = folder / "predictions.csv"
        assert 0 < len(predicted(out)) <= count
        process = start_watching(model, folder)
        end = time.monotonic() + 60
        while time.monotonic() < end and len(predicted(out)) < count:
            time.sleep(0.1)
        os.kill(process.pid, signal.SIGTERM)
        told = process.communicate()[1]
        assert process.returncode == 0 and f"Ended; {count} cells have been predicted" in told
        assert sorted(predicted(out)) == [(f"{i:04}", "ctc") for i in range(count)]
        assert all(int(cell) % 2 for cell, label in labels(out) if label == "refused")
