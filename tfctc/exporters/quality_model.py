"""Density of the images that a student was trained on, learnt at export; `tfctc.quality` evaluates it."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GroupKFold

from tfctc.config import to_dict
from tfctc.quality.density import Component, ImageDensity
from tfctc.quality.faults import FAULTS, LearntQuality, measures
from tfctc.quality.features import FEATURES, image_features

#: Share of good images of other patients that the limit is to flag. New patients differ, so that the share varies;
#: at 0.04 it was 0.05 or less on average in `docs/evidence/quality`.
FLAGGED = 0.04
#: Share of the training images beyond the usual value of a measure, at either end.
TAIL = 0.02
#: Least number of images; with fewer, no density is learnt.
FEWEST = 30
#: Number of images for each Gaussian, and the largest number of Gaussians.
IMAGES_EACH, MOST = 300, 3
#: Variance that is added to every feature, in units of its own: no image is judged by a feature alone that hardly
#: varied among the training images.
RIDGE = 0.05
#: Least scale of a feature, and the least share of its standard deviation that the scale is.
LEAST_SCALE, LEAST_SPREAD = 0.02, 0.3
#: Number of parts for cross-fitting.
FOLDS = 5


def learn_quality(images: Sequence[np.ndarray], groups: Sequence | None = None) -> dict[str, Any]:
    """`LearntQuality` of training images as plain values for the record; {} for fewer than `FEWEST` images.

    The density of `image_features` is a mixture of up to three Gaussians. Its limit is measured by cross-fitting: each
    image is judged by a density learnt from the images of other groups. The limit flags `FLAGGED` of them.

    Args:
        images: ``(H, W)`` or ``(H, W, 1)`` each, in [0, 1].
        groups: the patient of each image; None takes every image for a group of its own.
    """
    if len(images) < FEWEST:
        return {}
    features = np.stack([image_features(image) for image in images])
    patients = np.unique(np.arange(len(images)) if groups is None else np.asarray(groups), return_inverse=True)[1]
    if patients.max() == 0:  # One patient: cross-fitting by image is all there is.
        patients = np.arange(len(images))
    held_out = np.empty(len(images))
    folds = GroupKFold(min(FOLDS, int(patients.max()) + 1))
    for learnt, judged in folds.split(features, groups=patients):
        density = _fitted(features[learnt])
        held_out[judged] = [density.surprise(row) for row in features[judged]]
    seen = [measures(row) for row in features]
    usual = {}
    for name in FAULTS:
        low, high = _rounded(np.quantile([one[name] for one in seen], [TAIL, 1 - TAIL]))
        usual[name] = (low, high)
    (limit,) = _rounded([np.quantile(held_out, 1 - FLAGGED)])
    return to_dict(LearntQuality(_fitted(features), limit, usual))


def _fitted(features: np.ndarray) -> ImageDensity:
    """Density of the rows of `features`, without limits."""
    centre, spread = np.median(features, axis=0), features.std(axis=0)
    # The scale of the bulk, so that rare images (a neighbour beside the cell) do not hide the shape of the density.
    robust = 1.4826 * np.median(np.abs(features - centre), axis=0)
    scale = np.maximum(np.maximum(robust, LEAST_SPREAD * spread), LEAST_SCALE)
    number = min(MOST, max(1, len(features) // IMAGES_EACH))
    mixture = GaussianMixture(number, reg_covar=RIDGE, random_state=0)
    with warnings.catch_warnings():
        # A fit that stops early is a little less likely, and as good a density: its limit is measured.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit((features - centre) / scale)
    upper = np.triu_indices(len(FEATURES))
    components = tuple(
        Component(float(weight), tuple(_rounded(mean)), tuple(_rounded(factor[upper])))
        for weight, mean, factor in zip(mixture.weights_, mixture.means_, mixture.precisions_cholesky_, strict=True)
    )
    return ImageDensity(tuple(FEATURES), tuple(_rounded(centre)), tuple(_rounded(scale)), components)


def _rounded(values: Any) -> list[float]:
    """Values with six digits, which is what the record stores."""
    return [float(f"{value:.6g}") for value in np.asarray(values, float)]
