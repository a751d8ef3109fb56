"""Training step of the distiller: the weights that it changes, and those that it leaves."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfctc.config import ModelConfig
from tfctc.distill.distiller import Distiller
from tfctc.distill.losses import LOSSES, DistillationLoss, build_losses
from tfctc.distill.teachers import Teachers
from tfctc.models.classifier import build_classifier, with_taps

SIZE, CELLS = (16, 16), 12
BOTH = ModelConfig("tiny", ("brightfield", "dapi"))
ALONE = ModelConfig("tiny")
NORMALISATION = {"brightfield": (0.5, 0.3), "dapi": (0.5, 0.3)}


def cells(seed=0):
    rng = np.random.default_rng(seed)
    x = {name: rng.random((CELLS, *SIZE, 1), np.float32) for name in ("brightfield", "dapi")}
    y, soft = rng.integers(0, 2, CELLS).astype(np.int32), rng.random(CELLS).astype(np.float32)
    x["plain_brightfield"] = rng.random((CELLS, *SIZE, 1), np.float32)
    return x | {"dapi_present": np.ones(CELLS, np.float32), "soft_label": np.stack([1 - soft, soft], 1)}, y


def distiller(parts=None, label_weight=1.0, **options):
    keras.utils.set_random_seed(0)
    losses = build_losses({"logits": {}, "feature": {"tap": "stage3"}} if parts is None else parts)
    return assembled(losses, label_weight, **options)


def assembled(losses, label_weight=1.0, optimizer=None, regularizer=None, teaching=True, sees=BOTH, eagerly=True):
    """Distiller, student and teacher. Single steps run eagerly: to compile one takes seconds."""
    student = build_classifier(ALONE, SIZE, NORMALISATION, "student")
    if regularizer:
        student.get_layer("logits").kernel_regularizer = regularizer
        student.get_layer("logits").kernel.regularizer = regularizer
    teacher = build_classifier(sees, SIZE, NORMALISATION, "teacher")
    learner = with_taps(student, ALONE, {"logits"}.union(*(loss.student_taps for loss in losses.values())))
    teacher_taps = {"logits"}.union(*(loss.teacher_taps for loss in losses.values()))
    teachers = Teachers([with_taps(teacher, sees, teacher_taps)]) if teaching else None
    for loss in losses.values():
        shapes = {tap: output.shape for tap, output in learner.output.items()}
        loss.prepare(shapes, teachers.shapes if teachers else {}, (None, *SIZE, 1))
    model = Distiller(learner, teachers, losses, label_weight)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.SGD(0.05), loss, run_eagerly=eagerly)
    return model, student, teacher


def dataset(x, y, w=None, batch=4):
    w = np.ones(len(y), np.float32) if w is None else w
    return tf.data.Dataset.from_tensor_slices((x, y, w)).batch(batch)


def changed(before, after):
    return [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]


def test_fit_trains_student_and_projector_and_leaves_the_teacher_bit_identical():
    model, student, teacher = distiller(eagerly=False)
    projector = model.distillation_losses["feature"].projector
    before = [m.get_weights() for m in (student, teacher, projector)]
    model.fit(dataset(*cells()), epochs=2, verbose=0, shuffle=False)
    assert all(changed(before[0], student.get_weights())[3:])
    assert not any(changed(before[1], teacher.get_weights()))  # BatchNorm statistics are among them
    assert all(changed(before[2], projector.get_weights()))
    assert teacher.trainable_weights and not {id(v) for v in model.variables} & {id(v) for v in teacher.variables}


def test_evaluate_and_predict_change_nothing_and_need_no_dapi():
    model, student, _ = distiller(eagerly=False)
    x, y = cells()
    model.fit(dataset(x, y), verbose=0, shuffle=False)
    before = student.get_weights()
    alone = {"brightfield": x["brightfield"]}
    model.evaluate(dataset(alone, y), verbose=0)
    answers = model.predict(alone, verbose=0)
    assert not any(changed(before, student.get_weights()))
    np.testing.assert_allclose(answers, student.predict(alone, verbose=0), rtol=1e-6)


def test_dapi_reaches_the_student_only_through_the_losses():
    x, y = cells()
    other = x | {"dapi": 1 - x["dapi"]}
    ends = []
    for parts, data in [({}, x), ({}, other), ({"logits": {}}, x), ({"logits": {}}, other)]:
        model, student, _ = distiller(parts)
        model.train_on_batch(data, y)
        ends.append(student.get_weights())
    assert not any(changed(ends[0], ends[1]))
    assert any(changed(ends[2], ends[3]))


def test_step_equals_a_hand_written_one():
    """One SGD step on label loss, regulariser and tempered KL, written out with a tape of its own."""
    x, y = cells()
    w = np.linspace(0.5, 2.0, CELLS).astype(np.float32)
    regularizer = keras.regularizers.L2(0.1)
    model, student, teacher = distiller({"logits": {"weight": 0.7, "temperature": 3.0}}, 0.4, regularizer=regularizer)
    reference = keras.models.clone_model(student)
    reference.set_weights(student.get_weights())
    soft = tf.nn.softmax(teacher({c: x[c] for c in BOTH.channels}, training=False) / 3.0)
    with tf.GradientTape() as tape:
        logits = reference({"brightfield": x["brightfield"]}, training=True)
        own = tf.reduce_mean(w * tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits))
        own += 0.1 * tf.reduce_sum(reference.get_layer("logits").kernel ** 2)
        kl = tf.reduce_sum(soft * (tf.math.log(soft) - tf.nn.log_softmax(logits / 3.0)), -1)
        total = 0.4 * own + 0.7 * 9.0 * tf.reduce_mean(kl)
    gradients = tape.gradient(total, reference.trainable_variables)
    logs = model.train_on_batch(x, y, w, return_dict=True)
    assert logs["loss"] == pytest.approx(float(total), rel=1e-4)
    assert logs["logits_loss"] == pytest.approx(9.0 * float(tf.reduce_mean(kl)), rel=1e-3)
    for variable, theirs, gradient in zip(
        student.trainable_variables, reference.trainable_variables, gradients, strict=True
    ):
        np.testing.assert_allclose(variable, np.asarray(theirs) - 0.05 * np.asarray(gradient), atol=2e-5)


def test_unlabelled_cells_learn_from_the_teacher_alone():
    x, y = cells()
    unlabelled = np.zeros(CELLS, np.float32)
    model, _, _ = distiller({"logits": {}})
    logs = model.train_on_batch(x, y, unlabelled, return_dict=True)
    assert logs["student_loss"] == 0.0 and logs["logits_loss"] > 0.0
    assert logs["loss"] == pytest.approx(logs["logits_loss"], rel=1e-6)


def test_cells_without_dapi_learn_from_their_label_alone():
    x, y = cells()
    model, _, _ = distiller({"logits": {}})
    logs = model.train_on_batch(x | {"dapi_present": np.zeros(CELLS, np.float32)}, y, return_dict=True)
    assert logs["logits_loss"] == 0.0 and logs["student_loss"] > 0.0


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in ("alignment", "staining", "pseudo-labels")])
def test_a_teacher_that_does_not_see_dapi_teaches_the_same_without_it(name):
    x, y = cells()
    values = []
    for present in (np.ones(CELLS, np.float32), np.zeros(CELLS, np.float32)):
        model, _, _ = distiller({name: {}}, sees=ALONE)
        values.append(model.train_on_batch(x | {"dapi_present": present}, y, return_dict=True)[f"{name}_loss"])
    assert values[0] == values[1] > 0


def test_the_students_own_logits_are_those_of_an_inference_without_augmentation():
    x, y = cells()
    model, student, _ = distiller({"pseudo-labels": {"threshold": 0.5001}}, teaching=False)
    own, seen = (
        student({"brightfield": x[name]}, training=name == "brightfield")
        for name in ("plain_brightfield", "brightfield")
    )
    called = np.argmax(own, axis=-1)
    expected = tf.nn.sparse_softmax_cross_entropy_with_logits(called, seen)
    # Training has changed the statistics of BatchNorm, which the inference reads.
    model, _, _ = distiller({"pseudo-labels": {"threshold": 0.5001}}, teaching=False)
    logs = model.train_on_batch(x, y, np.zeros(CELLS, np.float32), return_dict=True)
    assert logs["pseudo-labels_loss"] == pytest.approx(float(tf.reduce_mean(expected)), rel=1e-4)
    labelled = model.train_on_batch(x, y, return_dict=True)
    assert labelled["pseudo-labels_loss"] == 0


@pytest.mark.parametrize("name", ["alignment", "staining"])
def test_dapi_teaches_without_a_teacher(name):
    x, y = cells()
    unlabelled = np.zeros(CELLS, np.float32)
    model, student, _ = distiller({name: {}}, teaching=False)
    before = student.get_layer("first_conv").get_weights()
    logs = model.train_on_batch(x, y, unlabelled, return_dict=True)
    assert (
        logs["student_loss"] == 0.0
        and logs["loss"] == pytest.approx(logs[f"{name}_loss"], rel=1e-6)
        and logs["loss"] > 0
    )
    assert any(changed(before, student.get_layer("first_conv").get_weights()))
    assert len(model.trainable_variables) > len(student.trainable_variables)

    model, *_ = distiller({name: {}}, teaching=False)
    logs = model.train_on_batch(x | {"dapi_present": np.zeros(CELLS, np.float32)}, y, return_dict=True)
    assert logs[f"{name}_loss"] == 0.0 and logs["student_loss"] > 0.0


def test_a_loss_gets_labels_and_the_cells_that_count():
    """Recorded from within a training step: -1 stands for a cell without a label."""
    seen = {}

    class Recorder(DistillationLoss):
        student_taps, teacher_taps, inputs = ("logits",), ("logits",), ("label", "counts")

        def call(self, student, teacher, inputs):
            seen.update(inputs)
            return keras.ops.sum(student["logits"], axis=-1) * 0

    keras.utils.set_random_seed(0)
    model, *_ = assembled({"recorder": Recorder()})
    model.run_eagerly = True
    x, y = cells()
    weight = np.where(np.arange(CELLS) % 3 == 0, 0.0, 2.0).astype(np.float32)
    there = (np.arange(CELLS) % 4 != 0).astype(np.float32)
    model.train_step((x | {"dapi_present": there}, y, weight))
    np.testing.assert_array_equal(seen["label"], np.where(weight > 0, y, -1))
    np.testing.assert_array_equal(seen["counts"], there)
    assert set(seen) == {"label", "counts"}


def test_all_losses_teach_together_in_mixed_precision():
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model, _, teacher = distiller({name: {} for name in LOSSES})
        before = teacher.get_weights()
        x, y = cells()
        logs = model.fit(
            dataset(x | {"dapi_present": np.arange(CELLS, dtype=np.float32) % 2}, y), verbose=0, shuffle=False
        ).history
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert all(np.isfinite(logs[f"{name}_loss"]).all() for name in LOSSES)
    assert not any(changed(before, teacher.get_weights()))
    assert all(variable.dtype == "float32" for variable in model.trainable_variables)


def test_works_in_mixed_precision():
    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        model, student, _ = distiller(optimizer=keras.optimizers.Adam(1e-3))
        before = student.get_weights()
        logs = model.fit(dataset(*cells()), epochs=2, verbose=0, shuffle=False)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert np.isfinite(logs.history["loss"]).all()
    assert any(changed(before, student.get_weights()))


@pytest.mark.slow
def test_mirrored_strategy_trains_as_one_device_does(two_devices):
    """Without BatchNorm in the way (replicas normalise their own share) two replicas equal one device."""
    x, y = cells()
    ends = []
    for strategy in (tf.distribute.get_strategy(), tf.distribute.MirroredStrategy(two_devices)):
        with strategy.scope():
            model, student, teacher = distiller(eagerly=False)
            for layer in student.layers:
                if isinstance(layer, keras.layers.BatchNormalization):
                    layer.trainable = False
        model.fit(dataset(x, y, batch=12), epochs=2, verbose=0, shuffle=False)
        ends.append(student.get_weights())
    for one, two in zip(*ends, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)
