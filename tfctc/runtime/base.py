"""Base class of the runtimes."""

from typing import Any

import numpy as np

from tfctc.runtime.tensors import dequantize, quantize


class Runtime:
    """A network that takes one float32 input and gives one float32 output.

    Integer inputs and outputs of the network are converted with the scales and zero points in the file.

    Args:
        described: LiteRT interpreter of the network, from which input and output are read; it runs nothing.

    Raises:
        ValueError: more than one input or output.
    """

    def __init__(self, described: Any):
        inputs, outputs = described.get_input_details(), described.get_output_details()
        if (len(inputs), len(outputs)) != (1, 1):
            raise ValueError(f"has {len(inputs)} inputs and {len(outputs)} outputs, one of each expected")
        self._input, self._output = inputs[0], outputs[0]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the input, batch dimension included."""
        return tuple(self._input["shape"].tolist())

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Float32 output for float32 `values` of shape `input_shape`. Two threads must not call it at the same time."""
        return dequantize(self._invoke(quantize(values, self._input)), self._output)

    def _invoke(self, values: np.ndarray) -> np.ndarray:
        """Output of the network, in its own dtype, for an input in its own dtype."""
        raise NotImplementedError
