"""How a batch is made up."""

import pytest

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
