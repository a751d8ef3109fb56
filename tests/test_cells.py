"""Cells and the facts of a data set."""

import pytest

from tfctc.cells import COLUMNS, UNLABELLED, DatasetFacts
from tfctc.errors import ManifestError


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
    ("wrong", "message"),
    [
        ({"name": "a b"}, "name must be letters, digits, - and _, got 'a b'"),
        ({"classes": ("ctc", "ctc")}, "classes must be two different names"),
        ({"classes": ("ctc", "")}, "classes must be two different names"),
        ({"classes": ("ctc", "unlabelled")}, "no class may be called unlabelled"),
        ({"bit_depth": 7}, "bit_depth must be 8 to 16, got 7"),
        ({"bit_depth": 32}, "bit_depth must be 8 to 16, got 32"),
        ({"image_size": (0, 64)}, r"image_size must be .height, width. in pixels, got \[0, 64\]"),
        ({"mpp": 0.0}, "mpp must be micrometres per pixel above 0, got 0.0"),
        ({"mpp": float("inf")}, "mpp must be micrometres per pixel above 0, got inf"),
    ],
)
def test_impossible_facts_are_refused(wrong, message):
    with pytest.raises(ManifestError, match=f"^{message}"):
        DatasetFacts(**{"name": "x"} | wrong)


def test_a_third_class_is_named_other_and_old_digests_stay():
    two, three = DatasetFacts("x"), DatasetFacts("x", other=True)
    assert (two.labels, three.labels) == (("leukocyte", "ctc"), ("leukocyte", "ctc", "other"))
    assert (two.compared, three.compared) == (("leukocyte", "ctc"), ("leukocyte or other", "ctc"))
    assert [three.class_index(label) for label in ("leukocyte", "ctc", "other", "")] == [0, 1, 2, UNLABELLED]
    assert "other" not in two.identity() and three.identity()["other"] is True
    with pytest.raises(ManifestError, match="unknown label 'other'; use one of: leukocyte, ctc"):
        two.class_index("other")
    with pytest.raises(ManifestError, match="a class is called other, and so is the third class; rename that class"):
        DatasetFacts("x", classes=("other", "ctc"), other=True)
