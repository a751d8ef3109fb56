"""OpenVINO runtime, which runs the same .tflite file and may be faster on x86-64."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tfctc.errors import DependencyError
from tfctc.io.files import temporary_file_errors
from tfctc.runtime.base import Runtime


class OpenVINO(Runtime):
    """Runtime that runs a network with OpenVINO. Arguments and errors as for `tfctc.runtime.load_network`.

    Float layers compute in float32, even if the processor has bfloat16 or float16.
    """

    def __init__(self, flatbuffer: bytes, threads: int | None = None):
        try:
            import openvino
        except ImportError:
            raise DependencyError("OpenVINO is not installed", fix="pip install openvino") from None
        try:
            # OpenVINO does not report the scales of inputs and outputs, so LiteRT reads them; it runs nothing here.
            super().__init__(Interpreter(model_content=flatbuffer))
            options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
            options |= {} if threads is None else {"INFERENCE_NUM_THREADS": threads}
            # OpenVINO reads TFLite networks from files only.
            with temporary_file_errors(), tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "model.tflite")
                path.write_bytes(flatbuffer)
                core = openvino.Core()
                self._network = core.compile_model(core.read_model(path), "CPU", options)
        except RuntimeError as error:
            raise ValueError(str(error)) from None

    def _invoke(self, values: np.ndarray) -> np.ndarray:
        return self._network(values)[0]
