"""Recipes of all modes; nothing is trained here."""

from dataclasses import replace

import numpy as np
import pytest

from tfctc.augment.channels import DapiAsBrightfield, DapiDropout
from tfctc.cells import DatasetFacts
from tfctc.config import (
    DapiAugmentedConfig,
    DistillConfig,
    ModelConfig,
    PretrainConfig,
    RunConfig,
    TrainingConfig,
)
from tfctc.data.label_budget import KeptLabels
from tfctc.data.selection import Selection
from tfctc.data.splits import Splits
from tfctc.distill.losses import DistillationLoss
from tfctc.errors import ConfigError, UnknownNameError
from tfctc.recipes import RECIPES, conflicting_teacher_settings, resolve, stream_seed

BOTH = ("brightfield", "dapi")
LABELLED, UNLABELLED = Selection(), Selection("unlabelled")


def with_network(**options):
    """Settings of a student that reads the logits of teacher networks in every step."""
    return DistillConfig(**{"losses": {"logits": {"weight": 2.0, "temperature": 2.0}}, **options})


def recipe(mode="distilled", **settings):
    return resolve(RunConfig(**{"mode": mode, "distill": with_network(), **settings}))


def stage(found, name):
    (one,) = [stage for stage in found.stages if stage.name == name]
    return one


def names(found):
    return [stage.name for stage in found.stages]


@pytest.mark.parametrize("mode", list(RECIPES))
def test_every_recipe_ends_with_a_student_that_reads_brightfield_alone(mode):
    found = recipe(mode)
    last = found.stages[-1]
    assert (last.name, last.network, last.saved_as) == ("student", "student", "student.keras")
    assert found.student.channels == ("brightfield",) and list(found.networks)[-1] == "student"
    assert last.cells[0] == LABELLED and last.validation == LABELLED and last.training == TrainingConfig()
    assert len({network.seed for network in found.networks.values()}) == len(found.networks)


@pytest.mark.parametrize(
    ("mode", "stages", "channels", "cells", "teacher"),
    [
        ("distilled", ["teacher", "student"], BOTH, (LABELLED, UNLABELLED), BOTH),
        ("self-training", ["teacher", "student"], BOTH[:1], (LABELLED, UNLABELLED), BOTH[:1]),
        ("dapi-augmented", ["student"], BOTH, (LABELLED,), None),
        ("brightfield", ["student"], BOTH[:1], (LABELLED,), None),
    ],
)
def test_each_mode_has_its_stages_channels_cells_and_teacher(mode, stages, channels, cells, teacher):
    found = recipe(mode)
    assert names(found) == stages and found.channels == channels
    assert stage(found, "student").cells == cells
    assert (found.teacher and found.teacher.channels) == teacher
    assert found.uses_unlabelled_cells == (len(cells) > 1)
    losses = stage(found, "student").losses
    assert (list(losses), stage(found, "student").teachers) == ((["logits"], ("teacher",)) if teacher else ([], ()))


def test_a_teacher_learns_from_the_labelled_cells_that_it_can_see():
    """DAPI too, if it reads DAPI; it is validated on the same kind of cells, and saved."""
    for mode, with_dapi in (("distilled", True), ("self-training", False)):
        teacher = stage(recipe(mode), "teacher")
        seen = Selection(with_dapi=with_dapi)
        assert teacher.cells == (seen,) and teacher.validation == teacher.required == seen
        assert not teacher.losses and teacher.channels is None and teacher.saved_as == "teacher.keras"


def test_with_folds_no_teacher_learns_from_the_fold_that_it_teaches():
    found = recipe(distill=with_network(folds=3))
    assert found.teachers == ("teacher-0", "teacher-1", "teacher-2") and found.folds == 3
    assert [stage(found, name).cells[0].without_fold for name in found.teachers] == [0, 1, 2]
    assert stage(found, "student").teachers == found.teachers
    assert stage(found, "student").cells == (LABELLED, UNLABELLED)
    seeds = [found.networks[name].seed for name in (*found.teachers, "student")]
    assert len(set(seeds)) == 4 and seeds[0] == recipe().networks["teacher"].seed


