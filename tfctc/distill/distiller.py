"""Teaching a bright-field student what a DAPI-informed teacher knows, cell by cell."""

from collections.abc import Mapping

import keras
import tensorflow as tf
from keras import ops

from tfctc.cells import BRIGHTFIELD, DAPI, DAPI_PRESENT
from tfctc.distill.losses import GIVEN, DistillationLoss


class Distiller(keras.Model):
    """Trains `student` on its own loss plus distillation losses from a frozen `teacher`.

    Both arrive *tapped*: functional models over named channels whose outputs are ``{tap: feature}``; the student's hold
    "logits" among them. Batches are ``(x, y, sample_weight)`` with ``x = {"brightfield", "dapi": (B, H, W, 1),
    "dapi_present": (B,)}``. Cells without a label carry sample weight 0 and learn from the teacher alone; cells
    without DAPI learn from their label alone. `call`, evaluation and prediction see bright-field only.

    `keras.distillation.Distiller` is not used: it feeds teacher and student the same input and ignores sample weights.

    Args:
        teacher: None if no loss reads more than DAPI itself.
        losses: name -> distillation loss, each with its own weight.
        student_weight: factor of the student's own (compiled) loss.
    """

    def __init__(
        self,
        student: keras.Model,
        teacher: keras.Model | None,
        losses: Mapping[str, DistillationLoss],
        student_weight: float = 1.0,
    ):
        super().__init__(name="distiller")
        self.student = student
        # A method, not a layer: Keras must not count the teacher's weights as the distiller's, to train or to save.
        self._teach = teacher.call if teacher else None
        self._taught_channels = tuple(teacher.input) if teacher else ()
        self._given = {tap for loss in losses.values() for tap in loss.teacher_taps if tap in GIVEN}
        self.distillation_losses = dict(losses)
        self.student_weight = student_weight
        self._means = {name: keras.metrics.Mean(name=f"{name}_loss") for name in ["student", *losses]}
        shapes = [{tap: x.shape for tap, x in m.output.items()} if m else {} for m in (student, teacher)]
        shapes[1] |= {DAPI: student.input[BRIGHTFIELD].shape, DAPI_PRESENT: (None,)}
        for loss in losses.values():
            loss.prepare(*shapes)
        self.built = True

    def call(self, x, training=False):
        """Logits ``(B, 2)`` from bright-field alone."""
        return self.student({BRIGHTFIELD: x[BRIGHTFIELD]}, training=training)["logits"]

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        # Outside the tape, which would watch even weights whose Keras flag says not trainable.
        channels = {name: x[name] for name in self._taught_channels}
        taught = self._teach(channels, training=False) if self._teach else {}
        taught = self._float32(taught | {name: x[name] for name in self._given})
        # Neither a teacher of DAPI nor DAPI itself has anything to say of a cell without.
        pairs = x[DAPI_PRESENT] if DAPI in {*channels, *self._given} else ops.ones_like(x[DAPI_PRESENT])
        replicas = tf.distribute.get_strategy().num_replicas_in_sync

        with tf.GradientTape() as tape:
            learnt = self._float32(self.student({BRIGHTFIELD: x[BRIGHTFIELD]}, training=True))
            # Compiled loss with class and sample weights, and the student's regularisers; scaled for the strategy.
            own = self.compute_loss(x, y, learnt["logits"], sample_weight)
            total = self.student_weight * own
            parts = {"student": own * replicas}
            for name, loss in self.distillation_losses.items():
                parts[name] = ops.mean(loss(learnt, taught) * pairs)
                total += loss.weight * parts[name] / replicas
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

    @staticmethod
    def _float32(taps):
        return {name: ops.cast(value, "float32") for name, value in taps.items()}
