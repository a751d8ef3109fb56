"""Distillation losses against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfctc.distill.losses import LOSSES, DistillationLoss, build_losses
from tfctc.errors import ConfigError, UnknownNameError


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def made_up():
    """Taps of student and teacher, and inputs, of five cells."""
    rng = np.random.default_rng(0)
    student = {
        "logits": rng.normal(size=(5, 2)),
        "embedding": rng.normal(size=(5, 4)),
        "stage3": rng.normal(size=(5, 3, 3, 4)),
    }
    teacher = {
        "logits": rng.normal(size=(5, 2)),
        "embedding": rng.normal(size=(5, 6)),
        "stage3": rng.normal(size=(5, 3, 3, 6)),
    }
    inputs = {"dapi": rng.random(size=(5, 14, 13, 1)), "counts": np.ones(5), "label": np.array([0, 1, -1, 1, -1])}
    inputs["soft_label"] = softmax(rng.normal(size=(5, 2)))
    inputs["own_logits"] = 9 * rng.normal(size=(5, 2))
    return student, teacher, inputs


STUDENT, TEACHER, INPUTS = made_up()
# The third cell has no DAPI.
COUNTS = np.array([1, 1, 0, 1, 1])
LACKING = INPUTS | {"counts": COUNTS}
CELLWISE = [name for name in LOSSES if not LOSSES[name].of_batch]
OF_BATCH = [name for name in LOSSES if LOSSES[name].of_batch]


def tensors(arrays):
    return {name: keras.ops.convert_to_tensor(value, "float32") for name, value in arrays.items()}


def shapes(arrays):
    return {tap: (None, *value.shape[1:]) for tap, value in arrays.items()}


def built(name, **arguments):
    loss, rng = build_losses({name: arguments})[name], np.random.default_rng(1)
    loss.prepare(shapes(STUDENT), shapes(TEACHER), (None, 14, 13, 1))
    for variable in loss.trainable_variables:  # biases too: zeros, as they begin, would hide what a bias does
        variable.assign(rng.normal(size=variable.shape) / 4)
    return loss


def values(loss, student=STUDENT, teacher=TEACHER, inputs=INPUTS):
    return np.asarray(loss(tensors(student), tensors(teacher), tensors(inputs)))


def some(taps, cells):
    return {name: value[cells] for name, value in taps.items()}


def info_nce(a, b, temperature):
    """Cell by cell: the mean of what a cross-entropy says of finding b by a and a by b."""
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    p, q = softmax(a @ b.T / temperature), softmax(b @ a.T / temperature)
    return -(np.log(np.diag(p)) + np.log(np.diag(q))) / 2


def dense(layer, x):
    return x @ np.asarray(layer.kernel) + np.asarray(layer.bias)


def test_soft_labels_is_the_kl_divergence_and_nothing_for_a_cell_without_one():
    p, q = INPUTS["soft_label"].copy(), softmax(STUDENT["logits"])
    p[0], p[1] = 0, [1, 0]
    expected = np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / q), 0), axis=-1)
    found = values(built("soft-labels"), inputs=INPUTS | {"soft_label": p})
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert found[0] == 0


def test_pseudo_labels_are_what_the_student_calls_confident_cells_without_a_label():
    """By threshold 0.8: two cells have a label, one is not confident, and two are, one of each class."""
    own = np.log([[0.9, 0.1], [0.1, 0.9], [0.25, 0.75], [0.85, 0.15], [0.1, 0.9]]) + [[3], [0], [0], [-5], [1]]
    given = INPUTS | {"own_logits": own, "label": np.array([0, 1, -1, -1, -1])}
    q = softmax(STUDENT["logits"])
    expected = [0, 0, 0, -np.log(q[3, 0]), -np.log(q[4, 1])]
    np.testing.assert_allclose(values(built("pseudo-labels", threshold=0.8), inputs=given), expected, rtol=1e-5)


@pytest.mark.parametrize("threshold", [0.5, 1.0, -1, "high"])
def test_a_threshold_of_pseudo_labels_is_a_probability_above_a_half(threshold):
    with pytest.raises(ConfigError, match="distillation loss pseudo-labels: threshold must be"):
        build_losses({"pseudo-labels": {"threshold": threshold}})


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_logits_is_the_tempered_kl_divergence(temperature):
    p, q = softmax(TEACHER["logits"] / temperature), softmax(STUDENT["logits"] / temperature)
    expected = temperature**2 * np.sum(p * (np.log(p) - np.log(q)), axis=-1)
    found = values(built("logits", temperature=temperature))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_feature_is_the_mean_cosine_distance_of_projected_maps():
    loss = built("feature", tap="stage3")
    kernel = np.asarray(loss.projector.kernel)[0, 0]
    projected = STUDENT["stage3"] @ kernel
    cosine = np.sum(projected * TEACHER["stage3"], -1) / (
        np.linalg.norm(projected, axis=-1) * np.linalg.norm(TEACHER["stage3"], axis=-1)
    )
    np.testing.assert_allclose(values(loss), (1 - cosine).mean(axis=(1, 2)), rtol=1e-4)


@pytest.mark.parametrize("name", ["attention", "feature"])
@pytest.mark.parametrize("student,teacher", [((4, 4, 4), (3, 3, 6)), ((4,), (6,))])
def test_losses_of_maps_refuse_taps_of_another_size(name, student, teacher):
    loss = build_losses({name: {"tap": "stage3"}})[name]
    with pytest.raises(ConfigError, match=f"distillation loss {name}: tap stage3 must be a map of one size"):
        loss.prepare({"stage3": (None, *student)}, {"stage3": (None, *teacher)}, (None, 8, 8, 1))


def test_attention_is_half_the_squared_distance_of_normalised_energy_maps():
    maps = [np.sum(taps["stage3"] ** 2, -1).reshape(5, 9) for taps in (STUDENT, TEACHER)]
    a, b = (q / np.linalg.norm(q, axis=1, keepdims=True) for q in maps)
    expected = np.linalg.norm(a - b, axis=1) ** 2 / 2
    np.testing.assert_allclose(values(built("attention", tap="stage3")), expected, rtol=1e-4)


def test_embedding_is_one_minus_the_correlation_of_each_unit_over_the_cells():
    loss = built("embedding")
    projected = STUDENT["embedding"] @ np.asarray(loss.projector.kernel)
    there = COUNTS > 0
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(projected[there].T, TEACHER["embedding"][there].T, strict=True)]
    assert values(loss, inputs=LACKING)[there].mean() == pytest.approx(1 - np.mean(r), rel=1e-4)

    a, b = ((e - e[there].mean(0)) / e[there].std(0) for e in (projected, TEACHER["embedding"]))
    expected = ((a - b) ** 2).mean(axis=1) / 2 * COUNTS
    np.testing.assert_allclose(values(loss, inputs=LACKING), expected, rtol=1e-4)


@pytest.mark.parametrize("distance,angle", [(1.0, 0.0), (0.0, 1.0), (0.5, 3.0)])
def test_relational_compares_distances_and_angles_pair_by_pair(distance, angle):
    def huber(x):
        return x**2 / 2 if abs(x) < 1 else abs(x) - 0.5

    def cosine(e, i, j, k):
        a, b = e[j] - e[i], e[k] - e[i]
        return a @ b / (np.linalg.norm(a) * np.linalg.norm(b))

    there = [0, 1, 3, 4]
    # All but on a line: cosines of nearly 1 and -1 reach the Huber distance's straight part.
    line = 0.1 * TEACHER["embedding"] + np.array([0, 9, 5, 1, 8])[:, None]
    s, t = STUDENT["embedding"], line
    mean_s, mean_t = (np.mean([np.linalg.norm(e[i] - e[j]) for i in there for j in there if i != j]) for e in (s, t))
    expected, largest = np.zeros(5), 0
    for i in there:
        psi = [np.linalg.norm(s[i] - s[j]) / mean_s - np.linalg.norm(t[i] - t[j]) / mean_t for j in there if j != i]
        cosines = [cosine(s, i, j, k) - cosine(t, i, j, k) for j in there for k in there if len({i, j, k}) == 3]
        expected[i] = distance * np.mean([huber(x) for x in psi]) + angle * np.mean([huber(x) for x in cosines])
        largest = max(largest, *np.abs(psi), *np.abs(cosines))
    assert largest > 1
    found = values(
        built("relational", distance=distance, angle=angle), teacher=TEACHER | {"embedding": line}, inputs=LACKING
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_relational_is_blind_to_a_turn_a_shift_and_a_scale():
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(4, 4)))[0]
    teacher = TEACHER | {"embedding": 3 * STUDENT["embedding"] @ turn + 2}
    np.testing.assert_allclose(values(built("relational"), teacher=teacher), 0, atol=1e-6)


def test_contrastive_is_info_nce_between_projected_embeddings():
    loss = built("contrastive", temperature=0.3, width=7)
    learnt = dense(loss.projector, STUDENT["embedding"])
    taught = dense(loss.teacher_projector, TEACHER["embedding"])
    assert learnt.shape == taught.shape == (5, 7)
    np.testing.assert_allclose(values(loss), info_nce(learnt, taught, 0.3), rtol=1e-4)


def test_alignment_is_info_nce_between_projected_embedding_and_encoded_dapi():
    loss = built("alignment", temperature=0.3, width=7)
    encoded = np.asarray(loss.encode(tensors(INPUTS)["dapi"]))
    assert encoded.shape == (5, 7)
    np.testing.assert_allclose(
        values(loss), info_nce(dense(loss.projector, STUDENT["embedding"]), encoded, 0.3), rtol=1e-4
    )


@pytest.mark.parametrize("name", ["alignment", "staining"])
def test_gain_and_offset_of_a_dapi_image_say_nothing(name):
    loss = built(name)
    gain = np.linspace(0.05, 0.8, 5).reshape(5, 1, 1, 1)
    changed = INPUTS | {"dapi": gain * INPUTS["dapi"] + 0.1}
    np.testing.assert_allclose(values(loss, inputs=changed), values(loss), rtol=1e-3)


def test_staining_is_one_minus_the_correlation_of_predicted_and_real_pixels():
    loss = built("staining")
    predicted = np.asarray(loss.predict_dapi(tensors(STUDENT)["stage3"]))
    expected = [1 - np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(predicted, INPUTS["dapi"], strict=True)]
    np.testing.assert_allclose(values(loss), expected, rtol=1e-4)


def test_staining_by_huber_is_in_units_of_the_batch():
    loss = built("staining", measure="huber")
    predicted = np.asarray(loss.predict_dapi(tensors(STUDENT)["stage3"]))
    real = INPUTS["dapi"][COUNTS > 0]
    error = np.abs(predicted - (INPUTS["dapi"] - real.mean()) / real.std())
    assert (error > 1).any() and (error < 1).any()
    expected = np.where(error < 1, error**2 / 2, error - 0.5).mean(axis=(1, 2, 3)) * COUNTS
    np.testing.assert_allclose(values(loss, inputs=LACKING), expected, rtol=1e-4)


@pytest.mark.parametrize(
    "side,image,doublings", [((4, 4), (4, 4), 0), ((4, 4), (32, 32), 3), ((3, 3), (14, 13), 2), ((2, 3), (16, 12), 2)]
)
def test_staining_draws_an_image_of_any_size(side, image, doublings):
    loss = build_losses({"staining": {"width": 16}})["staining"]
    loss.prepare({"stage3": (None, *side, 4)}, {}, (None, *image, 1))
    assert loss.predict_dapi(tf.ones((2, *side, 4))).shape == (2, *image, 1)
    convolutions = [layer.filters for layer in loss.decoder if isinstance(layer, keras.layers.Conv2D)]
    assert convolutions == [16] + [8] * doublings + [1]


def test_staining_refuses_a_vector():
    with pytest.raises(ConfigError, match="must be a map"):
        build_losses({"staining": {"tap": "embedding"}})["staining"].prepare(
            {"embedding": (None, 4)}, {}, (None, 8, 8, 1)
        )


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_is_one_finite_number_a_cell(name):
    found = values(built(name))
    assert found.shape == (5,) and found.dtype == np.float32
    assert np.isfinite(found).all() and (found >= -1e-6).all()


@pytest.mark.parametrize("name", CELLWISE)
def test_cellwise_losses_depend_on_their_cell_alone(name):
    loss = built(name)
    np.testing.assert_allclose(
        values(loss, some(STUDENT, [0]), some(TEACHER, [0]), some(INPUTS, [0])), values(loss)[:1], rtol=1e-4
    )


@pytest.mark.parametrize("name", OF_BATCH)
def test_batch_losses_follow_the_order_of_the_cells(name):
    loss, order = built(name), [3, 0, 4, 2, 1]
    found = values(loss, some(STUDENT, order), some(TEACHER, order), some(LACKING, order))
    np.testing.assert_allclose(found, values(loss, inputs=LACKING)[order], rtol=1e-4)


@pytest.mark.parametrize("name", OF_BATCH)
def test_batch_losses_pass_over_cells_without_dapi(name):
    loss, there = built(name), np.flatnonzero(COUNTS)
    found = values(loss, inputs=LACKING)
    assert found[2] == 0 and (found[there] > 0).all()
    np.testing.assert_allclose(
        found[there], values(loss, some(STUDENT, there), some(TEACHER, there), some(INPUTS, there)), rtol=1e-4
    )


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_teaches_the_student_and_its_own_weights_and_never_the_teacher(name):
    # The correlation of two images ignores what is added to one of them: it leaves the decoder's last bias alone.
    arguments = {"measure": "huber"} if name == "staining" else {}
    given = ("dapi", "soft_label", "own_logits")
    loss, student, teacher, inputs = built(name, **arguments), tensors(STUDENT), tensors(TEACHER), tensors(LACKING)
    with tf.GradientTape() as tape:
        tape.watch([student, teacher, *(inputs[name] for name in given)])
        # The distiller masks the cells that do not count.
        found = loss(student, teacher, inputs) * inputs["counts"]
        total = tf.reduce_sum(found)
        read = {tap: teacher[tap] for tap in loss.teacher_taps}
        read |= {name: inputs[name] for name in given if name in loss.inputs}
    own, learnt, taught = tape.gradient(
        total, [loss.trainable_variables, {tap: student[tap] for tap in loss.student_taps}, read]
    )
    assert all(np.any(gradient) and np.isfinite(gradient).all() for gradient in own)
    # A loss may pass over some cells, such as those whose label the teacher does not predict.
    penalised = np.flatnonzero(found)
    assert penalised.size
    for gradient in map(np.asarray, learnt.values()):
        assert np.isfinite(gradient).all() and not np.any(gradient[2])
        assert all(np.any(gradient[cell]) for cell in penalised)
    assert read and all(gradient is None for gradient in taught.values())


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_reads_what_it_names_and_nothing_else(name):
    """As the distiller gives it."""
    loss = built(name)
    student = {tap: STUDENT[tap] for tap in loss.student_taps}
    teacher, inputs = {tap: TEACHER[tap] for tap in loss.teacher_taps}, {key: LACKING[key] for key in loss.inputs}
    np.testing.assert_array_equal(values(loss, student, teacher, inputs), values(loss, inputs=LACKING))


@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_is_made_again_from_its_own_configuration(name):
    loss = LOSSES[name](weight=0.25)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(loss))
    assert type(again) is LOSSES[name] and again.get_config() == loss.get_config() and again.weight == 0.25
    assert repr(loss).startswith(f"{LOSSES[name].__name__}(weight=0.25")


@pytest.mark.parametrize("name", list(LOSSES))
@pytest.mark.parametrize("counting", [0, 1])
def test_every_loss_survives_blank_features_and_lonely_cells(name, counting):
    """All zeros, and no or one cell that counts: finite numbers, finite gradients."""
    loss = built(name)
    student, teacher, inputs = (
        tensors({name: 0 * value for name, value in arrays.items()}) for arrays in (STUDENT, TEACHER, INPUTS)
    )
    inputs["counts"] = tf.constant([counting, 0, 0, 0, 0], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(student)
        found = loss(student, teacher, inputs)
    gradients = tape.gradient(found, [loss.trainable_variables, {tap: student[tap] for tap in loss.student_taps}])
    assert np.isfinite(found).all() and all(np.isfinite(g).all() for g in tf.nest.flatten(gradients))


def test_a_loss_may_read_the_labels():
    """A loss of another package: squared error of the logits' difference from the label, unlabelled cells apart."""

    class LabelAware(DistillationLoss):
        student_taps, inputs = ("logits",), ("label",)

        def call(self, student, teacher, inputs):
            label = inputs["label"]
            error = keras.ops.square(student["logits"][:, 1] - student["logits"][:, 0] - label)
            return keras.ops.where(label >= 0, error, 0.0)

    found = values(LabelAware())
    difference = STUDENT["logits"][:, 1] - STUDENT["logits"][:, 0]
    np.testing.assert_allclose(
        found, [0 if y < 0 else (d - y) ** 2 for d, y in zip(difference, INPUTS["label"], strict=True)], rtol=1e-5
    )


