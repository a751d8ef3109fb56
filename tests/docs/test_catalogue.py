"""The catalogue: a section, the true defaults and a picture for every registered loss and augmentation."""

import dataclasses
import inspect
import re

import loss_sheet
import numpy as np
import pytest
import runner
import strength_sheet
from documentation import DOCS, sections
from PIL import Image

from tfctc.augment import AUGMENTATIONS
from tfctc.cells import BRIGHTFIELD, DAPI
from tfctc.distill.losses import LOSSES

CATALOGUE = DOCS / "catalogue"
MOST_BYTES = 100_000


def defaults(section):
    """Argument -> default as written, from the rows of a section's table."""
    return dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", section, re.MULTILINE))


def check_picture(section, path):
    assert f"]({path.relative_to(CATALOGUE).as_posix()})" in section
    assert path.stat().st_size < MOST_BYTES
    with Image.open(path) as image:
        assert image.format == "PNG" and min(image.size) > 100


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_has_a_section_with_its_defaults_and_a_picture(name):
    section = sections(CATALOGUE / "losses.md")[name]
    arguments = list(inspect.signature(LOSSES[name]).parameters.values())
    written = {argument.name: repr(argument.default).replace("'", '"') for argument in arguments}
    assert defaults(section) == written
    check_picture(section, CATALOGUE / "losses" / f"{name}.png")
    assert "**Use it**" in section and "Reads: " in section and re.search(r"arxiv\.org|doi\.org", section)


@pytest.mark.parametrize("name", list(AUGMENTATIONS))
def test_every_augmentation_has_a_section_with_its_defaults_and_a_picture(name):
    section = sections(CATALOGUE / "augmentations.md", level=3)[name]
    fields = dataclasses.fields(AUGMENTATIONS[name])
    assert defaults(section) == {field.name: repr(field.default) for field in fields}
    for field in fields:
        most = field.metadata["most"]
        limit = "" if most == float("inf") else f"{most:g} "
        assert f"| `{field.name}` | `{field.default}` | {limit}|" in section
    check_picture(section, CATALOGUE / "augmentations" / f"{name}.png")


def test_no_picture_is_left_over():
    for folder, names in (("losses", LOSSES), ("augmentations", AUGMENTATIONS)):
        assert {path.stem for path in (CATALOGUE / folder).glob("*.png")} == set(names)


def test_the_pictures_of_augmentations_show_the_strengths_that_they_name():
    cells = strength_sheet.simulated_cells(2, seed=0)
    assert cells[BRIGHTFIELD].shape == cells[DAPI].shape == (2, strength_sheet.SIZE, strength_sheet.SIZE, 1)
    assert strength_sheet.strengths("gain", 4) == {"log": 0.4}
    assert strength_sheet.strengths("vignette", 100) == {"share": 0.4}
    off = strength_sheet.augmented("gain", {"log": 0.0}, cells, seed=0)
    weak, strong = (strength_sheet.augmented("gain", {"log": log}, cells, seed=0) for log in (0.05, 0.1))
    np.testing.assert_array_equal(off[BRIGHTFIELD], cells[BRIGHTFIELD])
    factor, doubled = (np.median(x[BRIGHTFIELD] / cells[BRIGHTFIELD], axis=(1, 2, 3)) for x in (weak, strong))
    np.testing.assert_allclose(doubled, factor**2, rtol=1e-5)
    np.testing.assert_array_equal(strong[DAPI], cells[DAPI])


#: Changes that a loss without a trainable part ignores, by its formula.
IGNORED = {
    "logits": {"shifted by 1"},
    "attention": {"scaled × 3", "channels permuted", "channels rotated"},
    "relational": {"scaled × 3", "shifted by 1", "channels permuted", "channels rotated"},
}


@pytest.mark.parametrize("name", list(IGNORED))
def test_the_pictures_of_losses_show_what_the_formula_ignores(name):
    values = loss_sheet.invariances(name, seed=0)
    assert abs(values.pop("the same")) < 1e-6
    assert {change for change, value in values.items() if abs(value) < 1e-5} == IGNORED[name]


def test_a_projector_undoes_a_linear_change(monkeypatch):
    monkeypatch.setattr(loss_sheet, "PROJECTOR_STEPS", 150)
    values = loss_sheet.invariances("embedding", seed=0)
    linear = [values[change] for change in ("the same", "scaled × 3", "channels permuted", "channels rotated")]
    assert max(linear) < 0.05 and values["cells shuffled"] > 0.5


def test_the_values_of_a_loss_are_those_of_numpy():
    values = loss_sheet.invariances("logits", seed=0)
    rng = np.random.default_rng([0, 1])
    loss_sheet.teacher_features(loss_sheet.TIMES * loss_sheet.CELLS, rng)
    logits = loss_sheet.teacher_features(loss_sheet.CELLS, rng)["logits"]

    def softmax(x):
        return np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)

    taught, learnt = softmax(logits / 2), softmax(3 * logits / 2)
    expected = 4 * (taught * np.log(taught / learnt)).sum(axis=1).mean()
    assert values["scaled × 3"] == pytest.approx(expected, rel=1e-4)


def test_one_command_writes_a_picture_for_each_name(tmp_path, monkeypatch):
    drawn = {name: Image.new("L", (5, place + 1)) for place, name in enumerate(("flip", "gain"))}
    monkeypatch.setattr(strength_sheet, "draw", lambda options: drawn)
    assert runner.main(["strength-sheet", "--out", str(tmp_path / "pictures")]) == 0
    for name, size in {"flip": (5, 1), "gain": (5, 2)}.items():
        with Image.open(tmp_path / "pictures" / f"{name}.png") as image:
            assert image.size == size
