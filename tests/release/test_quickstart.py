"""The README's first command, in a fresh clone."""

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.release

ROOT = Path(__file__).parents[2]


def test_the_quickstart_ends_with_the_metrics_of_all_models_in_a_fresh_clone(tmp_path):
    clone = tmp_path / "tfctc"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run([clone / "tools/quickstart"], cwd=clone, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    *_, alone, student, teacher, _, _, _, _, _ = done.stdout.splitlines()
    names = ("bright-field alone", "student (bright-field)", "teacher (bright-field + DAPI)")
    for line, name in zip((alone, student, teacher), names, strict=True):
        assert line.startswith(name) and "simulated test AUROC 0." in line and ", F1 0." in line
