"""Quantised tensors against TFLite's formula: real = scale * (integer - zero point)."""

import numpy as np
import pytest

from tfctc.runtime.tensors import dequantize, quantize


@pytest.mark.parametrize(
    ("dtype", "scale", "zero_point"), [(np.int8, 1 / 255, -128), (np.uint8, 0.05, 3), (np.int8, 2.0, 0)]
)
def test_every_integer_is_a_real_number_and_comes_back(dtype, scale, zero_point):
    tensor = {"dtype": dtype, "quantization": (scale, zero_point)}
    limits = np.iinfo(dtype)
    integers = np.arange(limits.min, limits.max + 1).astype(dtype)
    expected = scale * (integers.astype(np.float64) - zero_point)
    found = dequantize(integers, tensor)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_array_equal(quantize(found, tensor), integers)
    # The nearest integer, and the last one beyond the ends.
    np.testing.assert_array_equal(quantize((found + np.float32(0.4 * scale))[:-1], tensor), integers[:-1])
    ends = np.float32([expected[0] - 9 * scale, expected[-1] + 9 * scale])
    np.testing.assert_array_equal(quantize(ends, tensor), [limits.min, limits.max])


def test_real_tensors_are_left_alone():
    values, tensor = np.float32([0.1, -3.0]), {"dtype": np.float32, "quantization": (0.0, 0)}
    assert quantize(values, tensor) is values and dequantize(values, tensor) is values
