"""Output of the commands: log lines, progress of tasks, the next command."""

import io
import logging
import re
import shlex
from types import SimpleNamespace

import click
import pytest
from click.testing import CliRunner

from tfctc.cli.output import ProgressBar, print_log, print_next


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """A terminal in place of stderr."""
    shown = Terminal()
    monkeypatch.setattr("tfctc.cli.output.sys", SimpleNamespace(stderr=shown))
    return shown


@pytest.fixture
def file(monkeypatch):
    """A file in place of stderr."""
    written = io.StringIO()
    monkeypatch.setattr("tfctc.cli.output.sys", SimpleNamespace(stderr=written))
    return written


def work(progress, task, steps, total=None):
    for done in steps:
        progress(task, done, steps[-1] if total is None else total)


def test_a_terminal_shows_a_bar_for_each_task(terminal):
    with ProgressBar() as progress:
        work(progress, "Checking images", range(1, 5))
        work(progress, "Writing tfrecords", [10, 20])
    first, second, rest = terminal.getvalue().split("\n")
    assert first.count("Checking images") > 1 and "Writing" not in first
    assert [int(share) for share in re.findall(r"(\d+)%", first)] == [0, 25, 50, 75, 100]
    assert [int(share) for share in re.findall(r"(\d+)%", second)] == [0, 50, 100]
    assert "Writing tfrecords" in second and "Writing" not in rest


def test_a_file_gets_one_line_for_each_task(file):
    with ProgressBar() as progress:
        work(progress, "Checking images", range(1, 100))
        work(progress, "Writing tfrecords", [10, 20])
    assert file.getvalue() == "Checking images\nWriting tfrecords\n"


def test_a_task_that_comes_again_begins_anew(terminal):
    with ProgressBar() as progress:
        work(progress, "Predicting", [1, 2])
        work(progress, "Predicting", [1, 2])
    first, second, _ = terminal.getvalue().split("\n")
    for line in (first, second):
        assert [int(share) for share in re.findall(r"(\d+)%", line)] == [0, 50, 100]


def test_a_task_of_unknown_length_counts_its_steps(terminal):
    with ProgressBar() as progress:
        work(progress, "Predicting", range(1, 4), total=0)
        assert "\n" not in terminal.getvalue()
    assert "Predicting" in terminal.getvalue() and "%" not in terminal.getvalue()
    assert terminal.getvalue().endswith("\n")


def test_a_task_that_stops_halfway_ends_its_line_before_the_error(terminal):
    with pytest.raises(ZeroDivisionError), ProgressBar() as progress:
        progress("Checking images", 1, 4)
        raise ZeroDivisionError
    shown = terminal.getvalue()
    assert " 25%" in shown and "100%" not in shown and shown.endswith("\n") and shown.count("\n") == 1


def test_without_a_task_nothing_is_shown(terminal):
    with ProgressBar():
        pass
    assert terminal.getvalue() == ""


@click.command()
def command():
    print_log()
    logging.getLogger("tfctc.data").info("Checked %d images", 3)
    logging.getLogger("tfctc.data").debug("not for users")
    logging.getLogger("other").warning("of another library")
    click.echo("result")


def test_the_log_of_the_package_goes_to_stderr_and_results_to_stdout():
    result = CliRunner().invoke(command)
    assert result.stdout == "result\n" and result.stderr == "Checked 3 images\n"


def test_a_second_command_in_one_process_prints_each_line_once_where_it_writes():
    """A notebook, or a test, may run one command after the other; each has a stderr of its own."""
    results = [CliRunner().invoke(command) for _ in range(2)]
    assert [result.stderr for result in results] == ["Checked 3 images\n"] * 2


@pytest.mark.parametrize("err", [False, True])
def test_the_next_command_is_quoted_for_a_shell(capsys, err):
    print_next("tfctc", "fit", "--resume", "my runs/1", err=err)
    out, error = capsys.readouterr()
    line = error if err else out
    assert line.startswith("Next: ") and (out if err else error) == ""
    assert shlex.split(line.removeprefix("Next: ")) == ["tfctc", "fit", "--resume", "my runs/1"]
