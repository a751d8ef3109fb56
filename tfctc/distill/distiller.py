"""Distillation: a bright-field student learns from labels and from a teacher that sees DAPI, cell by cell."""

from collections.abc import Callable, Mapping

import keras
import tensorflow as tf
from keras import ops

from tfctc.cells import BRIGHTFIELD, DAPI, DAPI_PRESENT, PLAIN_BRIGHTFIELD
from tfctc.data.soft_labels import SOFT_LABEL
from tfctc.distill.losses import COUNTS, LABEL, OWN_LOGITS, DistillationLoss
from tfctc.distill.teachers import Teachers


class Distiller(keras.Model):
    """Keras model that trains a student on its label loss plus distillation losses.

    A batch is ``(x, y, sample_weight)`` with ``x = {"brightfield", "dapi": (B, H, W, 1), "dapi_present": (B,)}``, and
    "fold", int32 ``(B,)``, for several teachers, "soft_label", float32 ``(B, K)``, for a loss that reads it, and
    "plain_brightfield" ``(B, H, W, 1)``, the images without augmentation, for a loss that reads the student's own
    logits for them. A cell without a label has sample weight 0: the student learns from it by the distillation losses
    alone. A loss that needs DAPI does not count cells without it. `call`, evaluation and prediction read bright-field
    only.

    `keras.distillation.Distiller` does not fit: it gives teacher and student the same input and ignores sample weights.

    Args:
        student: functional model over bright-field with outputs ``{tap: feature}``, "logits" among them
            (`tfctc.models.classifier.with_taps`).
        teachers: the frozen teachers; None if no loss needs one.
        losses: name -> distillation loss with its own weight, after `DistillationLoss.prepare`.
        label_weight: weight of the label loss (the compiled loss).
        schedule: function from the training step to the factor of all distillation losses; None is 1.
    """

    def __init__(
        self,
        student: keras.Model,
        teachers: Teachers | None,
        losses: Mapping[str, DistillationLoss],
        label_weight: float = 1.0,
        schedule: Callable | None = None,
    ):
        super().__init__(name="distiller")
        self.student = student
        self._teachers = teachers
        self.distillation_losses = dict(losses)
        self.label_weight = label_weight
        self._schedule = schedule or (lambda step: 1.0)
        self._means = {name: keras.metrics.Mean(name=f"{name}_loss") for name in ["student", *losses]}
        self.built = True

    def call(self, x, training=False):
        """Logits ``(B, K)`` from bright-field alone."""
        return self.student({BRIGHTFIELD: x[BRIGHTFIELD]}, training=training)["logits"]

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        # Outside the tape, which would also watch weights that are not trainable for Keras.
        taught = self._teachers(x) if self._teachers else {}
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        factor = ops.cast(self._schedule(self.optimizer.iterations), "float32")
        label = ops.cast(y, "float32")
        inputs = {LABEL: label if sample_weight is None else ops.where(sample_weight > 0, label, -1.0)}
        inputs |= {name: x[name] for name in (DAPI, SOFT_LABEL) if name in x}
        if any(loss.needs_own_logits for loss in self.distillation_losses.values()):
            own = self.student({BRIGHTFIELD: x[PLAIN_BRIGHTFIELD]}, training=False)
            inputs[OWN_LOGITS] = ops.cast(own["logits"], "float32")

        with tf.GradientTape() as tape:
            learnt = self.student({BRIGHTFIELD: x[BRIGHTFIELD]}, training=True)
            learnt = {tap: ops.cast(value, "float32") for tap, value in learnt.items()}
            # The compiled loss with sample weights, and the student's regularisers. Keras divides it by the number of
            # replicas.
            label_loss = self.compute_loss(x, y, learnt["logits"], sample_weight)
            total = self.label_weight * label_loss
            parts = {"student": label_loss * replicas}
            for name, loss in self.distillation_losses.items():
                counts = self._counts(loss, x)
                given = inputs | {COUNTS: counts}
                values = loss(
                    {tap: learnt[tap] for tap in loss.student_taps},
                    {tap: taught[tap] for tap in loss.teacher_taps},
                    {key: given[key] for key in loss.inputs},
                )
                parts[name] = ops.mean(values * counts)
                total += factor * loss.weight * parts[name] / replicas
            scaled = self.optimizer.scale_loss(total)
        gradients = tape.gradient(scaled, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))

        batch = ops.shape(y)[0]
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(total * replicas, sample_weight=batch)
        for name, value in parts.items():
            self._means[name].update_state(value, sample_weight=batch)
        results = self.compute_metrics(x, y, learnt["logits"], sample_weight)
        return results | {mean.name: mean.result() for mean in self._means.values()}

    def test_step(self, data):
        """Evaluation of `call` as in Keras, without the parts of the training loss, which it does not compute."""
        parts = {mean.name for mean in self._means.values()}
        return {name: value for name, value in super().test_step(data).items() if name not in parts}

    def _counts(self, loss: DistillationLoss, x: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Float32 ``(B,)``: 1 for a cell that `loss` counts, 0 for a cell that lacks the DAPI image it needs."""
        teachers_see_dapi = self._teachers is not None and self._teachers.see_dapi
        needs_dapi = loss.reads_dapi or (loss.needs_teacher and teachers_see_dapi)
        return x[DAPI_PRESENT] if needs_dapi else ops.ones_like(x[DAPI_PRESENT])
