"""Kinds of teachers that give soft labels: a cell's logits are of a teacher that has not seen its label, or say so."""

import keras
import numpy as np
import pytest
from discs import disc
from scipy.special import log_softmax, logsumexp
from sklearn.metrics import roc_auc_score

from tfctc.distill.teacher_kinds import TEACHER_KINDS, TeachingCells
from tfctc.distill.teacher_kinds import forests as module

N = 90


def network(seed):
    keras.utils.set_random_seed(seed)
    inputs = {name: keras.Input((24, 24, 1), name=name) for name in ("brightfield", "dapi")}
    x = keras.layers.Flatten()(keras.layers.Concatenate()(list(inputs.values())))
    return keras.Model(inputs, keras.layers.Dense(2)(x))


def cells(label=None, networks=1, fold=None, classes=2, group=None):
    """Large nuclei are of class 1. Two of three cells have a label."""
    rng = np.random.default_rng(0)
    truth = np.arange(N) % 2
    images = np.stack([disc(24, 4 + 3 * t + rng.normal(0, 0.3), seed=i) for i, t in enumerate(truth)])[..., None]
    images = {"brightfield": rng.random(images.shape).astype(np.float32), "dapi": images.astype(np.float32)}

    def batches(channels):
        for start in range(0, N, 32):
            yield {name: images[name][start : start + 32] for name in channels}

    label = np.where(np.arange(N) % 3 < 2, truth, -1) if label is None else label
    group = np.array([f"p{i // 10}" for i in range(N)]) if group is None else group
    fold = np.full(N, -1) if fold is None else fold
    made = [network(seed) for seed in range(networks)]
    return TeachingCells(batches, label, group, fold, classes, made, seed=5), truth, images


@pytest.mark.parametrize("kind", list(TEACHER_KINDS))
def test_every_kind_gives_finite_logits_for_all_cells_and_the_same_again(kind):
    asked, _, _ = cells()
    one, two = TEACHER_KINDS[kind].ask(asked), TEACHER_KINDS[kind].ask(asked)
    assert one.logits.shape == (N, 2) and np.isfinite(one.logits).all()
    assert one.unseen[asked.label < 0].all()
    np.testing.assert_array_equal(one.logits, two.logits)
    np.testing.assert_array_equal(one.unseen, two.unseen)


def test_a_forest_learns_the_size_of_the_nucleus():
    asked, truth, _ = cells()
    found = TEACHER_KINDS["dapi-forest"].ask(asked)
    odds = found.logits[:, 1] - found.logits[:, 0]
    assert found.unseen.all()
    assert roc_auc_score(truth[asked.label < 0], odds[asked.label < 0]) > 0.95
    assert roc_auc_score(truth[asked.label >= 0], odds[asked.label >= 0]) > 0.95


def test_a_forest_has_not_seen_the_labels_of_the_cells_that_it_judges():
    """With labels drawn by lot, a forest that had seen them would know them all."""
    label = np.random.default_rng(1).integers(0, 2, N)
    asked, _, _ = cells(label)
    found = TEACHER_KINDS["dapi-forest"].ask(asked)
    assert found.unseen.all()
    assert 0.3 < roc_auc_score(label, found.logits[:, 1] - found.logits[:, 0]) < 0.7


def test_a_forest_keeps_patients_together_where_it_can(monkeypatch):
    trained = []
    given = module._logits
    monkeypatch.setattr(module, "_logits", lambda *a: trained.append((len(a[0]), len(a[2]))) or given(*a))
    patients = np.array([f"p{i // 30}" for i in range(N)])
    TEACHER_KINDS["dapi-forest"].ask(cells(group=patients)[0])
    assert trained == [(60, N), *[(40, 20)] * 3]  # all labels, then without each of three patients

    label = np.where(np.arange(N) < 30, 0, 1)  # the first patient alone has class 0
    folds = module._folds(label, patients, 0)
    assert len(folds) == module.FOLDS and all(set(label[train]) == {0, 1} for train, _ in folds)
    assert sorted(np.concatenate([held_out for _, held_out in folds])) == list(range(N))


@pytest.mark.parametrize("each", [2, 3, 4])
def test_a_forest_cross_fits_from_a_few_cells_of_each_class(each):
    label = np.full(N, -1)
    label[: 2 * each] = np.arange(2 * each) % 2
    found = TEACHER_KINDS["dapi-forest"].ask(cells(label, group=np.arange(N).astype(str))[0])
    assert found.unseen.all() and np.isfinite(found.logits).all()


def test_a_forest_with_one_cell_of_a_class_cannot_cross_fit_and_says_so():
    label = np.full(N, -1)
    label[:6] = [0, 0, 0, 0, 0, 1]
    found = TEACHER_KINDS["dapi-forest"].ask(cells(label, group=np.full(N, "p"))[0])
    np.testing.assert_array_equal(found.unseen, label < 0)


def test_a_forest_gives_a_class_without_a_cell_a_small_probability():
    found = TEACHER_KINDS["dapi-forest"].ask(cells(classes=3)[0])
    assert found.logits.shape == (N, 3) and (np.exp(found.logits[:, 2]) < 0.01).all()
    np.testing.assert_allclose(np.exp(found.logits).sum(1), 1)


def test_a_network_judges_every_cell_and_has_seen_the_labelled_ones():
    asked, _, images = cells()
    found = TEACHER_KINDS["network"].ask(asked)
    np.testing.assert_allclose(found.logits, asked.networks[0].predict(images, verbose=0), rtol=1e-4)
    np.testing.assert_array_equal(found.unseen, asked.label < 0)


def test_networks_of_folds_judge_their_fold_alone_and_other_cells_together():
    fold = np.where(np.arange(N) < 60, np.arange(N) % 2, -1)
    asked, _, images = cells(networks=2, fold=fold)
    each = np.stack([model.predict(images, verbose=0) for model in asked.networks])
    together = logsumexp(log_softmax(each, -1), 0) - np.log(2)
    expected = np.where(fold[:, None] >= 0, each[np.maximum(fold, 0), np.arange(N)], together)
    found = TEACHER_KINDS["network"].ask(asked)
    np.testing.assert_allclose(found.logits, expected, rtol=1e-4)
    assert found.unseen.all()
