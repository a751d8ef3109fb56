"""Base class of the runtimes."""

from typing import Any

import numpy as np

from tfctc.runtime.tensors import quantised, real


class Runtime:
    """A network with one input and one output, float32 both: integer ones are converted by the scales in the file.

    Args:
        described: a LiteRT interpreter of the network, which need not run.

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
        """Shape of the input, the batch included."""
        return tuple(self._input["shape"].tolist())

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Float32 output for float32 `values` of `input_shape`. Not to be called by two threads at once."""
        return real(self._invoke(quantised(values, self._input)), self._output)

    def _invoke(self, values: np.ndarray) -> np.ndarray:
        """Output of the network for an input of its own type."""
        raise NotImplementedError
