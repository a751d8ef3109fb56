"""Virtual staining: Christiansen et al. 2018, "In silico labeling: predicting fluorescent labels in unlabeled images",
Cell 173(3), doi 10.1016/j.cell.2018.03.040.

As an exercise for the student, where the paper wants the image itself and predicts a distribution for every pixel.
"""

from numbers import Integral

import keras
from keras import ops

from tfctc.cells import DAPI, DAPI_PRESENT
from tfctc.distill.losses import LOSSES, DistillationLoss, Taps, number
from tfctc.distill.losses.arithmetic import huber, standardised
from tfctc.errors import ConfigError


@LOSSES.register("staining")
class StainingLoss(DistillationLoss):
    """How far the DAPI image that a small decoder draws from one of the student's maps is from the cell's own.

    The decoder is a 1 x 1 convolution, for every doubling of the map that fits into the image a bilinear upsampling and
    a 3 x 3 convolution of half as many channels (8 at least), and a 3 x 3 convolution to the one of the drawing.

    Args:
        tap: the spatial feature map ``(B, h, w, c)`` to draw from.
        measure: "correlation": 1 - Pearson's r over the pixels of a cell, in [0, 2]; blind to an image's brightness and
            contrast, which the dose of dye and the exposure decide. "huber": mean Huber distance (threshold 1) between
            pixels, the real ones less their mean and over their standard deviation in the batch; this one tells a
            bright nucleus from a dim one.
        width: channels of the decoder before it halves them.
    """

    of_batch = True

    def __init__(self, weight: float = 1.0, tap: str = "stage3", measure: str = "correlation", width: int = 32):
        super().__init__(weight)
        if measure not in ("correlation", "huber"):
            raise ConfigError(f"measure must be correlation or huber, got {measure!r}")
        self.tap, self.measure, self.width = tap, measure, number("width", width, kind=Integral)
        self.student_taps, self.teacher_taps = (tap,), (DAPI, DAPI_PRESENT)
        self.decoder, self.size = [], None

    def prepare(self, student_shapes, teacher_shapes):
        shape, self.size = student_shapes[self.tap], teacher_shapes[DAPI][1:3]
        if len(shape) != 4:
            raise ConfigError(f"distillation loss staining: tap {self.tap} must be a map, got {shape[1:]}")

        def convolution(filters, kernel, activation="relu"):
            return keras.layers.Conv2D(filters, kernel, padding="same", activation=activation, dtype=self.dtype_policy)

        doublings = min(size // side for size, side in zip(self.size, shape[1:3], strict=True)).bit_length() - 1
        self.decoder = [convolution(self.width, 1)]
        for n in range(1, doublings + 1):
            self.decoder += [
                keras.layers.UpSampling2D(2, interpolation="bilinear", dtype=self.dtype_policy),
                convolution(max(self.width >> n, 8), 3),
            ]
        self.decoder.append(convolution(1, 3, activation=None))
        for layer in self.decoder:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)

    def draw(self, feature):
        """``(B, h, w, c)`` -> the drawing ``(B, H, W, 1)``, of any range."""
        for layer in self.decoder:
            feature = layer(feature)
        return ops.image.resize(feature, self.size)

    def call(self, student: Taps, teacher: Taps):
        drawn, real, present = self.draw(student[self.tap]), teacher[DAPI], teacher[DAPI_PRESENT]
        pixels = (1, 2, 3)
        if self.measure == "correlation":
            distance = 1.0 - ops.mean(standardised(drawn, pixels) * standardised(real, pixels), pixels)
        else:
            weight = ops.reshape(present, (-1, 1, 1, 1))
            distance = ops.mean(huber(drawn - standardised(real, (0, *pixels), weight)), pixels)
        return present * distance
