"""AUROC in training against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tfctc.training.metrics import AUROC


@pytest.mark.parametrize("scale", [0.1, 0.3, 1, 3, 10, 30, 100])
def test_auroc_is_right_however_confident_the_network(scale):
    """Half the probabilities of scale 10 are beyond 0.001 and 0.999."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 400)
    log_odds = (scale * (rng.normal(size=400) + 1.6 * (label - 0.5))).astype(np.float32)
    weight = rng.integers(0, 3, 400).astype(np.float32)
    metric = AUROC()
    for part in (slice(0, 150), slice(150, 400)):
        logits = np.stack([3 - log_odds[part] / 2, 3 + log_odds[part] / 2], 1)
        metric.update_state(label[part], logits, weight[part])
    assert float(metric.result()) == pytest.approx(roc_auc_score(label, log_odds, sample_weight=weight), abs=2e-3)