def test_split_and_label_budget_reach_the_training_cells_and_not_the_validation_cells():
    splits = Splits("site", {"a": "train", "b": "test"}, {"a": 1}, KeptLabels((3, 4), 9))
    for mode in RECIPES:
        for one in resolve(RunConfig(mode=mode), splits).stages:
            for selection in one.cells:
                assert (selection.kept_labels, selection.by) == (KeptLabels((3, 4), 9), "site")
                assert selection.folds == (("a", 1),)
            assert one.validation.kept_labels is None


def test_a_teacher_may_train_for_fewer_epochs_than_its_student():
    found = recipe(distill=with_network(teacher_epochs=5), training=TrainingConfig(epochs=60))
    assert [one.training.epochs for one in found.stages] == [5, 60]
    assert recipe(training=TrainingConfig(epochs=7)).stages[0].training.epochs == 7


def test_a_teacher_may_learn_without_dapi_now_and_then():
    dropout = with_network(dapi_dropout=0.25)
    assert stage(recipe(distill=dropout), "teacher").channels == DapiDropout(0.25)
    assert stage(recipe(distill=dropout), "student").channels is None
    assert stage(recipe("self-training", distill=dropout), "teacher").channels is None


def test_a_student_may_start_as_its_teacher_and_before_its_first_stage():
    start = with_network(start="teacher")
    assert [one.start_from for one in recipe(distill=start).stages] == [None, "teacher"]
    found = recipe(distill=replace(start, folds=2), pretrain=PretrainConfig(1))
    assert [(one.name, one.start_from) for one in found.stages] == [
        ("teacher-0", None),
        ("teacher-1", None),
        ("pretraining", "teacher-0"),
        ("student", None),
    ]


def test_pretraining_needs_dapi_and_no_label():
    found = recipe(pretrain=PretrainConfig(4), training=TrainingConfig(epochs=60, patience=15))
    assert names(found) == ["teacher", "pretraining", "student"]
    one = stage(found, "pretraining")
    assert one.cells == (Selection("all", with_dapi=True),) and list(one.losses) == ["staining"]
    assert (one.label_weight, one.monitor, one.required, one.saved_as) == (0.0, "loss", None, None)
    assert (one.training.epochs, one.training.patience, one.training.class_weights) == (4, 4, "none")
    assert one.network == "student" and found.channels_of(one) == BOTH


def test_dapi_images_are_mixed_among_the_brightfield_ones_of_mode_dapi_augmented():
    one = stage(recipe("dapi-augmented", dapi_augmented=DapiAugmentedConfig(0.4, 0.7)), "student")
    assert one.channels == DapiAsBrightfield(0.4, 0.7) and one.required == Selection(with_dapi=True)


def test_a_student_taught_by_the_dapi_image_alone_has_no_teacher():
    found = recipe(distill=with_network(losses={"staining": {}}))
    assert names(found) == ["student"] and found.teachers == () and found.can_teach is None
    assert found.channels == BOTH and stage(found, "student").cells == (LABELLED, UNLABELLED)


@pytest.mark.parametrize(
    ("mode", "kinds", "networks", "stages", "channels", "teaches"),
    [
        ("distilled", ("dapi-forest",), ["student"], ["student"], BOTH[:1], ("dapi",)),
        ("distilled", ("network",), ["teacher", "student"], ["teacher", "student"], BOTH, BOTH),
        ("distilled", ("dapi-forest", "network"), ["teacher", "student"], ["teacher", "student"], BOTH, BOTH),
        ("self-training", ("network",), ["teacher", "student"], ["teacher", "student"], BOTH[:1], BOTH[:1]),
    ],
)
def test_soft_labels_are_given_before_the_student_trains(mode, kinds, networks, stages, channels, teaches):
    """So the student's stage reads bright-field alone, and a teacher that is no network has no stage."""
    found = recipe(mode, distill=DistillConfig(teacher_kinds=kinds))
    assert (list(found.networks), names(found), found.channels) == (networks, stages, channels)
    assert found.teacher_channels == teaches
    student = stage(found, "student")
    assert (student.teachers, student.soft_labels, student.balanced_draw) == ((), kinds, False)
    assert student.cells == (LABELLED, UNLABELLED) and found.channels_of(student) == BOTH[:1]
    assert f"1 x soft-labels, taught by {', '.join(kinds)}" in str(found)
    assert stage(recipe(mode, distill=DistillConfig(teacher_kinds=kinds, draw="balanced")), "student").balanced_draw


def test_self_training_asks_a_network_unless_another_kind_is_named():
    assert stage(recipe("self-training", distill=DistillConfig()), "student").soft_labels == ("network",)


