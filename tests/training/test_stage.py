"""How a batch is made up, what is learnt at which rate, and what an epoch is chosen by."""

from dataclasses import replace
from itertools import islice

import keras
import numpy as np
import pytest
from made_up import read_cells
from sklearn.metrics import roc_auc_score
from sklearn.utils.class_weight import compute_class_weight
from small_runs import changed, config, course

from tfctc.config import TrainingConfig
from tfctc.data.selection import Selection
from tfctc.training import stage

LABELLED, UNLABELLED = Selection("labelled"), Selection("unlabelled")


@pytest.mark.parametrize(
    "labelled,unlabelled,share,batch",
    [
        (100, 300, None, [8, 24]),
        (10, 3000, None, [3, 29]),
        (100, 300, 0.5, [16, 16]),
        (100, 0, None, [32]),
        (3000, 1, None, [31, 1]),
        (1, 3000, 0.001, [1, 31]),
    ],
)
def test_all_cells_are_shown_equally_often_unless_labels_are_rare(monkeypatch, labelled, unlabelled, share, batch):
    counts = {LABELLED: labelled, UNLABELLED: unlabelled}
    monkeypatch.setattr(stage.pipeline, "count", lambda builder, split, selection: counts[selection])
    drawn = stage._shares(None, [LABELLED, UNLABELLED], TrainingConfig(batch_size=32, labelled_share=share))
    assert [cells for _, cells in drawn] == batch and drawn[0][0] == LABELLED


@pytest.mark.parametrize("scale", [0.1, 0.3, 1, 3, 10, 30, 100])
def test_auroc_is_right_however_confident_the_network(scale):
    """Half the probabilities of scale 10 are beyond 0.001 and 0.999."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 400)
    log_odds = (scale * (rng.normal(size=400) + 1.6 * (label - 0.5))).astype(np.float32)
    weight = rng.integers(0, 3, 400).astype(np.float32)
    metric = stage.AUROC()
    for part in (slice(0, 150), slice(150, 400)):
        logits = np.stack([3 - log_odds[part] / 2, 3 + log_odds[part] / 2], 1)
        metric.update_state(label[part], logits, weight[part])
    assert float(metric.result()) == pytest.approx(roc_auc_score(label, log_odds, sample_weight=weight), abs=2e-3)


@pytest.fixture(scope="module")
def uneven(tiny_dataset, tmp_path_factory):
    """A run that has trained nothing yet, on fewer cells of one class than of the other."""
    room = tmp_path_factory.mktemp("uneven")

    def relabel(rows):
        for row in rows:
            if row["cell_id"].endswith("-1"):
                row["label"] = "leukocyte"

    return course(config(changed(tiny_dataset, room / "data", relabel), "brightfield"), room / "run")


@pytest.fixture
def begin(uneven, tmp_path, monkeypatch):
    """Begins a training with these settings; the model, its batches and what else Keras is asked to fit it with."""

    def begin(**training):
        asked = []
        monkeypatch.setattr(keras.Model, "fit", lambda *arguments, **options: asked.append((*arguments, options)))
        network = uneven.network(uneven.config.student, "student", 0)
        # In a folder of its own: what was begun there before would be gone on with.
        stage = replace(uneven.stage("student", 0, **training), state=tmp_path)
        stage.train(network, network, ("brightfield",), [LABELLED])
        return asked[0]

    return begin


@pytest.mark.parametrize("how", ["balanced", "none"])
def test_a_rare_class_counts_as_much_as_the_other_if_so_set(uneven, begin, how):
    _, batches, _ = begin(class_weights=how)
    _, labels = read_cells(uneven.folder.parent / "data", uneven.dealt["groups"], "train")
    expected = compute_class_weight("balanced", classes=np.arange(2), y=labels) if how == "balanced" else np.ones(2)
    assert 2 * labels.sum() < len(labels)
    drawn = set()
    for _, y, weight in islice(batches.as_numpy_iterator(), 3):
        np.testing.assert_allclose(weight, expected[y], rtol=1e-6)
        drawn |= set(y)
    assert drawn == {0, 1}


def test_an_epoch_is_judged_by_the_cells_of_the_validation_split(uneven, begin):
    """Each of them once, as it is in the files: none of the test split, which the run is to be judged by."""
    _, _, options = begin()
    images, labels = read_cells(uneven.folder.parent / "data", uneven.dealt["groups"], "validation")
    judged = [
        (image.tobytes(), label, weight)
        for x, y, weights in options["validation_data"].as_numpy_iterator()
        for image, label, weight in zip(x["brightfield"], y, weights, strict=True)
    ]
    assert sorted(judged) == sorted((image.tobytes(), label, 1.0) for image, label in zip(images, labels, strict=True))


@pytest.mark.parametrize(
    ("warmup", "rates"),
    [(0.2, {0: 0, 2: 0.25, 4: 0.5, 8: 1, 24: 0.5, 40: 0}), (0.0, {0: 1, 10: 0.5 + 0.5**1.5, 20: 0.5, 40: 0})],
)
def test_the_learning_rate_rises_evenly_and_falls_by_a_cosine(begin, warmup, rates):
    model, *_ = begin(warmup=warmup, learning_rate=0.03, epochs=8, steps_per_epoch=5)
    for step, rate in rates.items():
        model.optimizer.iterations.assign(step)
        assert float(model.optimizer.learning_rate) == pytest.approx(0.03 * rate, abs=1e-7)


def test_weights_decay_but_for_biases_and_what_normalises(begin):
    """A step without a gradient is the decay alone."""
    model, *_ = begin(warmup=0.0, learning_rate=0.5, weight_decay=0.4)
    variables = model.trainable_variables
    for variable in variables:
        variable.assign(np.ones(variable.shape))
    model.optimizer.apply([np.zeros(variable.shape, np.float32) for variable in variables])
    for variable in variables:
        # Kernels have an axis of inputs and one of outputs at least; all else is one number a channel.
        expected = 1 - 0.5 * 0.4 if len(variable.shape) > 1 else 1.0
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-6, err_msg=variable.path)
    assert {variable.name for variable in variables} >= {"kernel", "bias", "gamma", "beta"}
