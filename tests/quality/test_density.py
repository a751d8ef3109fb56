"""Density of a mixture of Gaussians against SciPy's."""

import numpy as np
import pytest
from learnt_quality import simulated_cells, simulated_quality
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from tfctc.config import from_dict
from tfctc.quality.density import Component, ImageDensity
from tfctc.quality.features import FEATURES, image_features

D = len(FEATURES)


def factor_of(covariance):
    """Upper triangle U with ``U U^T`` = inverse of the covariance, by rows."""
    upper = np.linalg.inv(np.linalg.cholesky(covariance)).T
    return tuple(upper[np.triu_indices(D)])


def test_surprise_is_the_logarithm_of_scipys_density():
    rng = np.random.default_rng(0)
    centre, scale = rng.normal(size=D), rng.uniform(0.5, 2, D)
    weights, means = (0.2, 0.8), rng.normal(size=(2, D))
    covariances = [(a := rng.normal(size=(D, D))) @ a.T + 0.5 * np.eye(D) for _ in range(2)]
    components = tuple(
        Component(w, tuple(m), factor_of(c)) for w, m, c in zip(weights, means, covariances, strict=True)
    )
    density = ImageDensity(FEATURES, tuple(centre), tuple(scale), components)
    for features in rng.normal(size=(20, D)) * 3:
        logs = [
            np.log(w) + multivariate_normal(m, c).logpdf((features - centre) / scale)
            for w, m, c in zip(weights, means, covariances, strict=True)
        ]
        assert density.surprise(features) == pytest.approx(-logsumexp(logs), rel=1e-9)


def test_one_gaussian_gives_half_of_the_squared_mahalanobis_distance():
    from scipy.spatial.distance import mahalanobis

    rng = np.random.default_rng(1)
    root = rng.normal(size=(D, D))
    covariance = root @ root.T + np.eye(D)
    mean = rng.normal(size=D)
    density = ImageDensity(FEATURES, (0.0,) * D, (1.0,) * D, (Component(1.0, tuple(mean), factor_of(covariance)),))
    inverse = np.linalg.inv(covariance)
    for features in rng.normal(size=(5, D)):
        above = density.surprise(features) - density.surprise(mean)
        assert above == pytest.approx(mahalanobis(features, mean, inverse) ** 2 / 2, rel=1e-8)


def test_a_far_image_is_a_surprise_and_finite():
    density = from_dict(ImageDensity, simulated_quality()["density"])
    usual = density.surprise(image_features(simulated_cells()[0][0]))
    assert usual < density.surprise(np.full(D, 1e6)) < np.inf
