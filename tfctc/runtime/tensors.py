"""Real numbers as the integers of a quantised network, and back."""

import numpy as np


def quantised(values: np.ndarray, tensor: dict) -> np.ndarray:
    """Float32 `values` in the type of `tensor`, LiteRT's description: "dtype", "quantization" (scale, zero point)."""
    if tensor["dtype"] == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(tensor["dtype"])
    return np.clip(np.rint(values / scale + zero_point), limits.min, limits.max).astype(tensor["dtype"])


def real(values: np.ndarray, tensor: dict) -> np.ndarray:
    """Float32 numbers that `values` of the type of `tensor` stand for."""
    if tensor["dtype"] == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    return (values.astype(np.float32) - zero_point) * np.float32(scale)
