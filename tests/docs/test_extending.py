"""The examples on the page "Extending" work as they stand."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
from documentation import DOCS, blocks

import tfctc
from tfctc.augment import AUGMENTATIONS, Policy
from tfctc.cells import BRIGHTFIELD, DAPI
from tfctc.config import ModelConfig, RunConfig
from tfctc.data.importers import IMPORTERS, PRESETS
from tfctc.data.manifest import Manifest
from tfctc.distill.losses import LOSSES, build_losses
from tfctc.distill.teacher_kinds import TEACHER_KINDS, TeachingCells
from tfctc.io.images import read_channel
from tfctc.io.naming import Names
from tfctc.models.backbones import BACKBONES
from tfctc.models.classifier import build_classifier, with_taps
from tfctc.recipes import RECIPES, resolve

REGISTRIES = {"LOSSES": LOSSES, "BACKBONES": BACKBONES, "AUGMENTATIONS": AUGMENTATIONS, "PRESETS": PRESETS}
REGISTRIES |= {"RECIPES": RECIPES, "IMPORTERS": IMPORTERS, "TEACHER_KINDS": TEACHER_KINDS}


@pytest.fixture
def example():
    """Runs the example that registers a name; the name is unknown again after the test."""
    added = []

    def run(registry, name):
        (code,) = [c for c in blocks(DOCS / "extending.md", "python") if f'{registry}.register("{name}")' in c]
        list(REGISTRIES[registry])  # The built-in entries come first.
        exec(compile(code, f"extending.md: {name}", "exec"), {"__name__": f"example_{name}"})
        added.append((REGISTRIES[registry], name))
        return REGISTRIES[registry][name]

    yield run
    for registry, name in added:
        del registry._entries[name]


def test_there_is_an_example_of_every_part():
    code = "\n".join(blocks(DOCS / "extending.md", "python"))
    assert set(re.findall(r"(\w+)\.register\(", code)) == set(REGISTRIES)


def test_the_loss_counts_cells_that_the_teacher_is_sure_about(example):
    example("LOSSES", "confident")
    (loss,) = build_losses({"confident": {"least": 0.8}}).values()
    teacher = np.float32([[2, 0], [0, 0.5], [0, 3]])
    student = np.float32([[0, 0], [3, 0], [0, 3]])
    found = loss({"logits": keras.ops.convert_to_tensor(student)}, {"logits": keras.ops.convert_to_tensor(teacher)}, {})
    p = np.exp(2) / (np.exp(2) + 1)
    np.testing.assert_allclose(found, [np.log(2) + p * np.log(p) + (1 - p) * np.log(1 - p), 0, 0], atol=1e-6)


def test_the_kind_of_teacher_learns_from_the_total_of_the_stain(example):
    kind = example("TEACHER_KINDS", "dna-content")
    label = np.arange(40) % 2
    images = np.random.default_rng(0).uniform(0.2, 0.3, (40, 8, 8, 1)) + 0.1 * label[:, None, None, None]
    hidden = np.where(np.arange(40) < 30, label, -1)
    cells = TeachingCells(lambda channels: [{DAPI: images}], hidden, hidden.astype(str), hidden, 3)
    found = kind.ask(cells)
    assert (found.logits.argmax(1) == label).all() and found.logits.shape == (40, 3)
    np.testing.assert_array_equal(found.unseen, hidden < 0)
    assert kind.channels == (DAPI,) and not kind.network


def test_the_backbone_has_its_taps(example):
    backbone = example("BACKBONES", "plain")
    config = ModelConfig(backbone="plain")
    model = build_classifier(config, (24, 24), {BRIGHTFIELD: (0.5, 0.1)})
    taps = with_taps(model, config, {*backbone.taps, "embedding", "logits"})(
        {BRIGHTFIELD: np.zeros((2, 24, 24, 1), np.float32)}
    )
    shapes = {name: tuple(x.shape) for name, x in taps.items()}
    assert shapes["stage3"] == (2, 3, 3, 64) and shapes["embedding"] == (2, 64) and shapes["logits"] == (2, 2)


def test_the_augmentation_changes_whole_rows_of_bright_field(example):
    example("AUGMENTATIONS", "row_noise")
    images = {BRIGHTFIELD: np.full((3, 16, 16, 1), 0.5, np.float32), DAPI: np.zeros((3, 16, 16, 1), np.float32)}
    images[BRIGHTFIELD][:, 4:12, 4:12] = 0.7
    found = Policy.from_config({"row_noise": {"contrasts": 0.5}})(images, tf.constant([1, 2]))
    moved = found[BRIGHTFIELD].numpy() - images[BRIGHTFIELD]
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:, :, :1], moved.shape), atol=1e-6)
    assert moved.std(axis=1).max() > 0.01
    np.testing.assert_array_equal(found[DAPI], images[DAPI])
    none = Policy.from_config({"row_noise": {"contrasts": 0.0}})(images, tf.constant([1, 2]))
    np.testing.assert_array_equal(none[BRIGHTFIELD], images[BRIGHTFIELD])


def test_the_preset_finds_patient_cell_and_channel(example):
    preset = example("PRESETS", "events")
    found = [Names(preset.naming()).match(path).groups for path in preset.example]
    assert found == [{"patient": "patient1", "cell": "0007", "channel": channel} for channel in ("BF", "DAPI")]


def test_the_importer_reads_every_array_as_a_cell(example, tmp_path):
    example("IMPORTERS", "arrays")
    (tmp_path / "scans").mkdir()
    arrays = {f"P{n}": np.random.default_rng(n).integers(0, 256, (3, 8, 9), np.uint8) for n in range(2)}
    for patient, array in arrays.items():
        np.save(tmp_path / "scans" / f"{patient}.npy", array)
    tfctc.import_images(tmp_path / "scans", tmp_path / "cells", files="{patient}.npy")
    manifest = Manifest.open(tmp_path / "cells")
    assert [cell.cell_id for cell in manifest.cells()] == [f"P{p}/{n}" for p in range(2) for n in range(3)]
    for cell in manifest.cells():
        pixels = read_channel(cell.brightfield, manifest.facts)[..., 0]
        np.testing.assert_array_equal(pixels, arrays[cell.patient_id][int(cell.cell_id[-1])])


def test_the_mode_pretrains_and_then_learns_from_labels(example):
    example("RECIPES", "pretrained")
    first, second = resolve(RunConfig(mode="pretrained")).stages
    assert (first.name, first.training.epochs, list(first.losses)) == ("pretraining", 60, ["staining"])
    assert (second.name, second.losses, second.teachers) == ("student", {}, ())
