"""Settings of a training: what is given, what an earlier run has, and what the data set decides."""

import pytest

from tfctc.api.settings import given_settings
from tfctc.errors import ConfigError
from tfctc.recipes import resolve


def completed(config=None, init=None, backbone=None, epochs=None, size=(40, 40), **settings):
    chosen, recipe, defaults = given_settings(config, init, backbone, epochs, settings).completed(size)
    assert str(recipe) == str(resolve(chosen))
    return chosen, {default.key: default.value for default in defaults}


def test_keyword_arguments_override_the_file_and_shortcuts_override_both(tmp_path):
    (tmp_path / "run.toml").write_text("[training]\nepochs = 5\nbatch_size = 4\nlearning_rate = 0.5\n")
    chosen, defaults = completed(tmp_path / "run.toml", epochs=7, training={"epochs": 6}, **{"training.warmup": 0.2})
    training = chosen.training
    assert (training.epochs, training.batch_size, training.learning_rate, training.warmup) == (7, 4, 0.5, 0.2)
    assert defaults == {"student.backbone": "compact", "teacher.backbone": "compact"}


def test_teachers_of_an_earlier_run_keep_their_network(distilled_run):
    teachers = {"losses": {"logits": {}}, "teachers": str(distilled_run.folder)}
    chosen, defaults = completed(distill=teachers)
    assert chosen.teacher.backbone == defaults["teacher.backbone"] == "tiny"
    assert chosen.student.backbone == "compact" and chosen.training.learning_rate == 0.001, "the smaller of both"


def test_networks_that_are_not_trained_do_not_choose_the_learning_rate():
    """The teachers are forests."""
    chosen, _ = completed(teacher={"backbone": "resnet50"})
    assert chosen.training.learning_rate == 0.01


def test_a_value_of_another_type_is_found_before_anything_depends_on_it():
    for settings in ({"student": "compact"}, {"training": 3}, {"student.weights": 5}, {"distill.teachers": 5}):
        with pytest.raises(ConfigError, match=next(iter(settings))):
            completed(**settings)