def test_a_loss_that_reads_what_no_batch_holds_is_refused(monkeypatch):
    class Curious(DistillationLoss):
        student_taps, inputs = ("logits",), ("weather",)

    monkeypatch.setitem(LOSSES._entries, "curious", Curious)
    with pytest.raises(ConfigError, match="distillation loss curious reads 'weather', known inputs are dapi, label"):
        build_losses({"curious": {}})


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf"), "1", None, True, [1.0]])
@pytest.mark.parametrize("name", list(LOSSES))
def test_every_loss_refuses_a_weight_that_is_none(name, value):
    with pytest.raises(ConfigError, match=f"distillation loss {name}: weight must be 0 or more, got"):
        build_losses({name: {"weight": value}})


@pytest.mark.parametrize(
    "name,argument,value",
    [
        ("logits", "temperature", 0.0),
        ("logits", "temperature", "2"),
        ("contrastive", "temperature", -0.1),
        ("contrastive", "width", 0),
        ("contrastive", "width", 6.5),
        ("alignment", "temperature", None),
        ("alignment", "width", True),
        ("staining", "width", "8"),
        ("staining", "measure", "l3"),
        ("staining", "measure", ["huber"]),
        ("staining", "tap", 3),
        ("feature", "tap", None),
        ("relational", "distance", -1),
        ("relational", "angle", "2"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(name, argument, value):
    with pytest.raises(ConfigError, match=f"distillation loss {name}: {argument} must be .*, got"):
        build_losses({name: {argument: value}})


def test_unknown_names_and_arguments_are_refused():
    with pytest.raises(UnknownNameError, match=", ".join(LOSSES)):
        build_losses({"logit": {}})
    with pytest.raises(ConfigError, match="distillation loss logits: .*temprature"):
        build_losses({"logits": {"temprature": 2.0}})
