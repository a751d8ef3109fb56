"""The runner of tools/evidence: the list of checks, their options, and what is written."""

import json
import subprocess
import sys

import pytest
import runner
from common import ROOT, CheckError
from PIL import Image

MADE_UP = '''"""A made-up check."""

import common


def add_options(parser):
    parser.add_argument("number", type=int)


def check(options):
    if options.number < 0:
        raise common.CheckError("a number below 0")
    common.log.info("seen: %d", options.number)
    return {"number": options.number}


def problem(found):
    return "too large" if found["number"] > 9 else ""
'''


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """The folder of a single check, named "made-up-number"."""
    (tmp_path / "check_made_up_number.py").write_text(MADE_UP)
    monkeypatch.setattr(runner, "FOLDER", tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_result_is_printed_and_written_with_command_and_machine(made_up, tmp_path, capsys):
    out = tmp_path / "found.json"
    assert runner.main(["made-up-number", "7", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"seen: 7\nWrote {out}\n"
    found = json.loads(out.read_text())
    assert list(found) == ["command", "machine", "number"] and found["number"] == 7
    assert found["command"] == f"python tools/evidence made-up-number 7 --out {out}"
    assert found["machine"]["cores"] > 0 and "tensorflow" in found["machine"]["libraries"]


def test_a_result_with_a_problem_is_written_and_fails(made_up, tmp_path, capsys):
    out = tmp_path / "found.json"
    assert runner.main(["made-up-number", "10", "--out", str(out)]) == 1
    assert json.loads(out.read_text())["number"] == 10 and capsys.readouterr().err == "failed: too large\n"


def test_a_check_that_cannot_be_carried_out_is_one_line(made_up, capsys):
    assert runner.main(["made-up-number", "--", "-1"]) == 2
    assert capsys.readouterr().err == "error: a number below 0\n"


def test_no_finished_run_is_one_line(tmp_path):
    module, options = runner.parse(["quantized", str(tmp_path), str(tmp_path / "none")])
    with pytest.raises(CheckError, match=f"^{tmp_path}, {tmp_path}/none: no finished run there$"):
        module.check(options)


def test_a_sheet_is_a_picture(tmp_path, monkeypatch, capsys):
    out = tmp_path / "sheet.png"
    monkeypatch.setattr("simulation_sheet.draw", lambda options: Image.new("L", (options.seed, 5)))
    assert runner.main(["simulation-sheet", "--seed", "3", "--out", str(out)]) == 0
    with Image.open(out) as image:
        assert image.size == (3, 5)


@pytest.mark.parametrize("name", runner.checks())
def test_every_check_has_a_line_and_takes_the_shared_options(name, capsys):
    line = runner.first_line(runner.checks()[name])
    assert line.endswith((".", "?")) and len(line) <= 120
    with pytest.raises(SystemExit, match="^0$"):
        runner.parse([name, "--help"])
    text = capsys.readouterr().out
    assert line in text and "--out" in text and f"python tools/evidence {name}" in text


def test_without_a_name_the_checks_are_listed():
    command = [sys.executable, "tools/evidence"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert all(f"\n    {name}" in done.stdout for name in runner.checks()) and not done.stderr
