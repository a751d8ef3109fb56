"""How strongly a student is taught, and which epoch of which training it ends with."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from small_runs import config, course

from tfctc.config import PretrainConfig
from tfctc.training.student import SCHEDULES, train_student


@pytest.mark.parametrize(
    ("name", "strengths"), [("constant", [1, 1, 1]), ("fade-in", [0, 0.5, 1]), ("fade-out", [1, 0.5, 0])]
)
def test_a_schedule_goes_the_way_its_name_says(name, strengths):
    found = [float(SCHEDULES[name](np.float32(done))) for done in (0, 0.5, 1)]
    np.testing.assert_allclose(found, strengths, atol=1e-6)


def test_pretraining_ends_with_its_least_loss_and_the_student_with_its_best_auroc(tiny_dataset, tmp_path, monkeypatch):
    """Both are told the same of three made-up epochs, in which every weight is the epoch's number."""
    begun = {}

    def fit(model, batches, callbacks, **_):
        kept = callbacks[0]
        begun[kept.folder.name] = kept.keep.get_weights()
        for epoch, (loss, auroc) in enumerate([(0.9, 0.6), (0.2, 0.7), (0.4, 0.8)]):
            kept.keep.set_weights([np.full(w.shape, epoch + 1.0) for w in kept.keep.get_weights()])
            kept.on_epoch_end(epoch, {"loss": loss, "val_loss": loss, "val_auroc": auroc})

    monkeypatch.setattr(keras.Model, "fit", fit)
    settings = replace(config(tiny_dataset, "dapi-augmented", epochs=3), pretrain=PretrainConfig(3))
    student = train_student(course(settings, tmp_path / "run"), [])
    assert list(begun) == ["pretraining", "student"]
    assert all((w == 2).all() for w in begun["student"])
    assert all((w == 3).all() for w in student.get_weights())
