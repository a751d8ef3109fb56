"""The journal of a watched folder: its rows are whole, its own, and one writer's."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from tfctc.errors import OutputError
from tfctc.inference.batch import columns
from tfctc.inference.journal import Journal


@pytest.mark.parametrize("how", ["replaced", "deleted"])
def test_a_journal_that_is_no_longer_there_ends_the_watch(begin, write_image, tmp_path, how):
    watcher, out = begin(), tmp_path / "predictions.csv"
    write_image("cells/a.png", 0.8)
    watcher.look()
    write_image("cells/b.png", 0.8)
    if how == "replaced":
        shutil.copy(out, tmp_path / "copy.csv")
        (tmp_path / "copy.csv").replace(out)
    else:
        out.unlink()
    for looked in (watcher.look, lambda: watcher.journal.add(["b", "1", "ctc", "ok", "0.5", "mean/1+abc"], out)):
        with pytest.raises(OutputError, match="was replaced or removed while being written; start again: lost cells"):
            looked()
    begin().look()
    assert [line.split(",")[0] for line in out.read_text().splitlines()] == ["cell_id", "a", "b"]


def test_a_journal_that_is_removed_as_soon_as_it_is_open_is_told(begin, tmp_path, monkeypatch):
    open_file = Path.open

    def removed(path, *arguments, **options):
        file = open_file(path, *arguments, **options)
        (tmp_path / "predictions.csv").unlink(missing_ok=True)
        return file

    monkeypatch.setattr(Path, "open", removed)
    with pytest.raises(OutputError, match="was replaced or removed"):
        begin()


def test_a_journal_is_a_regular_file(begin, tmp_path):
    (tmp_path / "predictions.csv").symlink_to("/dev/null")
    with pytest.raises(OutputError, match="predictions.csv: is not a regular file"):
        begin()


@pytest.mark.parametrize("call", ["fsync", "fstat"])
def test_what_the_system_says_of_the_journal_while_watching_is_one_line(begin, write_image, monkeypatch, call):
    watcher = begin()
    write_image("cells/a.png")
    with (
        monkeypatch.context() as patched,
        pytest.raises(OutputError, match="tions.csv: cannot be written .Input"),
    ):
        patched.setattr(os, call, failing)
        watcher.look()


@pytest.mark.parametrize(("owner", "call"), [(Path, "open"), (os, "stat"), (Journal, "_whole_rows")])
def test_what_the_system_says_of_the_journal_at_first_is_one_line(begin, tmp_path, monkeypatch, owner, call):
    watcher = begin()
    watcher.journal.close()
    with (
        monkeypatch.context() as patched,
        pytest.raises(OutputError, match="tions.csv: cannot be written .Input"),
    ):
        patched.setattr(owner, call, failing)
        Journal(tmp_path / "predictions.csv", columns(watcher.predictor), ("mean/1+abc",))


def failing(*arguments, **options):
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("left", [3, 1])
def test_a_row_that_was_cut_off_is_written_anew(begin, write_image, tmp_path, left):
    watcher = begin()
    for name in "ab":
        write_image(f"cells/{name}.png", 0.8)
    watcher.look()
    whole = (tmp_path / "predictions.csv").read_bytes()
    lines = whole.splitlines(keepends=True)
    (tmp_path / "predictions.csv").write_bytes(b"".join(lines[: left - 1]) + lines[left - 1][:-1])
    begin().look()
    assert (tmp_path / "predictions.csv").read_bytes() == whole


def test_one_journal_has_one_writer_and_one_model(begin, write_image, tmp_path):
    watcher = begin()
    write_image("cells/a.png")
    watcher.look()
    with pytest.raises(OutputError, match="predictions.csv: is being written by another tfctc predict --watch; choose"):
        Journal(tmp_path / "predictions.csv", columns(watcher.predictor), ("mean/1+abc",))
    before = (tmp_path / "predictions.csv").read_bytes()
    with pytest.raises(OutputError, match=r"holds predictions of mean/1\+abc, not of mean/2\+def; choose"):
        begin(model_version="mean/2+def")
    assert (tmp_path / "predictions.csv").read_bytes() == before


@pytest.mark.parametrize("content", [b"a letter", b"a letter\n", b"\xff\xfe\n", b"cell_id,x\n"])
def test_what_is_no_journal_is_left_alone(begin, tmp_path, content):
    (tmp_path / "predictions.csv").write_bytes(content)
    with pytest.raises(OutputError, match="predictions.csv: (is no table of predictions|has columns)"):
        begin()
    assert (tmp_path / "predictions.csv").read_bytes() == content


@pytest.mark.parametrize(("line", "values"), [(b"\n", 0), (b"c,,,,0.5,ctc,ok,0.5,mean/1+abc,\n", 10), (b"c,0.5\n", 2)])
def test_a_row_of_another_length_is_named(begin, write_image, tmp_path, line, values):
    watcher, out = begin(), tmp_path / "predictions.csv"
    write_image("cells/a.png")
    watcher.look()
    content = out.read_bytes() + line
    out.write_bytes(content)
    with pytest.raises(OutputError, match=f"predictions.csv: line 3 has {values} values, 9 expected; choose another"):
        begin()
    assert out.read_bytes() == content


def test_a_table_of_an_early_version_is_continued_with_its_own_columns(begin, write_image, tmp_path):
    out = tmp_path / "predictions.csv"
    header = "cell_id,p_ctc,label,quality,threshold,model_version\n"
    out.write_text(header + "a,0.8,ctc,ok,0.5,mean/1+abc\nb,,refused,refused,0.5,mean/1+abc\n")
    write_image("cells/a.png")
    write_image("cells/b.png", 0.2)
    watcher = begin()
    assert len(watcher.journal) == 1 and watcher.look() == 1, "only the refused cell is predicted again"
    assert out.read_text().startswith(header)
    assert out.read_text().splitlines()[-1].split(",")[2:] == ["leukocyte", "ok", "0.5", "mean/1+abc"]
