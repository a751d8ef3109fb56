"""Real numbers and what a network takes in their place."""

import numpy as np


def quantised(values: np.ndarray, tensor: dict) -> np.ndarray:
    """Float32 `values` as the `tensor` wants them, as LiteRT describes it: "dtype", "quantization" (scale, zero)."""
    if tensor["dtype"] == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(tensor["dtype"])
    return np.clip(np.rint(values / scale + zero_point), limits.min, limits.max).astype(tensor["dtype"])


def real(values: np.ndarray, tensor: dict) -> np.ndarray:
    """The other way round."""
    if tensor["dtype"] == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    return (values.astype(np.float32) - zero_point) * np.float32(scale)
