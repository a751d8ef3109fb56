"""LiteRT runtime (with XNNPACK). Export gates run the same code as the instrument."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tfctc.runtime.base import Runtime


class LiteRT(Runtime):
    """Runtime that runs a network with LiteRT. Arguments and errors as for `tfctc.runtime.load_network`."""

    def __init__(self, flatbuffer: bytes, threads: int | None = None):
        try:
            self._interpreter = Interpreter(model_content=flatbuffer, num_threads=threads)
            self._interpreter.allocate_tensors()
        except RuntimeError as error:
            raise ValueError(str(error)) from None
        super().__init__(self._interpreter)

    def _invoke(self, values: np.ndarray) -> np.ndarray:
        self._interpreter.set_tensor(self._input["index"], values)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._output["index"])
