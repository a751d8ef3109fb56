"""OpenVINO, which reads the same file and on x86-64 may be the faster."""

import tempfile
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tfctc.errors import DependencyError
from tfctc.runtime.tensors import only, quantised, real


class OpenVINO:
    """See `tfctc.runtime.load`. Arithmetic is in float32, also where the processor has shorter kinds."""

    def __init__(self, flatbuffer: bytes, threads: int | None = None):
        try:
            import openvino
        except ImportError:
            raise DependencyError("OpenVINO is not installed", fix="pip install openvino") from None
        try:
            # OpenVINO knows no scales of inputs and outputs; LiteRT reads them, and runs nothing here.
            described = Interpreter(model_content=flatbuffer)
            self._input = only(described.get_input_details(), "inputs")
            self._output = only(described.get_output_details(), "outputs")
            options = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
            options |= {} if threads is None else {"INFERENCE_NUM_THREADS": threads}
            # It reads this format from files alone.
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "model.tflite")
                path.write_bytes(flatbuffer)
                core = openvino.Core()
                self._network = core.compile_model(core.read_model(path), "CPU", options)
        except RuntimeError as error:
            raise ValueError(str(error)) from None

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self._input["shape"].tolist())

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return real(self._network(quantised(values, self._input))[0], self._output)
