"""Learning of quality: scikit-learn's density in NumPy, a limit measured on other patients, few images."""

import json

import numpy as np
import pytest
from learnt_quality import simulated_cells, simulated_quality
from sklearn.mixture import GaussianMixture

from tfctc.exporters import quality_model
from tfctc.exporters.quality_model import FEWEST, FLAGGED, learn_quality
from tfctc.quality.faults import FAULTS, describe_quality, measures, read_quality
from tfctc.quality.features import image_features


def test_the_surprise_is_that_of_scikit_learn():
    images, _, others = simulated_cells()
    model, features = read_quality(simulated_quality()), np.stack([image_features(image) for image in images])
    density = model.density
    standard = (features - density.centre) / density.scale
    mixture = GaussianMixture(len(density.components), reg_covar=quality_model.RIDGE, random_state=0).fit(standard)
    seen = np.stack([image_features(image) for image in others[:50]])
    expected = mixture.score_samples((seen - density.centre) / density.scale)
    # The record has six digits of every number.
    assert [-density.surprise(row) for row in seen] == pytest.approx(expected, rel=1e-3)


def test_the_same_images_give_the_same_values():
    images, patients, _ = simulated_cells()
    again = learn_quality(images[:100], patients[:100])
    assert again == learn_quality(images[:100, ..., np.newaxis], patients[:100])
    assert json.loads(json.dumps(again, allow_nan=False)) == json.loads(json.dumps(again))


def test_the_limit_is_that_of_images_of_other_patients(monkeypatch):
    """Two patients who differ: a density of one is surprised by the other, so that the limit is wide."""
    images, _, _ = simulated_cells()
    images = images[:200].copy()
    images[100:] *= 0.7
    by_image, by_patient = learn_quality(images), learn_quality(images, ["a"] * 100 + ["b"] * 100)
    assert by_patient["limit"] > by_image["limit"] + 10
    assert learn_quality(images, ["a"] * 200)["limit"] == by_image["limit"]


def test_a_share_of_what_was_learnt_from_is_flagged_and_usual_values_are_quantiles():
    images, _, _ = simulated_cells()
    values = simulated_quality()
    model = read_quality(values)
    flagged = np.mean([describe_quality(image, model) != "ok" for image in images])
    assert 0 < flagged <= FLAGGED + 0.01
    seen = [measures(image_features(image)) for image in images]
    assert values["usual"].keys() == FAULTS.keys()
    for name, ends in values["usual"].items():
        assert ends == pytest.approx(np.quantile([one[name] for one in seen], [0.02, 0.98]), rel=1e-5, abs=1e-6)


def test_few_images_teach_nothing_and_a_few_more_do():
    images, patients, _ = simulated_cells()
    assert learn_quality([]) == learn_quality(images[: FEWEST - 1]) == {}
    model = read_quality(learn_quality(images[:FEWEST], patients[:FEWEST]))
    assert np.isfinite(model.limit) and len(model.density.components) == 1
    assert describe_quality(np.full((32, 32), 0.5, np.float32), model) == "flat"


def test_images_that_are_all_alike_can_be_learnt_from():
    images, _, _ = simulated_cells()
    model = read_quality(learn_quality([images[0]] * 40))
    assert describe_quality(images[0], model) == "ok"
    assert describe_quality(images[0] * 0.5, model) != "ok"
