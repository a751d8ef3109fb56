"""Teaching a bright-field student what a DAPI-informed teacher knows, cell by cell."""

from collections.abc import Callable, Mapping

import keras
import tensorflow as tf
from keras import ops

from tfctc.cells import BRIGHTFIELD, DAPI, DAPI_PRESENT
from tfctc.distill.losses import DistillationLoss
from tfctc.distill.teachers import Teachers


class Distiller(keras.Model):
    """Trains `student` on its own loss plus distillation losses from frozen `teachers` or from the DAPI image itself.

    The student arrives *tapped*: a functional model over bright-field whose output is ``{tap: feature}``, "logits"
    among them. Batches are ``(x, y, sample_weight)`` with ``x = {"brightfield", "dapi": (B, H, W, 1),
    "dapi_present": (B,)}``, and "fold" for several teachers. Cells without a label carry sample weight 0 and learn from
    the distillation losses alone; what comes of DAPI does not count for cells without. `call`, evaluation and
    prediction see bright-field only.

    `keras.distillation.Distiller` is not used: it feeds teacher and student the same input and ignores sample weights.

    Args:
        teachers: None if no loss reads a tap of a teacher.
        losses: name -> distillation loss, each with its own weight.
        student_weight: factor of the student's own (compiled) loss.
        strength: step -> factor of all distillation losses; None is 1.
    """

    def __init__(
        self,
        student: keras.Model,
        teachers: Teachers | None,
        losses: Mapping[str, DistillationLoss],
        student_weight: float = 1.0,
        strength: Callable | None = None,
    ):
        super().__init__(name="distiller")
        self.student = student
        self._teachers = teachers
        self.distillation_losses = dict(losses)
        self.student_weight = student_weight
        self._strength = strength or (lambda step: 1.0)
        self._means = {name: keras.metrics.Mean(name=f"{name}_loss") for name in ["student", *losses]}
        given = {DAPI: tuple(student.input[BRIGHTFIELD].shape), DAPI_PRESENT: (None,)}
        self._reads_dapi = any(DAPI in loss.teacher_taps for loss in losses.values())
        known = (teachers.shapes if teachers else {}) | given
        for loss in losses.values():
            loss.prepare({tap: output.shape for tap, output in student.output.items()}, known)
        self.built = True

    def call(self, x, training=False):
        """Logits ``(B, 2)`` from bright-field alone."""
        return self.student({BRIGHTFIELD: x[BRIGHTFIELD]}, training=training)["logits"]

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        # Outside the tape, which would watch even weights whose Keras flag says not trainable.
        taught = self._teachers(x) if self._teachers else {}
        if self._reads_dapi:
            taught |= {DAPI: x[DAPI]}
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        strength = ops.cast(self._strength(self.optimizer.iterations), "float32")

        with tf.GradientTape() as tape:
            learnt = self.student({BRIGHTFIELD: x[BRIGHTFIELD]}, training=True)
            learnt = {tap: ops.cast(value, "float32") for tap, value in learnt.items()}
            # Compiled loss with class and sample weights, and the student's regularisers; scaled for the strategy.
            own = self.compute_loss(x, y, learnt["logits"], sample_weight)
            total = self.student_weight * own
            parts = {"student": own * replicas}
            for name, loss in self.distillation_losses.items():
                counted = self._counted(loss, x)
                parts[name] = ops.mean(loss(learnt, taught | {DAPI_PRESENT: counted}) * counted)
                total += strength * loss.weight * parts[name] / replicas
            scaled = self.optimizer.scale_loss(total)
        gradients = tape.gradient(scaled, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))

        batch = ops.shape(y)[0]
        self._loss_tracker.update_state(total * replicas, sample_weight=batch)
        for name, value in parts.items():
            self._means[name].update_state(value, sample_weight=batch)
        results = self.compute_metrics(x, y, learnt["logits"], sample_weight)
        return results | {mean.name: mean.result() for mean in self._means.values()}

    def test_step(self, data):
        """As Keras evaluates `call`; what only training knows of (the parts of the loss) is left out."""
        parts = {mean.name for mean in self._means.values()}
        return {name: value for name, value in super().test_step(data).items() if name not in parts}

    def _counted(self, loss: DistillationLoss, x):
        """1 for cells of which `loss` has something to compare with: what comes of DAPI says nothing of one without."""
        of_dapi = DAPI in loss.teacher_taps or (loss.asks_teacher and self._teachers.see_dapi)
        return x[DAPI_PRESENT] if of_dapi else ops.ones_like(x[DAPI_PRESENT])
