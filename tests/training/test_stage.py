"""How a batch is made up, and what an epoch is chosen by."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tfctc.config import TrainingConfig
from tfctc.data.selection import Selection
from tfctc.training import stage

LABELLED, UNLABELLED = Selection("labelled"), Selection("unlabelled")


@pytest.mark.parametrize(
    "labelled,unlabelled,share,batch",
    [
        (100, 300, None, [8, 24]),
        (10, 3000, None, [3, 29]),
        (100, 300, 0.5, [16, 16]),
        (100, 0, None, [32]),
        (3000, 1, None, [31, 1]),
        (1, 3000, 0.001, [1, 31]),
    ],
)
def test_all_cells_are_shown_equally_often_unless_labels_are_rare(monkeypatch, labelled, unlabelled, share, batch):
    counts = {LABELLED: labelled, UNLABELLED: unlabelled}
    monkeypatch.setattr(stage.pipeline, "count", lambda builder, split, selection: counts[selection])
    drawn = stage._shares(None, [LABELLED, UNLABELLED], TrainingConfig(batch_size=32, labelled_share=share))
    assert [cells for _, cells in drawn] == batch and drawn[0][0] == LABELLED


@pytest.mark.parametrize("scale", [0.1, 0.3, 1, 3, 10, 30, 100])
def test_auroc_is_right_however_confident_the_network(scale):
    """Half the probabilities of scale 10 are beyond 0.001 and 0.999."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 400)
    log_odds = (scale * (rng.normal(size=400) + 1.6 * (label - 0.5))).astype(np.float32)
    weight = rng.integers(0, 3, 400).astype(np.float32)
    metric = stage.AUROC()
    for part in (slice(0, 150), slice(150, 400)):
        logits = np.stack([3 - log_odds[part] / 2, 3 + log_odds[part] / 2], 1)
        metric.update_state(label[part], logits, weight[part])
    assert float(metric.result()) == pytest.approx(roc_auc_score(label, log_odds, sample_weight=weight), abs=2e-3)
