"""`tfctc simulate` as a user types it."""

import json

import pytest
from click.testing import CliRunner

from tfctc.cli import main


def run(*arguments):
    return CliRunner().invoke(main, ["simulate", *map(str, arguments)])


def test_says_what_it_wrote_where_and_what_is_next(tmp_path):
    out = tmp_path / "cells"
    result = run(out, "--cells", 8, "--patients", 4, "--sites", 2, "--size", 40, "--mpp", 0.8, "--seed", 3)
    assert result.exit_code == 0, result.output
    assert f"8 simulated cells of 4 simulated patients at 2 sites to {out}" in result.output
    assert result.output.rstrip().endswith(f"Next: tfctc fit {out}")
    facts = json.loads((out / "dataset.json").read_text())
    assert facts["simulated"] and facts["image_size"] == [40, 40] and facts["mpp"] == 0.8
    assert len(list(out.rglob("*.png"))) == 16 and (out / "truth.csv").exists()


def test_a_mistake_is_one_line_and_leaves_nothing(tmp_path):
    result = run(tmp_path / "cells", "--cells", 7, "--patients", 4)
    assert result.exit_code == 2 and isinstance(result.exception, SystemExit)
    assert "error: 4 patients with both classes need 8 cells or more, got 7" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help_shows_an_example_and_the_defaults(option):
    result = run(option)
    assert result.exit_code == 0 and "Example: tfctc simulate" in result.output
    assert "default: 2000" in result.output
