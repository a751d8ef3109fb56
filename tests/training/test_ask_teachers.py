"""Soft labels for a data set: who is asked, whose labels are used, and who gets one."""

from dataclasses import replace

import numpy as np
import pytest
from small_runs import changed, config, trainer

from tfctc.config import DistillConfig
from tfctc.distill.stacking import combine
from tfctc.distill.teacher_kinds import TEACHER_KINDS, Opinion, TeacherKind
from tfctc.errors import ManifestError
from tfctc.runs.folder import RunFolder
from tfctc.training.ask_teachers import Teaching
from tfctc.training.fit import fit
from tfctc.training.teacher_predictions import predict_with_teachers

SOFT = DistillConfig()


def teaching_of(made):
    networks = [made.networks[name] for name in made.recipe.teachers]
    return Teaching.of_stage(made.recipe.stages[-1], made.builder, networks)


@pytest.fixture(scope="module")
def hidden(tiny_dataset, tmp_path_factory):
    """A data set with a label for every other cell, and without DAPI for one cell of each patient."""

    def hide(rows):
        for i, row in enumerate(rows):
            row["label"] = row["label"] if i % 4 < 2 else ""
            row["dapi"] = "" if row["cell_id"].endswith("-3") else row["dapi"]

    return changed(tiny_dataset, tmp_path_factory.mktemp("hidden") / "data", hide)


@pytest.fixture
def remembered(monkeypatch):
    """The cells that teachers are asked about; the only kind of teacher gives the log-odds that it is told."""
    seen = {}

    def ask(cells):
        seen["cells"] = cells
        odds = np.where(cells.label >= 0, 3.0 * cells.label - 1.5, np.linspace(-4, 4, len(cells.label)))
        return Opinion(np.stack([0 * odds, odds], 1), np.full(len(odds), True))

    monkeypatch.setitem(TEACHER_KINDS._entries, "told", TeacherKind(ask, channels=("dapi",)))
    return seen


def test_teachers_know_the_labels_of_training_cells_alone(hidden, remembered, tmp_path):
    made = trainer(config(hidden, distill=replace(SOFT, teacher_kinds=("told",))), tmp_path / "run")
    taught = teaching_of(made).ask("test")
    cells = remembered["cells"]
    manifest = {cell.cell_id: cell for cell in made.builder.manifest.cells()}
    for i, name in enumerate(taught.cell_id):
        known = bool(manifest[name].label)
        assert cells.group[i] == taught.patient_id[i] == manifest[name].patient_id and manifest[name].dapi
        assert (cells.label[i] >= 0) == (known and taught.split[i] == "train")
        assert known or taught.split[i] == "train"
    assert set(taught.split) == {"train", "validation", "test"}
    total = sum(len(batch["dapi"]) for batch in cells.batches(("dapi",)))
    assert total == len(taught.cell_id)


def test_soft_labels_and_draws_are_those_of_the_training_cells(hidden, remembered, tmp_path):
    made = trainer(config(hidden, distill=replace(SOFT, teacher_kinds=("told",))), tmp_path / "run")
    teaching = teaching_of(made)
    taught, found = teaching.ask(), teaching.soft_labels(balanced_draws=True)
    training = taught.split == "train"
    np.testing.assert_array_equal(found.cell_id, taught.cell_id[training])
    np.testing.assert_allclose(found.probability, taught.probability[training], rtol=1e-6)
    pool = taught.label[training] < 0
    assert (found.draws[~pool] == 0).all() and found.draws[pool].sum() > 0
    np.testing.assert_array_equal(teaching.soft_labels(balanced_draws=False).draws, pool.astype(int))


def test_without_class_weights_probabilities_hold_at_the_prevalence_of_the_training_cells(tmp_path, tiny_dataset):
    def fewer(rows):
        for row in rows:
            row["label"] = "leukocyte" if row["cell_id"].endswith("-1") else row["label"]

    data = changed(tiny_dataset, tmp_path / "data", fewer)
    settings = config(data, distill=SOFT)
    balanced = teaching_of(trainer(settings, tmp_path / "a"))
    plain = teaching_of(
        trainer(replace(settings, training=replace(settings.training, class_weights="none")), tmp_path / "b")
    )
    assert balanced.prior is None and 0 < plain.prior[1] < 0.5 and plain.prior.sum() == 1
    assert plain.ask().probability[:, 1].mean() < balanced.ask().probability[:, 1].mean()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kinds", "budget"), [(("dapi-forest", "brightfield-forest"), 8), (("dapi-forest", "network"), None)]
)
def test_the_teachers_of_a_finished_run_predict_as_they_taught(hidden, tmp_path, kinds, budget, monkeypatch):
    """From the labels that the run kept, which are fewer than there are."""
    told = []
    given = combine
    monkeypatch.setattr("tfctc.training.ask_teachers.combine", lambda *a: told.append(given(*a)) or told[-1])
    settings = config(hidden, distill=replace(SOFT, teacher_kinds=kinds), label_budget=budget)
    run = fit(settings, tmp_path / "run")
    assert (run.folder / "teacher.keras").exists() == ("network" in kinds)
    found = predict_with_teachers(RunFolder.open(run.folder), run.builder())
    before, after = told
    # The same cells, and those of the test split after them.
    np.testing.assert_allclose(after[: len(before)], before, rtol=1e-4, atol=1e-6)
    assert set(found) == {"validation", "test"} and len(found["test"]) == len(after) - len(before)
    np.testing.assert_allclose(found["test"].probability, after[len(before) :, 1], rtol=1e-6)
    labels = {cell.cell_id: cell.label for cell in run.builder().manifest.cells()}
    for one in found.values():
        assert [labels[name] == "ctc" for name in one.cell_id] == one.label.astype(bool).tolist()


def test_a_data_set_whose_teacher_would_lack_a_class_is_refused(tiny_dataset, tmp_path):
    def hide(rows):
        for row in rows:
            row["dapi"] = "" if row["label"] == "ctc" else row["dapi"]

    data = changed(tiny_dataset, tmp_path / "data", hide)
    with pytest.raises(ManifestError, match="the teacher has no labelled cell with DAPI of class ctc in the training"):
        fit(config(data, distill=SOFT), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(("odds", "rare"), [(-5.0, True), (5.0, False)])
def test_a_pool_with_few_positive_cells_is_told(hidden, monkeypatch, tmp_path, caplog, odds, rare):
    def ask(cells):
        found = np.where(cells.label >= 0, 6.0 * cells.label - 3, odds)
        return Opinion(np.stack([0 * found, found], 1), np.full(len(found), True))

    monkeypatch.setitem(TEACHER_KINDS._entries, "told", TeacherKind(ask, channels=("dapi",)))
    made = trainer(config(hidden, distill=replace(SOFT, teacher_kinds=("told",))), tmp_path / "run")
    with caplog.at_level("INFO", "tfctc"):
        found = teaching_of(made).soft_labels(balanced_draws=False)
    texts = {record.levelname: record.message for record in caplog.records if "By the teachers" in record.message}
    assert list(texts) == (["WARNING"] if rare else ["INFO"])
    assert (found.prevalence < 0.2) == rare
    assert any("they have not seen: told 0." in record.message for record in caplog.records)
