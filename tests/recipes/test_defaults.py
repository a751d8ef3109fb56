"""Defaults that the data set decides."""

import pytest

from tfctc.recipes.defaults import default_backbones, default_learning_rate


def backbones(size=40, earlier=None, **given):
    return {default.key: default.value for default in default_backbones(given, (size, size), earlier)}


def both(student, teacher):
    return {"student.backbone": student, "teacher.backbone": teacher}


def test_small_images_have_the_compact_network_and_larger_ones_a_resnet50():
    assert backbones(40) == backbones(64) == both("compact", "compact")
    assert backbones(65) == both("resnet50", "resnet50")
    (backbone, *_) = default_backbones({}, (40, 80))
    assert backbone.value == "resnet50" and "40 x 80 px" in str(backbone)


@pytest.mark.parametrize("weights", ["imagenet", "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"])
def test_published_weights_have_a_network_for_which_they_exist(weights):
    assert backbones(student={"weights": weights}) == both("resnet50", "resnet50")
    assert backbones(teacher={"weights": weights}) == both("compact", "resnet50")


def test_weights_of_an_earlier_run_have_its_networks():
    assert backbones(earlier={"student": "resnet34"}) == both("resnet34", "resnet34")
    assert backbones(earlier={"student": "compact", "teacher": "resnet34"}) == both("compact", "resnet34")
    assert backbones(earlier={"student": "resnet34"}, student={"backbone": "compact"}) == {
        "teacher.backbone": "compact"
    }


def test_what_is_given_is_kept_and_decides_the_teachers():
    assert backbones(student={"backbone": "resnet34", "dropout": 0.1}) == {"teacher.backbone": "resnet34"}
    assert backbones(student={"backbone": "resnet34"}, teacher={"backbone": "compact"}) == {}


@pytest.mark.parametrize(
    ("networks", "rate", "reason"),
    [
        (["compact"], 0.01, "for compact"),
        (["resnet34"], 0.001, "for resnet34"),
        (["resnet50", "compact", "compact"], 0.001, "for compact and resnet50"),
    ],
)
def test_the_learning_rate_suits_every_network(networks, rate, reason):
    found = default_learning_rate(networks)
    assert (found.key, found.value, found.reason) == ("training.learning_rate", rate, reason)


def test_a_default_tells_its_reason():
    (backbone, teacher) = map(str, default_backbones({}, (40, 40)))
    assert backbone == ("student.backbone = compact (for images of 40 x 40 px; at 40 and 64 px no ResNet50 was better)")
    assert teacher == "teacher.backbone = compact (that of the student)"
