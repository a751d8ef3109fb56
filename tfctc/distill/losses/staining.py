"""Virtual staining: Christiansen et al. 2018, "In silico labeling: predicting fluorescent labels in unlabeled images",
Cell 173(3), doi 10.1016/j.cell.2018.03.040.

Here the predicted image only trains the student. In the paper it is the aim, and a distribution is predicted for every
pixel.
"""

from numbers import Integral
from typing import Any

import keras
from keras import ops

from tfctc.cells import DAPI
from tfctc.distill.losses.arithmetic import huber, standardised
from tfctc.distill.losses.base import COUNTS, LOSSES, DistillationLoss, Tensors, check_number
from tfctc.errors import ConfigError


@LOSSES.register("staining")
class StainingLoss(DistillationLoss):
    """Distance between a cell's DAPI image and the image that a small decoder predicts from the student's features.

    The decoder starts with a 1 x 1 convolution. It doubles the map by bilinear upsampling as long as the map stays
    within the image size; after each doubling follows a 3 x 3 convolution of half as many channels (at least 8). The
    last layer is a 3 x 3 convolution to one channel.

    Args:
        tap: the spatial feature map ``(B, h, w, c)`` to predict from.
        measure: "correlation": 1 - Pearson's r over the pixels of a cell, in [0, 2]. It ignores brightness and contrast
            of an image, which depend on the dose of dye and the exposure. "huber": mean Huber distance (threshold 1)
            between pixels, the real ones standardised over the batch. It tells a bright nucleus from a dim one.
        width: channels of the decoder before it halves them.
    """

    inputs = (DAPI, COUNTS)
    of_batch = True

    def __init__(self, weight: float = 1.0, tap: str = "stage3", measure: str = "correlation", width: int = 32):
        super().__init__(weight)
        if measure not in ("correlation", "huber"):
            raise ConfigError(f"measure must be correlation or huber, got {measure!r}")
        self.tap, self.measure, self.width = tap, measure, check_number("width", width, kind=Integral)
        self.student_taps = (tap,)
        self.decoder: list[Any] = []
        self.size: tuple[int, ...] = ()

    def prepare(self, student_shapes, teacher_shapes, image_shape):
        shape, self.size = student_shapes[self.tap], image_shape[1:3]
        if len(shape) != 4:
            raise ConfigError(
                f"distillation loss staining: tap {self.tap} must be a map, got {shape[1:]}",
                fix="choose a tap of the backbone, such as stage3",
            )

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

    def predict_dapi(self, feature):
        """Feature map ``(B, h, w, c)`` -> predicted DAPI ``(B, H, W, 1)``, of any range."""
        for layer in self.decoder:
            feature = layer(feature)
        return ops.image.resize(feature, self.size)

    def call(self, student: Tensors, teacher: Tensors, inputs: Tensors) -> Any:
        predicted, real, counts = self.predict_dapi(student[self.tap]), inputs[DAPI], inputs[COUNTS]
        pixels = (1, 2, 3)
        if self.measure == "correlation":
            distance = 1.0 - ops.mean(standardised(predicted, pixels) * standardised(real, pixels), pixels)
        else:
            weight = ops.reshape(counts, (-1, 1, 1, 1))
            distance = ops.mean(huber(predicted - standardised(real, (0, *pixels), weight)), pixels)
        return counts * distance
