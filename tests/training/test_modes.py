"""What each mode lets a student learn from, seen in the weights it ends with."""

import csv
from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import tensorflow as tf
from small_runs import BOTH, changed, config, quiet

from tfctc.config import (
    MODES,
    DapiAugmentedConfig,
    DistillConfig,
    ModelConfig,
    PretrainConfig,
    RunConfig,
)
from tfctc.data import pipeline
from tfctc.data.budget import keep_labels
from tfctc.data.selection import Selection
from tfctc.data.summary import Summary
from tfctc.errors import ConfigError, ManifestError, RunError, TfctcError
from tfctc.training.course import Course, stream_seed
from tfctc.training.fit import fit
from tfctc.training.shown import some_as_dapi, some_without_dapi


def weights(run):
    return run.record["weights_sha256"]


@pytest.fixture(scope="module")
def runs(tiny_dataset, tmp_path_factory):
    room = tmp_path_factory.mktemp("modes")
    return {mode: fit(config(tiny_dataset, mode), room / mode, quiet) for mode in MODES}


def test_every_mode_ends_with_a_student_of_its_own_that_sees_brightfield_alone(runs):
    for run in runs.values():
        assert set(run.student().input) == {"brightfield"}
    for one, other in combinations(MODES, 2):
        assert weights(runs[one])["student"] != weights(runs[other])["student"]


@pytest.mark.parametrize("mode", ["brightfield", "self-training"])
def test_modes_without_dapi_come_to_the_same_where_there_is_none(tiny_dataset, runs, tmp_path, mode):
    data = changed(tiny_dataset, tmp_path / "data", lambda rows: [row.update(dapi="") for row in rows])
    assert weights(fit(config(data, mode), tmp_path / "run", quiet)) == weights(runs[mode])


@pytest.mark.parametrize("mode", ["distilled", "dapi-augmented"])
def test_modes_with_dapi_say_so_where_there_is_none(tiny_dataset, tmp_path, mode):
    data = changed(tiny_dataset, tmp_path / "data", lambda rows: [row.update(dapi="") for row in rows])
    with pytest.raises(ManifestError, match="no labelled cell with DAPI.*--mode brightfield"):
        fit(config(data, mode), tmp_path / "run", quiet)


@pytest.mark.parametrize(
    "change,reader",
    [
        ({"distill": DistillConfig(losses={"staining": {}})}, "distillation loss staining"),
        ({"mode": "dapi-augmented", "pretrain": PretrainConfig(1, {"alignment": {}})}, "labelled cell with DAPI"),
        ({"distill": DistillConfig(losses={}), "pretrain": PretrainConfig(1)}, "pretraining loss staining"),
    ],
)
def test_what_reads_dapi_says_so_where_there_is_none(tiny_dataset, tmp_path, change, reader):
    data = changed(tiny_dataset, tmp_path / "data", lambda rows: [row.update(dapi="") for row in rows])
    with pytest.raises(ManifestError, match=f"{reader}.*--mode brightfield"):
        fit(replace(config(data), **change), tmp_path / "run", quiet)


def test_pretraining_asks_for_no_label(tiny_dataset, tmp_path):
    """Only cells of one class have DAPI."""

    def one_class(rows):
        for row in rows:
            if row["label"] == "ctc":
                row["dapi"] = ""

    data = changed(tiny_dataset, tmp_path / "data", one_class)
    settings = replace(config(data, distill=DistillConfig(losses={"staining": {}})), pretrain=PretrainConfig(1))
    run = fit(settings, tmp_path / "run", quiet)
    assert {row["stage"] for row in csv.DictReader((run.folder / "history.csv").open())} == {"pretraining", "student"}


def test_a_teacher_never_learns_from_its_own_fold(tiny_dataset, tmp_path):
    """Two cells of one patient swap labels: only the teacher that answers for that patient stays the same."""
    settings = config(tiny_dataset, distill=DistillConfig(folds=2))
    before = fit(settings, tmp_path / "before", quiet)
    patient, fold = next(iter(before.dealt["folds"].items()))

    def swap(rows):
        own = [row for row in rows if row["patient_id"] == patient]
        one, other = (next(row for row in own if row["label"] == label) for label in ("ctc", "leukocyte"))
        one["label"], other["label"] = other["label"], one["label"]

    data = changed(tiny_dataset, tmp_path / "data", swap)
    after = fit(replace(settings, data=str(data)), tmp_path / "after", quiet)
    same = {name: weights(before)[name] == weights(after)[name] for name in weights(before)}
    assert same == {f"teacher-{fold}": True, f"teacher-{1 - fold}": False, "student": False}


