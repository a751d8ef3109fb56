"""LiteRT, with XNNPACK: the export gates run the very code that the instrument runs."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tfctc.runtime.tensors import only, quantised, real


class LiteRT:
    """See `tfctc.runtime.load`."""

    def __init__(self, flatbuffer: bytes, threads: int | None = None):
        try:
            self._interpreter = Interpreter(model_content=flatbuffer, num_threads=threads)
            self._interpreter.allocate_tensors()
        except RuntimeError as error:
            raise ValueError(str(error)) from None
        self._input = only(self._interpreter.get_input_details(), "inputs")
        self._output = only(self._interpreter.get_output_details(), "outputs")

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self._input["shape"].tolist())

    def __call__(self, values: np.ndarray) -> np.ndarray:
        self._interpreter.set_tensor(self._input["index"], quantised(values, self._input))
        self._interpreter.invoke()
        return real(self._interpreter.get_tensor(self._output["index"]), self._output)
