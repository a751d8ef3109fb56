"""The command line as a whole."""

import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from tfctc.cli import COMMANDS, main


def run(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)


def test_help_names_every_command_and_imports_nothing_heavy():
    result = run(
        "import sys; from tfctc.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print('HEAVY', sorted({'tensorflow', 'keras', 'numpy', 'PIL', 'sklearn'} & set(sys.modules)))"
    )
    assert "HEAVY []" in result.stdout
    assert all(name in result.stdout for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_command_explains_itself_with_an_example(name, flag):
    result = CliRunner().invoke(main, [name, flag])
    assert result.exit_code == 0 and f"Example: tfctc {name}" in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_imports_tensorflow_to_explain_itself(name):
    result = run(
        "import sys; from tfctc.cli import main\n"
        "try: main([sys.argv[1], '--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules)",
        name,
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("arguments", [["fit"], ["simulate", "out"], ["evaluate", "run"], ["export", "run"]])
def test_without_the_training_libraries_a_command_says_what_to_install(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'tensorflow_datasets', 'sklearn', 'scipy'): sys.modules[name] = None\n"
        "from tfctc.cli import main; main(sys.argv[1:])",
        *arguments,
    )
    assert result.returncode == 2
    assert result.stderr.count("tfctc: error:") == 1 and "pip install '.[train]'" in result.stderr
    assert "Traceback" not in result.stderr and not list(tmp_path.iterdir())


def test_the_version_is_that_of_the_package():
    from tfctc import __version__

    assert __version__ in CliRunner().invoke(main, ["--version"]).output


def test_a_command_that_is_asked_to_stop_leaves_nothing_half_written(tmp_path):
    command = [sys.executable, "-m", "tfctc", "simulate", tmp_path / "cells", "--cells", "1000000", "--size", "32"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob(".cells.*.tmp/*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.terminate()
    told = process.communicate(timeout=60)[1]
    assert process.returncode == 1 and told.split()[-1] == "Aborted!" and "Traceback" not in told
    assert not list(tmp_path.iterdir())