def test_a_teacher_has_a_schedule_of_its_own(tiny_dataset, tmp_path):
    """As long as it says, the same as of a run of that length; the student's is as long as before."""
    settings = config(tiny_dataset, distill=DistillConfig(teacher_epochs=1))
    settings = replace(settings, training=replace(settings.training, epochs=3))
    run = fit(settings, tmp_path / "run", quiet)
    stages = Counter(row["stage"] for row in csv.DictReader((run.folder / "history.csv").open()))
    assert stages == {"teacher": 1, "student": 3}
    short = replace(settings, distill=DistillConfig(), training=replace(settings.training, epochs=1))
    assert weights(fit(short, tmp_path / "short", quiet))["teacher"] == weights(run)["teacher"]


def test_a_student_that_learns_from_dapi_alone_needs_no_teacher(tiny_dataset, tmp_path):
    """Pretrained on all pairs, then taught by the image itself; what it drew with is not in what is saved."""
    settings = config(tiny_dataset, distill=DistillConfig(losses={"staining": {}}), label_budget=8)
    runs = [
        fit(replace(settings, pretrain=PretrainConfig(epochs)), tmp_path / f"run{epochs}", quiet) for epochs in (0, 1)
    ]
    stages = [{row["stage"] for row in csv.DictReader((run.folder / "history.csv").open())} for run in runs]
    assert stages == [{"student"}, {"pretraining", "student"}]
    assert not list(tmp_path.glob("*/teacher*")) and weights(runs[0]) != weights(runs[1])
    plain = fit(config(tiny_dataset, "brightfield", label_budget=8), tmp_path / "plain", quiet)
    assert [w.shape for w in runs[1].student().weights] == [w.shape for w in plain.student().weights]


def test_several_teachers_are_judged_by_their_mean_probability(tiny_dataset, tmp_path):
    run = fit(config(tiny_dataset, distill=DistillConfig(folds=2)), tmp_path / "run", quiet)
    rng = np.random.default_rng(0)
    x = {channel: rng.random((3, 16, 16, 1), np.float32) for channel in BOTH}
    each = [tf.nn.softmax(teacher(x, training=False)).numpy() for teacher in run.teachers()]
    found = tf.nn.softmax(run.teacher()(x, training=False))
    assert len(each) == 2 and set(run.teacher().input) == set(BOTH)
    np.testing.assert_allclose(found, np.mean(each, axis=0), rtol=1e-5)


@pytest.mark.parametrize("folds", [1, 2])
def test_teachers_taken_over_teach_as_those_trained_here(tiny_dataset, tmp_path, folds):
    first = fit(config(tiny_dataset, distill=DistillConfig(folds=folds)), tmp_path / "first", quiet)
    again = DistillConfig(folds=folds, teachers=str(first.folder))
    second = fit(config(tiny_dataset, distill=again), tmp_path / "second", quiet)
    assert weights(second)["student"] == weights(first)["student"]
    assert len(second.teachers()) == folds
    with pytest.raises(RunError, match="learnt from other cells"):
        fit(config(tiny_dataset, distill=again, label_budget=6), tmp_path / "third", quiet)
    with pytest.raises(
        RunError, match="first: its teachers have been trained with another distill.dapi_dropout; leave"
    ):
        fit(config(tiny_dataset, distill=replace(again, dapi_dropout=0.5)), tmp_path / "third", quiet)
    assert not (tmp_path / "third").exists()


