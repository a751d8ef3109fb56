"""Every command line in the documentation uses commands, options and settings that exist."""

import re
import shlex

import click
import pytest
import runner
from documentation import ROOT, command_lines, pages

from tfctc.cli import COMMANDS, main
from tfctc.config import RunConfig, from_dict, parse_assignment, with_changes
from tfctc.recipes import RECIPES

PAGES = [*pages(), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
#: Names that examples register themselves, on the page "Extending" and in CONTRIBUTING.
EXAMPLES = {"confident", "agreement", "plain", "pretrained"}


def lines(page, program):
    """Command lines of a program, split into words."""
    for line in command_lines(page):
        if line.startswith(f"{program} "):
            yield shlex.split(line, comments=True)[len(program.split()) :]


def problem(words):
    """Why a command line of tfctc cannot be right, or an empty text."""
    if words[0] in ("--help", "--version"):
        return ""
    name, *arguments = words
    if name not in COMMANDS:
        return f"no command {name}" if name.islower() else ""  # "tfctc COMMAND --help"
    command = main.get_command(None, name)
    context = click.Context(command, info_name=name, **command.context_settings)
    try:
        values, _, order = command.make_parser(context).parse_args(list(arguments))
        for option in {parameter for parameter in order if isinstance(parameter, click.Option)}:
            option.type_cast_value(context, values[option.name])
    except click.UsageError as error:
        # A line such as `tfctc export --verify VERSION` in a sentence may name an option without its value.
        return "" if "requires an argument" in error.message and len(arguments) == 1 else error.message
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_and_option_exists(page):
    wrong = {" ".join(words): why for words in lines(page, "tfctc") if (why := problem(words))}
    assert wrong == {}


def test_wrong_lines_are_found():
    assert sum(len(list(lines(page, "tfctc"))) for page in PAGES) > 80
    assert problem(["predict", "--wacth", "a"]).startswith("No such option")
    assert problem(["train", "a"]) == "no command train"
    assert "is not one of" in problem(["export", "a", "--quantize", "int4"])
    assert problem(["fit", "cells", "--dry-run"]) == ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_setting_and_mode_on_a_command_line_exists(page):
    for words in lines(page, "tfctc fit"):
        for option, value in zip(words, words[1:], strict=False):
            if option == "--set" and "=" in value and not value.startswith("KEY"):
                key, setting = parse_assignment(value)
                from_dict(RunConfig, with_changes({}, {key: setting}))
            if option == "--mode":
                assert value in {*RECIPES, *EXAMPLES}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_evidence_check_exists(page):
    named = {words[0] for words in lines(page, "python tools/evidence") if re.fullmatch(r"[a-z][\w-]*", words[0])}
    assert named <= set(runner.checks())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_script_on_a_command_line_exists(page):
    scripts = re.findall(r"(?<![\w/])tools/[\w/]+\.py", "\n".join(command_lines(page)))
    assert [script for script in scripts if not (ROOT / script).exists()] == []
