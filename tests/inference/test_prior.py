"""Probabilities at another prevalence, against Bayes' rule."""

import csv
import multiprocessing

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.special import expit, logit

import tfctc
from tfctc.cli import main
from tfctc.errors import ConfigError, OutputError
from tfctc.inference.batch import columns, last_values
from tfctc.inference.journal import Journal
from tfctc.inference.predictor import Predictor
from tfctc.inference.prior import PriorShift

CALIBRATION = {"scale": 0.9, "bias": -1.0, "fitted_on": "validation", "prevalence": 0.3}
RECORD = {"calibration": CALIBRATION}


def predict(*arguments, code=0):
    result = CliRunner().invoke(main, ["predict", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def cells(write_image, tmp_path):
    for number, share in enumerate(np.linspace(0.12, 0.9, 12)):
        write_image(f"cells/{number:02}.png", share)
    return tmp_path / "cells"


@pytest.mark.parametrize("prevalence", [1e-6, 0.001, 0.3, 0.9])
def test_the_shift_is_bayes_rule(prevalence):
    p = np.array([1e-9, 0.01, 0.3, 0.7, 0.9999])
    found = [PriorShift.to(prevalence, RECORD)(float(x)) for x in p]
    odds = p / (1 - p) * (prevalence / (1 - prevalence)) / (0.3 / 0.7)
    np.testing.assert_allclose(found, odds / (1 + odds), rtol=1e-9)
    np.testing.assert_allclose(found, expit(logit(p) + logit(prevalence) - logit(0.3)), rtol=1e-9)


@pytest.mark.parametrize("prevalence", [5e-324, 1e-300, 1e-6, 0.3, 0.999999])
def test_the_order_of_probabilities_is_kept_and_they_stay_in_0_to_1(prevalence):
    small = np.nextafter(np.float32(0), np.float32(1))
    near_1 = np.nextafter(np.float32(1), np.float32(0), dtype=np.float32)
    p = np.sort(np.r_[0, small, np.random.default_rng(0).random(500), near_1, 1].astype(np.float32)).astype(float)
    found = np.array([PriorShift.to(prevalence, RECORD)(x) for x in p.tolist()])
    assert (np.diff(found) >= 0).all() and found[0] == 0 and found[-1] == 1
    if 1e-6 <= prevalence <= 0.5:
        assert (np.diff(found)[np.diff(p) > 0] > 0).all()


def test_without_a_prevalence_nothing_changes_and_without_calibration_one_is_refused(write_model):
    assert PriorShift.to(None, {}) == PriorShift() and PriorShift()(0.25) == 0.25
    for record in ({}, {"calibration": None}):
        with pytest.raises(ConfigError, match="is not calibrated.*; leave out --prevalence, or train again"):
            PriorShift.to(0.1, record)
    with pytest.raises(ConfigError, match="between 0 and 1, got 1"):
        PriorShift.to(1.0, RECORD)
    with pytest.raises(ConfigError, match="not calibrated"):
        tfctc.Predictor(write_model(), prevalence=0.1)


def test_labels_do_not_change_and_the_threshold_is_shifted_too(write_model, cells, tmp_path):
    model = write_model(**RECORD)
    predict(model, cells, "-o", tmp_path / "own.csv")
    predict(model, cells, "--prevalence", "0.001", "-o", tmp_path / "rare.csv")
    own, rare = rows(tmp_path / "own.csv"), rows(tmp_path / "rare.csv")
    assert list(rare[0]) == [*list(own[0])[:-1], "prevalence", "model_version"]
    assert [row["call"] for row in rare] == [row["call"] for row in own]
    assert {row["call"] for row in own} == {"ctc", "leukocyte"} and {row["prevalence"] for row in rare} == {"0.001"}
    p, shifted = (np.array([float(row["p_ctc"]) for row in table]) for table in (own, rare))
    np.testing.assert_allclose(shifted, expit(logit(p) + logit(0.001) - logit(0.3)), rtol=1e-6)
    threshold = float(rare[0]["threshold"])
    assert threshold == pytest.approx(expit(logit(0.5) + logit(0.001) - logit(0.3)))
    assert [float(row["p_ctc"]) >= threshold for row in rare] == [row["call"] == "ctc" for row in rare]


def test_a_threshold_that_is_given_is_one_of_the_shifted_probability(write_model, cells, tmp_path):
    predict(write_model(**RECORD), cells, "--prevalence", "0.05", "--threshold", "0.2", "-o", tmp_path / "out.csv")
    found = rows(tmp_path / "out.csv")
    assert {row["threshold"] for row in found} == {"0.2"}
    assert [row["call"] == "ctc" for row in found] == [float(row["p_ctc"]) >= 0.2 for row in found]
    assert {row["call"] for row in found} == {"ctc", "leukocyte"}


def test_several_processes_shift_alike(write_model, cells, tmp_path):
    for workers in (1, 2):
        options = ["--prevalence", "0.01", "--workers", workers, "-o", tmp_path / f"{workers}.csv"]
        predict(write_model(**RECORD), cells, *options)
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()
    assert not multiprocessing.active_children()


def test_a_file_that_is_not_calibrated_is_a_mistake_of_one_line(write_model, cells, tmp_path):
    output = predict(write_model(), cells, "--prevalence", "0.01", "-o", tmp_path / "out.csv", code=2)
    assert "the probability of this file is not calibrated" in output and not (tmp_path / "out.csv").exists()
    predict(write_model(**RECORD), cells, "--prevalence", "0", code=2)


def test_a_journal_holds_one_prevalence(write_model, tmp_path):
    model = write_model(**RECORD)

    def journal(prevalence):
        predictor = Predictor(model, prevalence=prevalence)
        return Journal(tmp_path / "table.csv", columns(predictor), last_values(predictor))

    begun = journal(0.01)
    begun.add(["a", "", "", "", "0.1", "ctc", "ok", "0.5", "0.01", "mean/1+abc"], tmp_path / "a.png")
    begun.close()
    with pytest.raises(OutputError, match=r"of mean/1\+abc at prevalence 0.01, not of mean/1\+abc at prevalence 0.02;"):
        journal(0.02)
    with pytest.raises(OutputError, match="has columns .*'prevalence'.* expected"):
        journal(None)
    again = journal(0.01)
    assert len(again) == 1
    again.close()


def test_a_predictor_is_made_with_its_prevalence(write_model, cells, tmp_path):
    predictor = tfctc.Predictor(write_model(**RECORD), prevalence=0.01)
    tfctc.predict(predictor, [cells], tmp_path / "one.csv")
    tfctc.predict(predictor.path, [cells], tmp_path / "other.csv", prevalence=0.01)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "other.csv").read_bytes()
    with pytest.raises(ConfigError, match=r"set where the predictor is made; Predictor\(path, prevalence=...\)"):
        tfctc.predict(predictor, [cells], tmp_path / "out.csv", prevalence=0.01)
