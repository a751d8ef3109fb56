"""One run of a grid, really trained."""

import csv
from dataclasses import replace

import pytest
from sklearn.metrics import roc_auc_score

from tfctc.comparison.work import do
from tfctc.config import ModelConfig, RunConfig, SplitConfig, TrainingConfig
from tfctc.errors import RunError


def test_a_finished_run_is_judged_as_it_is_and_never_taken_for_another(tiny_dataset, tmp_path):
    training = TrainingConfig(epochs=2, steps_per_epoch=2, batch_size=8)
    config = RunConfig(
        str(tiny_dataset), mode="brightfield", split=SplitConfig(validation=0.25, test=0.25),
        student=ModelConfig("compact"), training=training,
    )  # fmt: skip
    trained = do(config, tmp_path / "run", judge=False)
    assert not trained.judged and not (tmp_path / "run" / "predictions.csv").exists()
    judged = do(config, tmp_path / "run", judge=True)
    assert (judged.validation, judged.epoch, judged.seconds) == (trained.validation, trained.epoch, trained.seconds)
    with (tmp_path / "run" / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = roc_auc_score([row["label"] == "ctc" for row in rows], [float(row["p_ctc"]) for row in rows])
    assert judged.auroc == pytest.approx(expected)
    with pytest.raises(RunError, match="holds a run of other settings; move it away"):
        do(replace(config, training=replace(training, epochs=3)), tmp_path / "run", judge=True)