def test_pseudo_labels_need_no_teacher_and_no_dapi():
    found = recipe("self-training", distill=DistillConfig(losses={"pseudo-labels": {}}))
    assert (list(found.networks), names(found), found.channels) == (["student"], ["student"], BOTH[:1])
    assert found.teacher_channels == () and stage(found, "student").cells == (LABELLED, UNLABELLED)


def test_soft_labels_and_taps_of_a_teacher_go_together():
    losses = {"soft-labels": {}, "logits": {}}
    student = stage(recipe(distill=DistillConfig(losses=losses)), "student")
    assert (student.teachers, student.soft_labels) == (("teacher",), DistillConfig.teacher_kinds)
    assert not stage(recipe(), "student").soft_labels and not stage(recipe(), "student").balanced_draw


def test_without_distillation_losses_the_student_learns_from_labels_alone():
    found = recipe(distill=with_network(student_weight=0.3, losses={}))
    one = stage(found, "student")
    assert (one.cells, one.losses, one.label_weight, found.channels) == ((LABELLED,), {}, 1.0, BOTH[:1])


def test_weights_schedule_and_losses_are_those_of_the_settings():
    losses = {"logits": {"weight": 0.5, "temperature": 3.0}, "feature": {"tap": "stage2"}}
    distill = with_network(student_weight=0.3, losses=losses, schedule="fade-out")
    one = stage(recipe(distill=distill), "student")
    assert (one.label_weight, one.schedule, list(one.losses)) == (0.3, "fade-out", ["logits", "feature"])
    assert (one.losses["logits"].weight, one.losses["logits"].temperature) == (0.5, 3.0)
    assert one.losses["feature"].tap == "stage2"


def test_teachers_of_an_earlier_run_are_not_trained_again():
    found = recipe(distill=with_network(teachers="runs/a", folds=2))
    assert names(found) == ["student"] and found.teachers_from == "runs/a"
    assert found.teachers == ("teacher-0", "teacher-1") == stage(found, "student").teachers


def test_what_another_run_may_use_as_its_teacher():
    student, teacher = ModelConfig("compact"), ModelConfig("resnet34", BOTH)
    can_teach = {mode: recipe(mode, student=student, teacher=teacher).can_teach for mode in RECIPES}
    assert can_teach == {
        "brightfield": student,
        "dapi-augmented": None,
        "distilled": teacher,
        "self-training": replace(teacher, channels=BOTH[:1]),
    }


def test_initial_weights_are_told_by_network():
    student, teacher = ModelConfig(weights="imagenet"), ModelConfig(channels=BOTH, weights="a.keras")
    assert recipe(student=student, teacher=teacher).initial_weights == {"teacher": "a.keras", "student": "imagenet"}
    assert recipe("brightfield", teacher=teacher).initial_weights == {}