def test_teachers_of_cells_that_have_changed_places_are_not_taken_over(tiny_dataset, runs, tmp_path):
    """A training patient's labelled cell and a test patient's change places: the same deal of the same counts."""
    first = runs["distilled"]

    def swap(rows):
        by = first.config.split.by
        label = next(row["label"] for row in rows if row["label"])
        one, other = (
            next(row for row in rows if first.assignment[row[by]] == split and row["label"] == label)
            for split in ("train", "test")
        )
        for column in ("patient_id", "site"):
            one[column], other[column] = other[column], one[column]

    data = changed(tiny_dataset, tmp_path / "data", swap)
    settings = replace(first.config, data=str(data), distill=DistillConfig(teachers=str(first.folder)))
    assert fit(replace(settings, distill=first.config.distill), tmp_path / "alone", quiet).dealt == first.dealt
    with pytest.raises(RunError, match="learnt from other cells"):
        fit(settings, tmp_path / "run", quiet)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"pretrain": PretrainConfig(1, {"logits": {}})},
            "pretrain.losses must be .* no teacher, got logits; .*staining",
        ),
        ({"pretrain": PretrainConfig(1, {})}, "pretrain.losses must be .* no teacher, got none"),
        ({"distill": DistillConfig(losses={"staining": {}}, folds=2)}, "distill.folds is of teachers.*add the loss"),
        ({"distill": DistillConfig(losses={"staining": {}}, start="teacher")}, "distill.start is of teachers"),
        ({"mode": "brightfield", "distill": DistillConfig(losses={"nonsense": {}})}, "nonsense"),
        ({"student": ModelConfig("compact", weights="nowhere.keras")}, "nowhere.keras: no such weights file"),
        ({"teacher": ModelConfig("compact", BOTH, weights="nowhere.h5")}, "nowhere.h5: no such weights file"),
        ({"distill": DistillConfig(teachers="nowhere")}, "nowhere: is not a run folder"),
        ({"distill": DistillConfig(losses={"feature": {"tap": "stage9"}})}, "stage9"),
    ],
)
def test_settings_that_cannot_be_are_refused_before_anything_is_written(tiny_dataset, tmp_path, changes, message):
    with pytest.raises(TfctcError, match=message):
        fit(replace(config(tiny_dataset), **changes), tmp_path / "run", quiet)
    assert not (tmp_path / "run").exists()


def test_with_folds_no_teacher_starts_from_one_that_has_seen_them(tiny_dataset, runs, tmp_path):
    teacher = ModelConfig("compact", BOTH, weights=str(runs["distilled"].folder / "teacher.keras"))
    settings = replace(config(tiny_dataset), teacher=teacher)
    with pytest.raises(RunError, match="with distill.folds no teacher may know.*student.weights=.*student.keras"):
        fit(replace(settings, distill=DistillConfig(folds=2)), tmp_path / "folds", quiet)
    fit(settings, tmp_path / "one", quiet)


def test_a_student_that_starts_as_its_teacher_knows_what_the_teacher_knows_without_dapi(tiny_dataset, tmp_path):
    """Seen before it has learnt anything: at a learning rate that moves nothing."""
    distill = DistillConfig(dapi_dropout=0.5, start="teacher")
    run = fit(config(tiny_dataset, distill=distill, learning_rate=1e-12), tmp_path / "run", quiet)
    rng = np.random.default_rng(0)
    x = {"brightfield": rng.random((5, 16, 16, 1), np.float32)}
    blank = {"dapi": np.full((5, 16, 16, 1), run.record["normalisation"]["dapi"][0], np.float32)}
    teacher, student = run.teacher(), run.student()
    for layer in student.layers:  # Whose averages any training step moves.
        if "bn" in layer.name:
            layer.set_weights(teacher.get_layer(layer.name).get_weights())
    np.testing.assert_allclose(student(x), teacher(x | blank), rtol=1e-4, atol=1e-5)


def test_what_a_teacher_is_shown_without_dapi_is_part_of_its_training(tiny_dataset, runs, tmp_path):
    run = fit(config(tiny_dataset, distill=DistillConfig(dapi_dropout=0.5)), tmp_path / "run", quiet)
    assert weights(run)["teacher"] != weights(runs["distilled"])["teacher"]


