"""`tfctc inspect` as a user types it."""

import json
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner
from made_up import edit_manifest

from tfctc.cli import main


@pytest.fixture
def data(tiny_dataset, tmp_path):
    """A copy of the tiny data set, to be changed."""
    return shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))


def run(*arguments):
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)])


def test_the_result_is_said_in_a_few_lines_with_the_next_command(data):
    result = run(data)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0, result.output
    assert lines[0] == f"Wrote {data / 'inspection' / 'inspection.html'} and {data / 'inspection' / 'inspection.json'}."
    assert "tiny: 48 cells of 12 patients at 3 sites" in lines
    assert any(line.split()[:4] == ["Counts", "24", "leukocyte,", "24"] for line in lines)
    assert "before training." in lines[-2] or lines[-2] == "Nothing found that speaks against training."
    assert lines[-1] == f"Next: tfctc fit {data}"
    findings = json.loads((data / "inspection" / "inspection.json").read_text())["findings"]
    assert sum(line.partition(". ")[0].isdigit() for line in lines) == len(findings)


def test_warnings_leave_the_exit_code_at_0_and_no_next_command(data):
    edit_manifest(data, lambda rows: [row.update(label="") for row in rows])
    result = run(data)
    assert result.exit_code == 0
    assert "Training is not possible yet: no cell has a label" in result.stdout and "Next:" not in result.stdout


def test_another_output_and_a_sample(data, tmp_path):
    result = run(data, "-o", tmp_path / "report", "--cells", 12, "--seed", 2)
    assert result.exit_code == 0 and "12 cells were read, a random sample with seed 2" in result.stdout
    assert sorted(path.name for path in (tmp_path / "report").iterdir()) == ["inspection.html", "inspection.json"]


def test_mistakes_are_one_line_and_exit_code_2(data, tmp_path):
    result = run(tmp_path / "nothing")
    assert result.exit_code == 2 and result.output.count("tfctc: error:") == 1 and "Traceback" not in result.output
    assert run(data, "--cells", 0).exit_code == 2
    (tmp_path / "file").write_text("")
    result = run(data, "-o", tmp_path / "file")
    assert result.exit_code == 2 and "tfctc: error:" in result.output and (tmp_path / "file").read_text() == ""


@pytest.mark.parametrize("library", ["scipy", "sklearn", "matplotlib", "jinja2"])
def test_without_a_library_it_says_what_to_install(library, data):
    code = "import sys; sys.modules[sys.argv.pop(1)] = None\nfrom tfctc.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, library, "inspect", data]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 2 and result.stderr.count("tfctc: error:") == 1 and library in result.stderr
    assert "pip install '.[train]'" in result.stderr and "Measuring" not in result.stderr
    assert not (data / "inspection").exists()
