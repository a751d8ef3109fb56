"""Trainer: composition of a batch, learning rate, choice of the epoch, order of the stages."""

from dataclasses import replace
from itertools import islice

import keras
import numpy as np
import pytest
from made_up import read_cells
from sklearn.utils.class_weight import compute_class_weight
from small_runs import BOTH, LOGITS, changed, config, plan, trainer

from tfctc.config import PretrainConfig, TrainingConfig
from tfctc.data import pipeline
from tfctc.data.builder import build
from tfctc.data.selection import Selection
from tfctc.data.soft_labels import SoftLabels
from tfctc.training import trainer as module
from tfctc.training.trainer import batch_composition

LABELLED, UNLABELLED = Selection("labelled"), Selection("unlabelled")


@pytest.mark.parametrize(
    ("labelled", "unlabelled", "share", "batch"),
    [
        (100, 300, None, [8, 24]),
        (10, 3000, None, [3, 29]),
        (100, 300, 0.5, [16, 16]),
        (100, 0, None, [32]),
        (3000, 1, None, [31, 1]),
        (1, 3000, 0.001, [1, 31]),
    ],
)
def test_all_cells_are_drawn_equally_often_unless_labels_are_rare(monkeypatch, labelled, unlabelled, share, batch):
    counts = {LABELLED: labelled, UNLABELLED: unlabelled}
    monkeypatch.setattr(module.pipeline, "count", lambda builder, split, selection: counts[selection])
    drawn = batch_composition(None, [LABELLED, UNLABELLED], TrainingConfig(batch_size=32, labelled_share=share))
    assert [cells for _, cells in drawn] == batch and drawn[0][0] == LABELLED


@pytest.mark.parametrize(("prevalence", "labelled"), [(0.5, 10), (0.25, 30), (0.0, 50), (1.0, 50), (0.02, 48)])
def test_more_of_a_batch_is_labelled_where_the_other_cells_are_of_one_class(monkeypatch, prevalence, labelled):
    monkeypatch.setattr(module.pipeline, "count", lambda builder, split, selection: 10)
    soft = SoftLabels(np.array([]), np.zeros((0, 2)), np.full(100, 30), prevalence)
    drawn = batch_composition(None, [LABELLED, UNLABELLED], TrainingConfig(batch_size=100), soft)
    assert [cells for _, cells in drawn] == [labelled, 100 - labelled]
    own = TrainingConfig(batch_size=100, labelled_share=0.2)
    assert [cells for _, cells in batch_composition(None, [LABELLED, UNLABELLED], own, soft)] == [20, 80]
    soft = SoftLabels(np.array([]), np.zeros((0, 2)), np.zeros(100, int))
    assert [cells for _, cells in batch_composition(None, [LABELLED, UNLABELLED], own, soft)] == [100]


@pytest.fixture(scope="module")
def uneven(tiny_dataset, tmp_path_factory):
    """A trainer that has trained nothing yet, on fewer cells of one class than of the other."""
    room = tmp_path_factory.mktemp("uneven")

    def relabel(rows):
        for row in rows:
            if row["cell_id"].endswith("-1"):
                row["label"] = "leukocyte"

    return trainer(config(changed(tiny_dataset, room / "data", relabel), "brightfield"), room / "run")


@pytest.fixture
def assignment(uneven):
    return plan(config(uneven.builder.manifest.folder, "brightfield")).splits.assignment


@pytest.fixture
def begin(uneven, tmp_path, monkeypatch):
    """Begins a training with these settings; the model, its batches and what else Keras is asked to fit it with."""

    def begin(**training):
        asked = []
        monkeypatch.setattr(keras.Model, "fit", lambda *arguments, **options: asked.append((*arguments, options)))
        (stage,) = uneven.recipe.stages
        stage = replace(stage, training=replace(stage.training, **training))
        # In a folder of its own: a training begun there before would be resumed.
        replace(uneven, folder=tmp_path).train_stage(stage)
        return asked[0]

    return begin