def test_a_run_without_teacher_teaches_itself(tiny_dataset, runs, tmp_path):
    itself = DistillConfig(teachers=str(runs["brightfield"].folder))
    run = fit(config(tiny_dataset, "self-training", distill=itself), tmp_path / "run", quiet)
    assert weights(run)["teacher"] == weights(runs["brightfield"])["student"]
    assert weights(run)["student"] != weights(runs["brightfield"])["student"]
    assert {model.name for model in run.teachers()} == {"teacher"}
    with pytest.raises(RunError, match="of another kind"):
        fit(config(tiny_dataset, distill=itself), tmp_path / "distilled", quiet)


def test_runs_of_one_split_seed_share_patients_and_differ_in_labels(tiny_dataset, tmp_path):
    def run(seed, split_seed):
        settings = config(tiny_dataset, "brightfield", label_budget=8)
        split = replace(settings.split, seed=split_seed)
        return fit(replace(settings, seed=seed, split=split), tmp_path / f"{seed}-{split_seed}", quiet)

    one, other, apart = run(0, 5), run(1, 5), run(0, 6)
    assert one.assignment == other.assignment != apart.assignment
    assert weights(one)["student"] != weights(other)["student"]
    itself = DistillConfig(teachers=str(one.folder))
    stranger = replace(config(tiny_dataset, "self-training", distill=itself, label_budget=8), seed=1)
    with pytest.raises(RunError, match="learnt from other cells"):
        fit(replace(stranger, split=other.config.split), tmp_path / "stranger", quiet)


def test_labels_beyond_the_budget_are_not_known(tiny_dataset, tmp_path):
    settings = config(tiny_dataset, "brightfield", label_budget=8)
    before = fit(settings, tmp_path / "before", quiet)
    seed = stream_seed(settings, "labels")
    known = Selection(known=keep_labels(before.builder(), 8, seed), seed=seed)
    records = pipeline.records(before.builder(), "train", (), selection=known)
    kept = {r["cell_id"].decode() for r in records.as_numpy_iterator()}

    def swap(rows, these):
        """Exchanges the labels of two training cells of one patient that are, or are not, among the kept ones."""
        for patient, split in before.assignment.items():
            own = [row for row in rows if row["patient_id"] == patient and (row["cell_id"] in kept) == these]
            pair = {row["label"]: row for row in own}
            if split == "train" and len(pair) == 2:
                pair["ctc"]["label"], pair["leukocyte"]["label"] = "leukocyte", "ctc"
                return
        raise LookupError

    for these, same in ((False, True), (True, False)):
        data = changed(tiny_dataset, tmp_path / f"data{same}", lambda rows, these=these: swap(rows, these))
        after = fit(replace(settings, data=str(data)), tmp_path / f"after{same}", quiet)
        assert (weights(before) == weights(after)) == same


def test_teachers_of_a_run_that_has_none_are_not_taken_over(tiny_dataset, tmp_path):
    alone = fit(config(tiny_dataset, distill=DistillConfig(losses={"staining": {}})), tmp_path / "alone", quiet)
    with pytest.raises(RunError, match="alone: has no teacher"):
        fit(config(tiny_dataset, distill=DistillConfig(teachers=str(alone.folder))), tmp_path / "run", quiet)
    assert not (tmp_path / "run").exists()


def test_no_label_is_no_budget(tiny_dataset, tmp_path):
    with pytest.raises(ConfigError, match="label_budget must leave both classes a label.*got 0"):
        fit(config(tiny_dataset, "brightfield", label_budget=0), tmp_path / "run", quiet)


def test_a_run_is_not_judged_by_cells_that_it_has_learnt_from(tiny_dataset, runs, tmp_path):
    run = runs["brightfield"]
    home = {split: [p for p, s in run.assignment.items() if s == split] for split in ("train", "validation", "test")}

    def opened(name, change):
        data = changed(tiny_dataset, tmp_path / name, change)
        return replace(run, config=replace(run.config, data=str(data))).builder()

    def of(rows, split):
        return [row for row in rows if row["patient_id"] in home[split]]

    with pytest.raises(RunError, match="validation cells are not those that .* was chosen by; put the manifest back"):
        opened("chosen", lambda rows: of(rows, "validation")[0].update(patient_id=home["test"][0]))

    with pytest.raises(RunError, match="training cells are not those that .* has learnt from; put the manifest back"):
        opened("moved", lambda rows: of(rows, "train")[0].update(patient_id=home["test"][0]))
    opened("sorted", lambda rows: rows.sort(key=lambda row: row["cell_id"], reverse=True))
    opened("labels", lambda rows: of(rows, "test")[0].update(label=""))


