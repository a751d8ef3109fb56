"""Conversion between float32 numbers and the integers of a quantized network."""

import numpy as np


def quantize(values: np.ndarray, tensor: dict) -> np.ndarray:
    """Float32 `values` converted to the dtype of a tensor: ``round(value / scale + zero_point)``, clipped to its range.

    Args:
        values: float32 numbers, any shape.
        tensor: LiteRT's details of the tensor: "dtype" and "quantization" (scale, zero point).
    """
    if tensor["dtype"] == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(tensor["dtype"])
    return np.clip(np.rint(values / scale + zero_point), limits.min, limits.max).astype(tensor["dtype"])


def dequantize(values: np.ndarray, tensor: dict) -> np.ndarray:
    """Float32 numbers that `values` in the dtype of a tensor represent: ``scale * (value - zero_point)``."""
    if tensor["dtype"] == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    return (values.astype(np.float32) - zero_point) * np.float32(scale)