@pytest.mark.parametrize("how", ["balanced", "none"])
def test_a_rare_class_counts_as_much_as_the_other_if_so_set(uneven, assignment, begin, how):
    _, batches, _ = begin(class_weights=how)
    _, labels = read_cells(uneven.builder.manifest.folder, assignment, "train")
    expected = compute_class_weight("balanced", classes=np.arange(2), y=labels) if how == "balanced" else np.ones(2)
    assert 2 * labels.sum() < len(labels)
    drawn = set()
    for _, y, weight in islice(batches.as_numpy_iterator(), 3):
        np.testing.assert_allclose(weight, expected[y], rtol=1e-6)
        drawn |= set(y)
    assert drawn == {0, 1}


def test_the_best_epoch_is_chosen_by_the_cells_of_the_validation_split(uneven, assignment, begin):
    """Each of them once, as it is in the files: none of the test split."""
    _, _, options = begin()
    images, labels = read_cells(uneven.builder.manifest.folder, assignment, "validation")
    used = [
        (image.tobytes(), label, weight)
        for x, y, weights in options["validation_data"].as_numpy_iterator()
        for image, label, weight in zip(x["brightfield"], y, weights, strict=True)
    ]
    assert sorted(used) == sorted((image.tobytes(), label, 1.0) for image, label in zip(images, labels, strict=True))


def test_keras_is_told_not_to_use_xla(begin, monkeypatch):
    """On a GPU Keras would, and a failed check in XLA ends the process; here there is none, so the call is caught."""
    asked, compiled = [], keras.Model.compile
    monkeypatch.setattr(keras.Model, "compile", lambda *a, **k: asked.append(k["jit_compile"]) or compiled(*a, **k))
    begin()
    assert asked == [False]


def test_pretraining_ends_with_its_least_loss_and_the_student_with_its_best_auroc(tiny_dataset, tmp_path, monkeypatch):
    """Both are told the same of three made-up epochs, in which every weight is the epoch's number."""
    begun = {}

    def fit(model, batches, callbacks, **_):
        kept = callbacks[0]
        begun[kept.folder.name] = kept.network.get_weights()
        for epoch, (loss, auroc) in enumerate([(0.9, 0.6), (0.2, 0.7), (0.4, 0.8)]):
            kept.network.set_weights([np.full(w.shape, epoch + 1.0) for w in kept.network.get_weights()])
            kept.on_epoch_end(epoch, {"loss": loss, "val_loss": loss, "val_auroc": auroc})

    monkeypatch.setattr(keras.Model, "fit", fit)
    settings = replace(config(tiny_dataset, "dapi-augmented", epochs=3), pretrain=PretrainConfig(3))
    own = trainer(settings, tmp_path / "run")
    own.train()
    assert list(begun) == ["pretraining", "student"]
    assert all((w == 2).all() for w in begun["student"])
    assert all((w == 3).all() for w in own.networks["student"].get_weights())
    saved = keras.saving.load_model(tmp_path / "run" / "student.keras", compile=False)
    assert all((w == 3).all() for w in saved.get_weights()) and list(own.checkpoints) == ["pretraining", "student"]


def test_a_student_that_starts_as_its_teacher_takes_the_trained_teachers_weights(tiny_dataset, tmp_path, monkeypatch):
    """At the beginning of its stage, when the teacher has been trained. In training, every weight becomes 5."""
    begun = {}

    def fit(model, batches, callbacks, **_):
        kept = callbacks[0]
        begun[kept.folder.name] = kept.network.get_weights()
        kept.network.set_weights([np.full(w.shape, 5.0) for w in kept.network.get_weights()])
        kept.on_epoch_end(0, {"loss": 1.0, "val_auroc": 0.9})

    monkeypatch.setattr(keras.Model, "fit", fit)
    own = trainer(config(tiny_dataset, distill=replace(LOGITS, start="teacher")), tmp_path / "run")
    own.train()
    assert list(begun) == ["teacher", "student"] and all((w == 5).all() for w in begun["student"])
    assert not all((w == 5).all() for w in begun["teacher"])


@pytest.fixture(scope="module")
def halved(tiny_dataset, tmp_path_factory):
    """The made-up cells, half of the labels of every patient taken away."""

    def halve(rows):
        seen = {}
        for row in rows:
            key = row["patient_id"], row["label"]
            seen[key] = seen.get(key, 0) + 1
            if seen[key] % 2 == 0:
                row["label"] = ""

    return changed(tiny_dataset, tmp_path_factory.mktemp("halved") / "data", halve)


