"""`tfctc.write_report` and `Run.report`."""

import shutil

import pytest

import tfctc
from tfctc.errors import ConfigError


def test_a_run_writes_its_report(journey, tmp_path):
    shutil.copytree(journey.run, tmp_path / "run")
    steps = []
    page = tfctc.Run.open(tmp_path / "run").report(cells=4, progress=lambda *step: steps.append(step))
    assert page == tmp_path / "run" / "report.html" and page.exists()
    assert {"Measuring robustness", "Saliency of the student"} <= {task for task, _, _ in steps}


@pytest.mark.parametrize("wrong", [{"cells": 1}, {"seed": -1}])
def test_impossible_numbers_are_refused(wrong, journey):
    with pytest.raises(ConfigError, match="must be"):
        tfctc.write_report(journey.run, **wrong)
