"""A TFLite network on LiteRT, real numbers in and out: the export gates run the very code that the instrument runs."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter


class Runtime:
    """One input, one output; integer ones are quantised by the scale and zero point in the file.

    Args:
        flatbuffer: of a TFLite file.
        threads: for one call; None leaves it to LiteRT.

    Raises:
        ValueError: not a network that this LiteRT can run, or more than one input or output.
    """

    def __init__(self, flatbuffer: bytes, threads: int | None = None):
        try:
            self._interpreter = Interpreter(model_content=flatbuffer, num_threads=threads)
            self._interpreter.allocate_tensors()
        except RuntimeError as error:
            raise ValueError(str(error)) from None
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if (len(inputs), len(outputs)) != (1, 1):
            raise ValueError(f"has {len(inputs)} inputs and {len(outputs)} outputs, one of each expected")
        self._input, self._output = inputs[0], outputs[0]

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self._input["shape"].tolist())

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Float32 output for float32 `values` of `input_shape`. Not to be called by two threads at once."""
        self._interpreter.set_tensor(self._input["index"], _quantised(values, self._input))
        self._interpreter.invoke()
        return _real(self._interpreter.get_tensor(self._output["index"]), self._output)


def _quantised(values: np.ndarray, tensor: dict) -> np.ndarray:
    if tensor["dtype"] == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(tensor["dtype"])
    return np.clip(np.rint(values / scale + zero_point), limits.min, limits.max).astype(tensor["dtype"])


def _real(values: np.ndarray, tensor: dict) -> np.ndarray:
    if tensor["dtype"] == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    return (values.astype(np.float32) - zero_point) * np.float32(scale)
