"""Each cell asks the teacher of its own fold."""

import keras
import numpy as np
import pytest

from tfctc.config import ModelConfig
from tfctc.distill.teachers import Teachers
from tfctc.models.classifier import build_classifier, with_taps
from tfctc.models.fast import fold_batchnorm

BOTH = ModelConfig("compact", ("brightfield", "dapi"))
TAPS = {"logits", "stage3"}


@pytest.fixture(scope="module")
def networks():
    keras.utils.set_random_seed(0)
    scale = dict.fromkeys(BOTH.channels, (0.5, 0.3))
    return [with_taps(fold_batchnorm(build_classifier(BOTH, (16, 16), scale)), BOTH, TAPS) for _ in range(3)]


@pytest.mark.parametrize("folds", [[0, 2, 1, 1, 0], [1, 1, 1, 1, 1]])
def test_every_answer_is_that_of_the_cells_own_teacher(networks, folds):
    rng = np.random.default_rng(0)
    x = {channel: rng.random((5, 16, 16, 1), np.float32) for channel in BOTH.channels}
    found = Teachers(networks)(x | {"fold": np.array(folds, np.int32)})
    for i, fold in enumerate(folds):
        alone = networks[fold]({channel: value[i : i + 1] for channel, value in x.items()}, training=False)
        for tap in TAPS:
            np.testing.assert_allclose(found[tap][i], alone[tap][0], rtol=1e-3, atol=1e-5)


def test_one_teacher_needs_no_folds(networks):
    x = {channel: np.ones((2, 16, 16, 1), np.float32) for channel in BOTH.channels}
    teachers = Teachers(networks[:1])
    np.testing.assert_allclose(teachers(x)["logits"], networks[0](x, training=False)["logits"], rtol=1e-5)
    assert teachers.see_dapi and teachers.shapes["logits"] == (None, 2)
