"""Each cell of a watched folder is answered once, whatever happens in between."""

import csv
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from tfctc.cli import main
from tfctc.errors import ImageError, OutputError, PairingError
from tfctc.inference.batch import columns
from tfctc.inference.predictor import Predictor
from tfctc.inference.sources import compiled
from tfctc.inference.watch import Journal, Watcher


def rows(path):
    return list(csv.reader(path.open(newline="")))


@pytest.fixture
def begin(write_model, tmp_path):
    """Starts a watcher as a new process would; the one before has ended."""
    open_journals = []

    def start(pattern=None, settle=0.0, **changes):
        for journal in open_journals:
            journal.close()
        predictor = Predictor(write_model(**changes))
        journal = Journal(tmp_path / "answers.csv", columns(predictor), predictor.model_version)
        open_journals.append(journal)
        return Watcher(predictor, tmp_path / "cells", journal, compiled(pattern), settle=settle)

    (tmp_path / "cells").mkdir()
    yield start
    for journal in open_journals:
        journal.close()


def test_what_is_new_is_answered_once(begin, write_image, tmp_path):
    watcher = begin()
    assert watcher.look() == 0
    write_image("cells/a.png", 0.2)
    assert (watcher.look(), watcher.look()) == (1, 0)
    write_image("cells/later/b.png", 0.8)
    assert (watcher.look(), watcher.look()) == (1, 0)
    header, *answers = rows(tmp_path / "answers.csv")
    assert header == ["cell_id", "p_ctc", "label", "quality", "threshold", "model_version"]
    assert [(a[0], a[2]) for a in answers] == [("a", "leukocyte"), ("b", "ctc")]
    again = begin()
    write_image("cells/c.png")
    assert len(again.journal) == 2 and again.look() == 1
    assert [a[0] for a in rows(tmp_path / "answers.csv")[1:]] == ["a", "b", "c"]


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
    assert [(a[0], a[2]) for a in rows(tmp_path / "answers.csv")[1:]] == [("a", "refused"), ("b", "ctc")]
    assert "3 x 3 px" in str(told[0]) and told[1] is None


@pytest.mark.parametrize("left", [3, 1])
def test_a_row_that_was_cut_off_is_written_anew(begin, write_image, tmp_path, left):
    watcher = begin()
    for name in "ab":
        write_image(f"cells/{name}.png", 0.8)
    watcher.look()
    whole = (tmp_path / "answers.csv").read_bytes()
    lines = whole.splitlines(keepends=True)
    (tmp_path / "answers.csv").write_bytes(b"".join(lines[: left - 1]) + lines[left - 1][:-1])
    begin().look()
    assert (tmp_path / "answers.csv").read_bytes() == whole


def test_one_journal_has_one_writer_and_one_model(begin, write_image, tmp_path):
    watcher = begin()
    write_image("cells/a.png")
    watcher.look()
    with pytest.raises(OutputError, match="answers.csv: is being written by another"):
        Journal(tmp_path / "answers.csv", columns(watcher.predictor), "mean/1+abc")
    before = (tmp_path / "answers.csv").read_bytes()
    with pytest.raises(OutputError, match=r"answers of mean/1\+abc, not of mean/2\+def"):
        begin(model_version="mean/2+def")
    assert (tmp_path / "answers.csv").read_bytes() == before


@pytest.mark.parametrize("content", [b"a letter", b"a letter\n", b"\xff\xfe\n", b"cell_id,x\n"])
def test_what_is_no_journal_is_left_alone(begin, tmp_path, content):
    (tmp_path / "answers.csv").write_bytes(content)
    with pytest.raises(OutputError, match="answers.csv: (is no table|has columns)"):
        begin()
    assert (tmp_path / "answers.csv").read_bytes() == content


def test_a_second_image_of_a_cell_is_told(begin, write_image):
    watcher = begin()
    write_image("cells/p1/a.png")
    watcher.look()
    write_image("cells/p2/a.png")
    with pytest.raises(PairingError, match="p2/a.png: cell a has been answered"):
        watcher.look()
    with pytest.raises(PairingError, match="cell a has been answered"):
        begin().look()


def test_other_channels_are_told_or_passed_over(begin, write_image):
    write_image("cells/a_DAPI.png")
    with pytest.raises(ImageError, match="looks like a DAPI image"):
        begin().look()
    write_image("cells/a_BF.png")
    assert begin(r"(?P<cell>.+)_(?P<channel>BF|DAPI)\.png").look() == 1


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [(["cells/a.png"], [], "--watch wants one folder"), (["cells"], ["-o", "-"], "keeps its answers in a file")],
)
def test_what_cannot_be_watched_says_so(write_model, write_image, tmp_path, images, options, message):
    write_image("cells/a.png")
    arguments = [write_model(), *(tmp_path / name for name in images), "--watch", *options]
    result = CliRunner().invoke(main, ["predict", *map(str, arguments)])
    assert result.exit_code == 2 and message in result.output


def test_killed_twenty_times_it_answers_every_cell_once(write_model, write_image, tmp_path):
    """Files arrive all the while, some of them slowly; the last process is asked to end, and says what it did."""
    rng = random.Random(0)
    cells, out = tmp_path / "cells", tmp_path / "answers.csv"
    cells.mkdir()
    whole = write_image("one.png", 0.8).read_bytes()
    command = [sys.executable, "-m", "tfctc", "predict", str(write_model()), str(cells), "--watch", "--settle", "0.1"]
    command += ["-o", str(out)]

    def start():
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    arrived = 0
    for number in range(20):
        process = start()
        if number % 4:  # The others are killed before or while they get ready.
            next(line for line in process.stderr if line.startswith("Watching"))
        end = time.monotonic() + rng.uniform(0.0, 0.4)
        while time.monotonic() < end:
            # Half of them are written in two parts, as over a slow network, the others appear whole.
            path = cells / f"{arrived:04}.png"
            if arrived % 2:
                path.write_bytes(whole[:50])
                time.sleep(0.005)
                path.write_bytes(whole)
            else:
                (tmp_path / "part").write_bytes(whole)
                shutil.move(tmp_path / "part", path)
            arrived += 1
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert 1 < len(rows(out)) <= arrived
    process = start()
    expected = [f"{i:04}" for i in range(arrived)]
    end = time.monotonic() + 60
    while time.monotonic() < end and len(rows(out)) <= arrived:
        time.sleep(0.1)
    os.kill(process.pid, signal.SIGTERM)
    told = process.communicate()[1]
    assert process.returncode == 0 and f"Ended; {arrived} cells have been answered" in told
    answers = rows(out)[1:]
    assert sorted(a[0] for a in answers) == expected
    assert {a[2] for a in answers} == {"ctc"}