def test_every_stream_of_random_numbers_has_a_seed_of_its_own():
    """The same in every version, from NumPy's seed sequence; further folds come after the first streams."""
    expected = [int(state) >> 1 for state in np.random.SeedSequence(7).generate_state(6)]
    streams = [stream_seed(7, name) for name in ("teacher", "student", "pretraining", "labels")]
    assert [*streams, stream_seed(7, "teacher", 1), stream_seed(7, "teacher", 2)] == expected
    assert stream_seed(7, "teacher", 0) == expected[0] and len(set(expected)) == 6


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"mode": "magic"},
            "unknown mode 'magic'; choose one of: brightfield, dapi-augmented, distilled, self-training",
        ),
        ({"teacher": ModelConfig("compact")}, "teacher.channels must hold dapi in mode distilled.*mode self-training"),
        ({"training": TrainingConfig(batch_size=1)}, "training.batch_size must be at least 2 in mode distilled.*got 1"),
        ({"mode": "brightfield", "pretrain": PretrainConfig(1)}, "mode brightfield reads no DAPI.*got 1"),
        ({"mode": "self-training", "pretrain": PretrainConfig(1)}, "mode self-training reads no DAPI"),
        (
            {"mode": "self-training", "distill": with_network(losses={"logits": {}, "staining": {}})},
            "staining reads DAPI, which mode self-training does not; leave out staining, or choose mode distilled",
        ),
        (
            {"pretrain": PretrainConfig(1, {"logits": {}})},
            "pretrain.losses must be .* no teacher and no labels, got logits; .*staining",
        ),
        ({"pretrain": PretrainConfig(1, {})}, "pretrain.losses must be .* no teacher and no labels, got none"),
        (
            {"distill": with_network(losses={"staining": {}}, folds=2)},
            "about teacher networks.*add the loss",
        ),
        (
            {"distill": with_network(losses={"staining": {}}, start="teacher")},
            "distill.start is about teacher networks",
        ),
        ({"distill": DistillConfig(folds=2)}, 'distill.folds is about teacher networks.*add "network" to distill.teac'),
        (
            {"distill": DistillConfig(teacher_kinds=("magic",))},
            "unknown kind of teacher 'magic'; choose one of: b",
        ),
        ({"distill": DistillConfig(teacher_kinds=("network", "network"))}, "teacher_kinds must name each kind once"),
        (
            {"mode": "self-training", "distill": DistillConfig(teacher_kinds=("network", "dapi-forest"))},
            "dapi-forest reads DAPI, which mode self-training does not; leave out dapi-forest",
        ),
        (
            {"pretrain": PretrainConfig(1, {"soft-labels": {}})},
            "pretrain.losses must be .* no teacher and no labels, got soft-labels",
        ),
        (
            {"pretrain": PretrainConfig(1, {"pseudo-labels": {}})},
            "pretrain.losses must be .* no teacher and no labels, got pseudo-labels",
        ),
        ({"mode": "brightfield", "distill": with_network(losses={"nonsense": {}})}, "unknown .* loss 'nonsense'"),
        ({"pretrain": PretrainConfig(0, {"nonsense": {}})}, "unknown distillation loss 'nonsense'"),
        ({"mode": "brightfield", "teacher": ModelConfig("resnet51")}, "unknown backbone 'resnet51'"),
        ({"augment": {"magic": {}}}, "unknown augmentation 'magic'"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        resolve(RunConfig(**settings))


def test_images_too_small_for_a_network_are_refused_once_the_data_set_is_known():
    with pytest.raises(ConfigError, match="backbone resnet50 needs images of 32 px or more, got .16, 16.*compact"):
        resolve(RunConfig(), facts=DatasetFacts("few", image_size=(16, 16)))
    resolve(
        RunConfig(student=ModelConfig("compact"), mode="brightfield"), facts=DatasetFacts("few", image_size=(16, 16))
    )


def test_a_recipe_prints_what_it_will_do():
    text = str(recipe(distill=with_network(folds=2, dapi_dropout=0.5), pretrain=PretrainConfig(3)))
    for words in (
        "recipe distilled, auto, channels brightfield + dapi",
        "teacher-1  resnet50 on brightfield + dapi",
        "labelled cells with DAPI without fold 1",
        "DapiDropout(share=0.5)",
        "3 pretraining",
        "1 x staining",
        "all cells with DAPI",
        "labelled cells and unlabelled cells",
        "1 x label loss + 2 x logits, taught by teacher-0, teacher-1",
        "saved as   student.keras",
        "augmentation",
    ):
        assert words in text, words
    assert "Stage(name='student'" in repr(recipe("brightfield"))


def test_a_new_mode_is_one_registration(monkeypatch):
    """As a file in tfctc/recipes, or an entry point of another package, makes it."""
    from tfctc.recipes.build import recipe_from_labels

    monkeypatch.setitem(RECIPES._entries, "mine", lambda config: recipe_from_labels(config, can_teach=config.student))
    found = recipe("mine")
    assert found.mode == "mine" and names(found) == ["student"]


def test_settings_of_teachers_conflict_where_they_ask_for_others_than_were_trained():
    trained = RunConfig(distill=with_network(teacher_epochs=5))
    assert conflicting_teacher_settings(RunConfig(), trained) == []
    assert conflicting_teacher_settings(trained, trained) == []
    other = RunConfig(distill=with_network(teacher_epochs=6, dapi_dropout=0.1))
    assert conflicting_teacher_settings(other, trained) == ["distill.teacher_epochs", "distill.dapi_dropout"]


def test_losses_are_values_of_the_recipe():
    """So that the trainer need not build them again."""
    assert all(isinstance(loss, DistillationLoss) for loss in stage(recipe(), "student").losses.values())
    with pytest.raises(UnknownNameError):
        recipe(distill=with_network(losses={"logit": {}}))