def test_what_cannot_be_taught_is_told_before_anything_is_trained(tiny_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("tfctc.training.stage.Stage.train", lambda *_, **__: pytest.fail("trained"))
    unknown = config(tiny_dataset, distill=DistillConfig(losses={"feature": {"tap": "stage9"}}))
    with pytest.raises(ConfigError, match="no tap 'stage9'"):
        fit(unknown, tmp_path / "unknown", quiet)
    heir = config(tiny_dataset, distill=DistillConfig(start="teacher"))
    with pytest.raises(ConfigError, match="different networks.*one backbone"):
        fit(replace(heir, student=ModelConfig("resnet34")), tmp_path / "other", quiet)
    with pytest.raises(ConfigError, match="sees dapi knows nothing of brightfield"):
        fit(replace(heir, teacher=ModelConfig("compact", ("dapi",))), tmp_path / "blind", quiet)


def test_a_training_that_diverges_ends_with_an_error(tiny_dataset, tmp_path):
    with pytest.raises(RunError, match="student has diverged.*lower training.learning_rate"):
        fit(config(tiny_dataset, "brightfield", learning_rate=1e30, warmup=0.0), tmp_path / "run", quiet)


def test_dapi_is_left_out_of_its_share_of_the_cells():
    facts = RunConfig(distill=DistillConfig(dapi_dropout=0.25))
    summary = Summary({}, {"brightfield": (0.6, 0.1), "dapi": (0.2, 0.05)})
    show = some_without_dapi(Course(facts, None, None, {}, "", summary, None, quiet), seed=3)
    x = {name: np.random.default_rng(0).random((400, 8, 8, 1), np.float32) for name in BOTH}
    drawn = []
    for done in (0.1, 0.2):
        shown = show(x, np.zeros(400, np.int32), np.ones(400, np.float32), tf.constant(done))[0]
        np.testing.assert_array_equal(shown["brightfield"], x["brightfield"])
        blank = (shown["dapi"].numpy() == np.float32(0.2)).all(axis=(1, 2, 3))
        np.testing.assert_array_equal(shown["dapi"].numpy()[~blank], x["dapi"][~blank])
        assert blank.mean() == pytest.approx(0.25, abs=0.07)
        drawn.append(blank)
    assert (drawn[0] != drawn[1]).any()


def test_dapi_images_are_shown_less_and_less_and_look_like_brightfield():
    rng = np.random.default_rng(0)
    facts = RunConfig(mode="dapi-augmented", dapi_augmented=DapiAugmentedConfig(share=0.5, until=0.6))
    summary = Summary({}, {"brightfield": (0.6, 0.1), "dapi": (0.2, 0.05)})
    show = some_as_dapi(Course(facts, None, None, {}, "", summary, None, quiet))
    brightfield, dapi = (rng.normal(*summary.normalisation[c], (400, 8, 8, 1)).astype(np.float32) for c in BOTH)
    x = {"brightfield": brightfield, "dapi": dapi, "dapi_present": np.repeat([1.0, 0.0], 200).astype(np.float32)}
    shares = []
    for done in (0.0, 0.3, 0.6, 1.0):
        shown = show(x, np.zeros(400, np.int32), np.ones(400, np.float32), tf.constant(done))[0]["brightfield"].numpy()
        as_dapi = (shown != brightfield).any(axis=(1, 2, 3))
        assert not as_dapi[200:].any()
        shares.append(as_dapi[:200].mean())
        np.testing.assert_allclose(shown[as_dapi], (dapi[as_dapi] - 0.2) / 0.05 * 0.1 + 0.6, atol=1e-5)
    assert shares[0] == pytest.approx(0.5, abs=0.1) and shares[1] == pytest.approx(0.25, abs=0.1)
    assert shares[2:] == [0, 0]
