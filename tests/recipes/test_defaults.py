"""Defaults that the data set decides."""

import pytest

from tfctc.recipes.defaults import defaults_for


def chosen(size, **given):
    return {default.key: default.value for default in defaults_for(given, (size, size))}


def test_small_images_have_the_compact_network_and_its_learning_rate():
    expected = {"student.backbone": "compact", "teacher.backbone": "compact", "training.learning_rate": 0.01}
    assert chosen(40) == chosen(64) == expected


def test_larger_images_have_a_resnet50():
    expected = {"student.backbone": "resnet50", "teacher.backbone": "resnet50", "training.learning_rate": 0.001}
    assert chosen(65) == expected
    (backbone, *_) = defaults_for({}, (40, 80))
    assert backbone.value == "resnet50" and "40 x 80 px" in str(backbone)


@pytest.mark.parametrize("weights", ["imagenet", "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"])
def test_published_weights_have_a_network_for_which_they_exist(weights):
    assert chosen(40, student={"weights": weights})["student.backbone"] == "resnet50"


def test_what_is_given_is_kept_and_decides_the_rest():
    given = {"student": {"backbone": "resnet34", "dropout": 0.1}}
    assert chosen(40, **given) == {"teacher.backbone": "resnet34", "training.learning_rate": 0.001}
    everything = given | {"teacher": {"backbone": "compact"}, "training": {"learning_rate": 0.5}}
    assert chosen(40, **everything) == {}


def test_a_default_tells_its_reason():
    (backbone, teacher, rate) = map(str, defaults_for({}, (40, 40)))
    assert backbone == (
        "student.backbone = compact (for images of 40 x 40 px; a ResNet50 was not better at up to 64 px)"
    )
    assert teacher == "teacher.backbone = compact (that of the student)"
    assert rate == "training.learning_rate = 0.01 (for compact)"
