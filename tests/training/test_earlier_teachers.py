"""Teachers that an earlier run has trained."""

from dataclasses import replace

import pytest
from small_runs import LOGITS, changed, config

from tfctc.config import DistillConfig
from tfctc.errors import RunError
from tfctc.training.fit import fit
from tfctc.training.trainer import Trainer


def weights(run):
    return run.record["weights_sha256"]


def uses(run, **options):
    return replace(LOGITS, teachers=str(run.folder), **options)


@pytest.mark.slow
def test_teachers_of_an_earlier_run_teach_the_same_student(tiny_dataset, distilled_run, tmp_path):
    again = fit(config(tiny_dataset, distill=uses(distilled_run)), tmp_path / "run")
    assert weights(again) == weights(distilled_run) and len(again.teachers()) == 1


@pytest.mark.parametrize(
    ("settings", "options", "message"),
    [
        ({"label_budget": 6}, {}, "trained on other cells; name a run of the same data, seed, split"),
        ({}, {"dapi_dropout": 0.5}, "trained with another distill.dapi_dropout; leave out distill.dapi_dropout"),
        ({}, {"folds": 2}, "trained on other cells"),
    ],
)
def test_teachers_that_were_trained_otherwise_are_refused(
    tiny_dataset, distilled_run, tmp_path, settings, options, message
):
    with pytest.raises(RunError, match=f"run: its teachers have been {message}"):
        fit(config(tiny_dataset, distill=uses(distilled_run, **options), **settings), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_teachers_of_another_split_are_refused(tiny_dataset, distilled_run, tmp_path):
    with pytest.raises(RunError, match="trained on other cells"):
        fit(replace(config(tiny_dataset, distill=uses(distilled_run)), seed=1), tmp_path / "run")


def test_teachers_of_cells_that_have_changed_places_are_refused(tiny_dataset, distilled_run, tmp_path):
    """A training patient's labelled cell and a test patient's change places: the same split of the same counts."""
    assignment = distilled_run.splits.assignment

    def swap(rows):
        label = next(row["label"] for row in rows if row["label"])
        one, other = (
            next(row for row in rows if assignment[row["patient_id"]] == split and row["label"] == label)
            for split in ("train", "test")
        )
        for column in ("patient_id", "site"):
            one[column], other[column] = other[column], one[column]

    data = changed(tiny_dataset, tmp_path / "data", swap)
    with pytest.raises(RunError, match="trained on other cells"):
        fit(config(data, distill=uses(distilled_run)), tmp_path / "run")


def test_a_run_without_teacher_teaches_with_its_student(tiny_dataset, brightfield_run, tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "train_stage", lambda *_: None)
    run = fit(config(tiny_dataset, "self-training", distill=uses(brightfield_run)), tmp_path / "run")
    assert weights(run)["teacher"] == weights(brightfield_run)["student"]
    assert {model.name for model in run.teachers()} == {"teacher"}
    with pytest.raises(RunError, match="its teachers are other networks than the settings of teacher ask for"):
        fit(config(tiny_dataset, distill=uses(brightfield_run)), tmp_path / "distilled")


def test_a_run_that_has_no_teacher_lends_none(tiny_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "train_stage", lambda *_: None)
    alone = fit(config(tiny_dataset, distill=DistillConfig(losses={"staining": {}})), tmp_path / "alone")
    with pytest.raises(RunError, match="alone: has no teacher; leave out distill.teachers"):
        fit(config(tiny_dataset, distill=uses(alone)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
