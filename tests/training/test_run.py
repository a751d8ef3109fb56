"""A run folder read again."""

import errno
import json
import os
from pathlib import Path

import pytest

from tfctc.cells import DatasetFacts
from tfctc.config import RunConfig, to_dict
from tfctc.errors import RunError
from tfctc.training.run import Run


@pytest.fixture
def run(tmp_path):
    for name, content in (("config", RunConfig()), ("dataset", DatasetFacts("few")), ("run", {})):
        (tmp_path / f"{name}.json").write_text(json.dumps(to_dict(content)))
    return Run.open(tmp_path)


def test_a_damaged_model_is_one_line(run):
    (run.folder / "student.keras").write_bytes(b"not a zip")
    with pytest.raises(RunError, match="student.keras: cannot be loaded .*; "):
        run.student()


def test_a_path_that_cannot_be_asked_for_is_one_line():
    with pytest.raises(RunError, match="config.json: cannot be read .File name too long.; check path and permissions"):
        Run.open("x" * 300)


def test_a_record_that_cannot_be_asked_for_is_one_line(run, monkeypatch):
    stat = os.stat

    def refusing(path, *arguments, **options):
        if Path(path).name == "run.json":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return stat(path, *arguments, **options)

    monkeypatch.setattr(os, "stat", refusing)
    with pytest.raises(RunError, match="run.json: cannot be read .Permission denied.; check path and permissions"):
        Run.open(run.folder)


@pytest.mark.parametrize("text", ["[1]", "3", "{"])
def test_a_damaged_record_is_one_line(run, text):
    (run.folder / "splits.json").write_text(text)
    with pytest.raises(RunError, match="splits.json: cannot be read .*; run fit again"):
        run.dealt  # noqa: B018


def test_a_run_without_a_teacher_says_so(run):
    with pytest.raises(RunError, match="has no teacher.keras; fit with --mode distilled"):
        run.teacher()
