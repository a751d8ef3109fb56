"""The section of the folds of a cross-validated run."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from pages import Elements

from tfctc.cells import DatasetFacts
from tfctc.evaluation.cross_validation import cross_validated
from tfctc.evaluation.out_of_fold import OutOfFold
from tfctc.evaluation.stored import stored_cross_validation
from tfctc.report.page import Page, render_page
from tfctc.report.sections import SECTIONS, Material

HOSTILE = "<script>alert(1)</script>"


def crossed(repeats):
    """Three folds of eight patients of ten cells; the patients of one fold are all negative."""
    rng = np.random.default_rng(repeats)
    patient = np.tile(np.repeat(np.arange(24), 10), repeats)
    repeat = np.repeat(np.arange(repeats), 240)
    fold = patient % 3
    label = rng.integers(0, 2, len(patient)) * (fold != 2)
    rows = OutOfFold(
        cell_id=np.arange(len(patient)).astype(str),
        patient_id=np.array([f"{HOSTILE}{one}" for one in patient]),
        label=label,
        probability=np.clip(0.3 + 0.3 * label + rng.normal(0, 0.2, len(patient)), 0, 1).astype(np.float32),
        fold=fold,
        repeat=repeat,
        threshold=np.array([0.3, 0.45, 0.6])[fold],
    )
    entries = [
        {
            "repeat": i,
            "fold": k,
            "seconds": 1.0,
            "threshold": 0.3 + 0.15 * k,
            "tested": [f"{HOSTILE}{one}" for one in range(24) if one % 3 == k],
            "cells": {"test": 80},
        }
        for i in range(repeats)
        for k in range(3)
    ]
    return cross_validated(rows, DatasetFacts("few"), 3, entries)


def shown(value):
    return "n/a" if value is None else f"{value:.3f}"


@pytest.mark.parametrize("repeats", [1, 2])
def test_the_tables_are_the_folds_of_the_evaluation(repeats):
    values = json.loads(json.dumps(crossed(repeats).to_dict()))
    found = stored_cross_validation(values)
    assert json.loads(json.dumps(found.to_dict())) == values
    run = SimpleNamespace(folder="runs/a")
    material = Material(run, found.evaluation, None, cross_validation=found)
    section = SECTIONS["folds"]().section(material)
    page = render_page(Page("page", [], "", (), [section]), lambda position: {})
    tables = Elements(page).tables
    assert "<script" not in page and page.count("<svg") == 1 and f"{HOSTILE}0" in tables["by fold"][1][2]
    for row in tables["spread over the folds"][1:]:
        name = row[0].replace(" ", "_")
        metric, spread = values["metrics"][name], values["spread"].get(name, {})
        assert row[1:4] == [shown(metric[key]) for key in ("value", "low", "high")]
        assert row[4:8] == [shown(spread.get(key)) for key in ("mean", "sd", "low", "high")]
    assert len(tables["by fold"]) == 1 + 3 * repeats
    for row, fold in zip(tables["by fold"][1:], values["folds"], strict=True):
        assert row[:2] == [str(fold["repeat"] + 1), str(fold["fold"] + 1)]
        assert row[3:5] == ["80", shown(fold["threshold"])]
        assert row[5:] == [shown(one) for one in fold["metrics"].values()]
    again = [row[1:] for row in tables.get("over all cells, by repeat", [])[1:]]
    assert again == ([list(map(shown, one)) for one in values["repeated"].values()] if repeats > 1 else [])
    # The calls of the folds have other thresholds than the final model: nothing of them is set beside a promise.
    assert "chosen on the out-of-fold predictions" in SECTIONS["operating_point"]().section(material).text


def test_a_run_with_one_split_has_no_such_section():
    found = crossed(1)
    assert SECTIONS["folds"]().section(Material(SimpleNamespace(), found.evaluation, None)) is None
