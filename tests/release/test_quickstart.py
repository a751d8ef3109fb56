"""The README's first command, in a fresh clone."""

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.release

ROOT = Path(__file__).parents[2]


def test_the_quickstart_ends_with_both_metrics_in_a_fresh_clone(tmp_path):
    clone = tmp_path / "tfctc"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run([clone / "tools/quickstart"], cwd=clone, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    *_, student, teacher, _, _, _, _ = done.stdout.splitlines()
    assert student.startswith("student (bright-field)") and "simulated test F1 0." in student
    assert teacher.startswith("teacher (bright-field + DAPI)") and "simulated test F1 0." in teacher
