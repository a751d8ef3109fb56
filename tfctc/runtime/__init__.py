"""What runs a TFLite network, real numbers in and out; one file a runtime, loaded when it is asked for."""

from importlib import import_module
from typing import Protocol

import numpy as np

from tfctc.errors import UnknownNameError

#: Name -> module and class. "litert" is always there; "openvino" is an extra, for x86-64.
RUNTIMES = {"litert": ("tfctc.runtime.litert", "LiteRT"), "openvino": ("tfctc.runtime.openvino", "OpenVINO")}


class Runtime(Protocol):
    """One input, one output; integer ones are quantised by the scale and zero point in the file."""

    @property
    def input_shape(self) -> tuple[int, ...]: ...

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Float32 output for float32 `values` of `input_shape`. Not to be called by two threads at once."""


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
    """
    if runtime not in RUNTIMES:
        raise UnknownNameError(f"unknown runtime {runtime!r}", fix=f"choose one of: {', '.join(RUNTIMES)}")
    module, name = RUNTIMES[runtime]
    return getattr(import_module(module), name)(flatbuffer, threads)
