"""What runs a TFLite network, real numbers in and out; one file a runtime, loaded when it is asked for."""

from importlib import import_module

import numpy as np

from tfctc.errors import UnknownNameError
from tfctc.runtime.tensors import quantised, real

#: Name -> module and class. "litert" is always there; "openvino" is an extra, for x86-64.
RUNTIMES = {"litert": ("tfctc.runtime.litert", "LiteRT"), "openvino": ("tfctc.runtime.openvino", "OpenVINO")}


class Runtime:
    """One input, one output; integer ones are quantised by the scale and zero point in the file.

    Args:
        described: a LiteRT interpreter of the network, which need not run.

    Raises:
        ValueError: more than one input or output.
    """

    def __init__(self, described):
        inputs, outputs = described.get_input_details(), described.get_output_details()
        if (len(inputs), len(outputs)) != (1, 1):
            raise ValueError(f"has {len(inputs)} inputs and {len(outputs)} outputs, one of each expected")
        self._input, self._output = inputs[0], outputs[0]

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self._input["shape"].tolist())

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Float32 output for float32 `values` of `input_shape`. Not to be called by two threads at once."""
        return real(self._invoke(quantised(values, self._input)), self._output)

    def _invoke(self, values: np.ndarray) -> np.ndarray:
        """What the network gives for what it takes."""
        raise NotImplementedError


def load(flatbuffer: bytes, threads: int | None = None, runtime: str = "litert") -> Runtime:
    """A network, ready to run.

    Args:
        flatbuffer: of a TFLite file.
        threads: for one call; None leaves it to the runtime.
        runtime: one of `RUNTIMES`.

    Raises:
        ValueError: not a network that this runtime can run, or more than one input or output.
        UnknownNameError: not one of them.
        DependencyError: the runtime is not installed.
        OutputError: it has no room for a temporary file that it needs.
    """
    if runtime not in RUNTIMES:
        raise UnknownNameError(f"unknown runtime {runtime!r}", fix=f"choose one of: {', '.join(RUNTIMES)}")
    module, name = RUNTIMES[runtime]
    return getattr(import_module(module), name)(flatbuffer, threads)
