"""Contrast with the DAPI image itself, without a teacher network.

Radford et al. 2021, "Learning transferable visual models from natural language supervision" (CLIP), arXiv 2103.00020,
with DAPI images in the place of captions.
"""

from numbers import Integral

import keras

from tfctc.cells import DAPI, DAPI_PRESENT
from tfctc.distill.losses import LOSSES, DistillationLoss, Taps, number
from tfctc.distill.losses.arithmetic import info_nce, standardised


@LOSSES.register("alignment")
class AlignmentLoss(DistillationLoss):
    """InfoNCE(projector(student embedding), encoder(DAPI)), 0 or more; a guess among n is log n.

    A cell is to find its own DAPI image among those of the batch, and the other way round (`info_nce`). The encoder is
    small, of convolutions of stride 2, and trains from scratch with the student.

    Args:
        temperature: T of `info_nce`; fixed, where the paper learns it.
        width: dimensions that embedding and image are projected to.
    """

    student_taps = ("embedding",)
    teacher_taps = (DAPI, DAPI_PRESENT)
    of_batch = True

    def __init__(self, weight: float = 1.0, temperature: float = 0.1, width: int = 64):
        super().__init__(weight)
        self.temperature = number("temperature", temperature)
        self.width = number("width", width, kind=Integral)
        self.projector, self.encoder = None, []

    def prepare(self, student_shapes, teacher_shapes):
        self.projector = keras.layers.Dense(self.width, dtype=self.dtype_policy, name="projector")
        self.projector.build(student_shapes["embedding"])
        options = {"strides": 2, "padding": "same", "activation": "relu", "dtype": self.dtype_policy}
        self.encoder = [keras.layers.Conv2D(filters, 3, **options) for filters in (16, 32, 64)] + [
            # The mean over positions, lest a cell be known by where in its image it lies.
            keras.layers.GlobalAveragePooling2D(dtype=self.dtype_policy),
            keras.layers.Dense(self.width, dtype=self.dtype_policy),
        ]
        shape = teacher_shapes[DAPI]
        for layer in self.encoder:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def encode(self, dapi):
        """``(B, H, W, 1)`` -> ``(B, width)``, the same for every positive gain and every offset of an image."""
        x = standardised(dapi, axis=(1, 2, 3))
        for layer in self.encoder:
            x = layer(x)
        return x

    def call(self, student: Taps, teacher: Taps):
        learnt, taught = self.projector(student["embedding"]), self.encode(teacher[DAPI])
        return info_nce(learnt, taught, teacher[DAPI_PRESENT], self.temperature)
