"""Cells, errors and the registry."""

import pytest

from tfctc.cells import COLUMNS, UNLABELLED, DatasetFacts
from tfctc.errors import ManifestError, TfctcError, UnknownNameError
from tfctc.registry import Registry


def test_facts_scale_by_the_declared_bit_depth():
    assert [(DatasetFacts("x", bit_depth=b).full_scale, DatasetFacts("x", bit_depth=b).dtype) for b in (8, 12, 16)] == [
        (255, "uint8"),
        (4095, "uint16"),
        (65535, "uint16"),
    ]


def test_labels_are_data():
    facts = DatasetFacts("x", classes=("interphase", "mitosis"))
    assert [facts.class_index(label) for label in ("interphase", "mitosis", "")] == [0, 1, UNLABELLED]
    with pytest.raises(ManifestError, match="unknown label 'ctc'; use one of: interphase, mitosis"):
        facts.class_index("ctc")
    assert COLUMNS == ("cell_id", "patient_id", "site", "brightfield", "dapi", "label")


@pytest.mark.parametrize(
    "wrong",
    [
        {"classes": ("ctc", "ctc")},
        {"classes": ("ctc", "")},
        {"classes": ("ctc", "unlabelled")},
        {"bit_depth": 7},
        {"bit_depth": 32},
        {"image_size": (0, 64)},
        {"mpp": 0.0},
    ],
)
def test_impossible_facts_are_refused(wrong):
    with pytest.raises(ManifestError):
        DatasetFacts("x", **wrong)


def test_an_error_is_one_line_and_carries_its_data():
    error = TfctcError("is\nbroken", path="a.png", fix="mend it")
    assert str(error) == "a.png: is broken; mend it"
    assert (error.path, error.fix, error.exit_code) == ("a.png", "mend it", 2)


def test_an_unknown_name_lists_the_known():
    registry = Registry("fruit")
    registry.register("pear")(1)
    registry.register("apple")(2)
    assert registry["pear"] == 1 and list(registry) == ["apple", "pear"]
    with pytest.raises(UnknownNameError, match="unknown fruit 'plum'; choose one of: apple, pear"):
        registry["plum"]
    with pytest.raises(ValueError, match="twice"):
        registry.register("pear")
