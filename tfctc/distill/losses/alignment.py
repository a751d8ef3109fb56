"""Contrastive alignment of the student with the DAPI image itself; no teacher is needed.

Radford et al. 2021, "Learning transferable visual models from natural language supervision" (CLIP), arXiv 2103.00020,
with DAPI images in the place of captions.
"""

from numbers import Integral
from typing import Any

import keras

from tfctc.cells import DAPI
from tfctc.distill.losses.arithmetic import info_nce, standardised
from tfctc.distill.losses.base import COUNTS, LOSSES, DistillationLoss, Tensors, check_number


@LOSSES.register("alignment")
class AlignmentLoss(DistillationLoss):
    """InfoNCE(projector(student embedding), encoder(DAPI)), 0 or more; chance among n cells gives log n.

    The student's embedding of a cell must be more similar to the cell's own DAPI image than to those of other cells,
    and the other way round (`info_nce`). The encoder is small: convolutions of stride 2, trained from scratch with the
    student.

    Args:
        temperature: T of `info_nce`. It is fixed here and learnt in the paper.
        width: dimensions that embedding and image are projected to.
    """

    student_taps = ("embedding",)
    inputs = (DAPI, COUNTS)
    of_batch = True

    def __init__(self, weight: float = 1.0, temperature: float = 0.1, width: int = 64):
        super().__init__(weight)
        self.temperature = check_number("temperature", temperature)
        self.width = check_number("width", width, kind=Integral)
        self.projector: Any = None
        self.encoder: list[Any] = []

    def prepare(self, student_shapes, teacher_shapes, image_shape):
        self.projector = keras.layers.Dense(self.width, dtype=self.dtype_policy, name="projector")
        self.projector.build(student_shapes["embedding"])
        options = {"strides": 2, "padding": "same", "activation": "relu", "dtype": self.dtype_policy}
        self.encoder = [keras.layers.Conv2D(filters, 3, **options) for filters in (16, 32, 64)] + [
            # The mean over positions: a cell must not be recognised by its place in the image.
            keras.layers.GlobalAveragePooling2D(dtype=self.dtype_policy),
            keras.layers.Dense(self.width, dtype=self.dtype_policy),
        ]
        shape = image_shape
        for layer in self.encoder:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def encode(self, dapi):
        """Encoded DAPI images ``(B, H, W, 1)``: ``(B, width)``, whatever the gain and offset of an image."""
        x = standardised(dapi, axis=(1, 2, 3))
        for layer in self.encoder:
            x = layer(x)
        return x

    def call(self, student: Tensors, teacher: Tensors, inputs: Tensors) -> Any:
        learnt, taught = self.projector(student["embedding"]), self.encode(inputs[DAPI])
        return info_nce(learnt, taught, inputs[COUNTS], self.temperature)
