"""Runtimes of a TFLite network, one module each, imported when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING

from tfctc.errors import UnknownNameError

if TYPE_CHECKING:
    from tfctc.runtime.base import Runtime

#: Name -> module and class. "litert" is always installed; "openvino" is optional, for x86-64.
RUNTIMES = {"litert": ("tfctc.runtime.litert", "LiteRT"), "openvino": ("tfctc.runtime.openvino", "OpenVINO")}


def load_network(flatbuffer: bytes, threads: int | None = None, runtime: str = "litert") -> "Runtime":
    """A TFLite network, loaded into a runtime.

    Args:
        flatbuffer: content of a TFLite file.
        threads: number of threads for one call; None leaves the choice to the runtime.
        runtime: name of a runtime, one of `RUNTIMES`.

    Raises:
        ValueError: a network that this runtime cannot run, or that has more than one input or output.
        UnknownNameError: no such runtime.
        DependencyError: the runtime is not installed.
        OutputError: no space for a temporary file that the runtime needs.
    """
    if runtime not in RUNTIMES:
        raise UnknownNameError(f"unknown runtime {runtime!r}", fix=f"choose one of: {', '.join(RUNTIMES)}")
    module, name = RUNTIMES[runtime]
    return getattr(import_module(module), name)(flatbuffer, threads)