def test_an_epoch_is_one_pass_over_the_cells_of_its_stage(halved, tmp_path, monkeypatch):
    """Unlabelled cells reach the student and not the teacher. So few cells have 20 steps."""
    own = trainer(config(halved, steps_per_epoch=None), tmp_path / "run")
    assert {own.steps_per_epoch(stage) for stage in own.recipe.stages} == {20}
    monkeypatch.setattr("tfctc.training.trainer.LEAST_STEPS", 1)
    train = pipeline.label_counts(own.builder, "train")
    labelled, every = sum(train[:2]), sum(train)
    assert 0 < labelled < every
    steps = {stage.name: own.steps_per_epoch(stage) for stage in own.recipe.stages}
    assert steps == {"teacher": -(-labelled // 8), "student": -(-every // 8)}


def test_no_training_cell_of_a_teacher_is_of_the_fold_that_it_teaches(tiny_dataset):
    """Counted in the records themselves; together the teachers learn from all labelled training cells."""
    planned = plan(config(tiny_dataset, distill=replace(LOGITS, folds=2)))
    builder = build(planned.manifest, planned.splits)
    patients = {}
    for fold, stage in enumerate(planned.recipe.stages[:2]):
        records = pipeline.records(builder, "train", (), selection=stage.cells[0]).as_numpy_iterator()
        patients[fold] = {record["patient_id"].decode() for record in records}
        assert fold not in {planned.splits.folds[patient] for patient in patients[fold]}
    train = {patient for patient, split in planned.splits.assignment.items() if split == "train"}
    assert patients[0] | patients[1] == train and patients[0] and patients[1]


def test_labels_beyond_the_budget_are_not_known(tiny_dataset):
    """Read from the records: so many labels, both classes, and the other cells among the unlabelled ones."""
    planned = plan(config(tiny_dataset, label_budget=8))
    builder = build(planned.manifest, planned.splits)
    labelled, unlabelled = planned.recipe.stages[-1].cells
    counts = pipeline.label_counts(builder, "train", labelled)
    assert sum(counts[:2]) == 8 and all(counts[:2]) and counts[2] == 0
    every = pipeline.label_counts(builder, "train")
    assert pipeline.label_counts(builder, "train", unlabelled) == (0, 0, 0, sum(every) - 8)
    again = plan(replace(config(tiny_dataset, label_budget=8), seed=1)).splits
    assert again.kept_labels != planned.splits.kept_labels


def test_changes_of_channels_are_part_of_a_stages_batches(tiny_dataset, tmp_path):
    """Every DAPI image of the teacher hidden, none of the student's."""
    own = trainer(config(tiny_dataset, distill=replace(LOGITS, dapi_dropout=0.9999)), tmp_path / "run")
    mean = np.float32(own.statistics["dapi"][0])
    hidden = {}
    for stage in own.recipe.stages:
        model = module.model_to_train(own.recipe, stage, own.networks, 3)
        x, *_ = next(own.batches(stage, model, 3)(0).as_numpy_iterator())
        assert set(BOTH) <= set(x)
        hidden[stage.name] = (x["dapi"] == mean).all()
    assert hidden == {"teacher": True, "student": False}


@pytest.mark.parametrize(("bias", "told"), [(-50, True), (50, False)])
def test_a_pool_with_few_positive_cells_is_told(halved, tmp_path, caplog, bias, told):
    own = trainer(config(halved), tmp_path / "run")
    student = own.recipe.stages[-1]
    logits = own.networks[student.teachers[0]].get_layer("logits")
    kernel, offset = logits.get_weights()
    logits.set_weights([kernel, offset + [0, bias]])
    with caplog.at_level("WARNING", "tfctc"):
        own.check_pool(student)
        own.check_pool(own.recipe.stages[0])  # The teacher's own stage has no pool.
    found = [record.message for record in caplog.records]
    assert found == (
        [
            "By the teachers, about 0 % of the cells without a label are ctc. With so few of them the gain "
            "from distillation is small, if any: train with --mode brightfield too, and compare."
        ]
        if told
        else []
    )
