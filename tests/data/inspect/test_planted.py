"""Faults planted in simulated cells, as `python tools/evidence inspection` plants them: each is found, alone."""

import re

import pytest
from check_inspection import inspected, judged, planted

pytestmark = pytest.mark.slow


@pytest.fixture
def judge(simulated, clean, tmp_path):
    """Plants a fault in the simulated cells, inspects them, and says what was found."""

    def plant(fault):
        truth = planted(simulated, tmp_path / "cells", fault, share=0.05, shifted=0.1, seed=1)
        return judged(fault, truth, inspected(tmp_path / "cells"), clean)

    return plant


def test_clean_cells_have_no_finding(clean):
    assert clean["findings"] == [] and clean["measured"] == 360


def test_a_shift_of_one_site_is_found(judge):
    found = judge("shifted site")
    assert found["found"] and len(found["findings"]) == 1
    assert float(re.search(r"by ([\d.]+) px", found["findings"][0])[1]) == pytest.approx(3, abs=0.2)


def test_a_shift_of_some_cells_is_found_and_they_are_named(judge):
    found = judge("shifted cells")
    assert found["found"] and len(found["findings"]) == 1
    assert found["recall"] > 0.75 and found["named_rightly"] > 0.8 * found["named"]


def test_near_duplicates_are_found_and_nothing_else(judge):
    found = judge("near-duplicates")
    assert found["planted"] == 18 and found["recall"] > 0.9 and found["false_pairs"] == 0


def test_a_class_from_one_site_is_found(judge):
    found = judge("one site")
    assert found["found"] and all("site" in one or "instrument" in one for one in found["findings"])
