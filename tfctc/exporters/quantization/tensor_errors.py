"""Quantization errors of a TFLite network by tensor, and networks whose first layers stay in float32."""

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from tfctc.errors import ExportError
from tfctc.exporters.parity import run_tflite
from tfctc.runtime.tensors import dequantize, quantize

#: Number of images over which a tensor's error is measured.
REPORT_IMAGES = 32


class TensorError(NamedTuple):
    """Quantization error of an int8 tensor against the float32 one.

    Args:
        name: name of the tensor, the same in both networks.
        decibels: signal-to-noise ratio: 10 log10 of the power of the float32 tensor over the power of the difference.
            One bit of precision is about 6 dB.
    """

    name: str
    decibels: float


def output_tensors(flatbuffer: bytes) -> list[str]:
    """Names of the tensors that the operations of a network produce, in order."""
    graph = schema.Model.GetRootAsModel(flatbuffer, 0).Subgraphs(0)
    operators = (graph.Operators(i) for i in range(graph.OperatorsLength()))
    return [graph.Tensors(operator.Outputs(0)).Name().decode() for operator in operators]


def tensor_errors(float32: bytes, int8: bytes, images: np.ndarray) -> list[TensorError]:
    """Errors of the int8 tensors, in the order of computation, over float32 `images` ``(N, H, W, 1)`` in [0, 1]."""
    networks = [_interpreter(content) for content in (float32, int8)]
    one, other = ({t["name"]: t for t in network.get_tensor_details()} for network in networks)
    # A tensor with several scales is a weight. A name that the int8 network lacks was fused into another operation.
    names = [
        name
        for name in output_tensors(float32)
        if name in other
        and other[name]["dtype"] == np.int8
        and len(other[name]["quantization_parameters"]["scales"]) == 1
    ]
    power = np.zeros((len(names), 2))
    for image in images[:REPORT_IMAGES]:
        for network in networks:
            (takes,) = network.get_input_details()
            network.set_tensor(takes["index"], quantize(image[np.newaxis], takes))
            network.invoke()
        for i, name in enumerate(names):
            expected = networks[0].get_tensor(one[name]["index"])
            found = dequantize(networks[1].get_tensor(other[name]["index"]), other[name])
            power[i] += (expected**2).sum(), ((found - expected) ** 2).sum()
    floor = np.finfo(float).tiny
    return [
        TensorError(name, float(10 * np.log10(max(signal, floor) / max(noise, floor))))
        for name, (signal, noise) in zip(names, power, strict=True)
    ]


def input_levels(int8: bytes, images: np.ndarray) -> float:
    """Median number of different integers, at most 256, that one image of ``(N, H, W, 1)`` becomes at the input."""
    (takes,) = _interpreter(int8).get_input_details()
    return float(np.median([len(np.unique(quantize(image, takes))) for image in images[:REPORT_IMAGES]]))


def largest_values(float32: bytes, images: Sequence[np.ndarray]) -> np.ndarray:
    """Largest absolute value of each float32 image ``(H, W, 1)`` in every tensor, ``(N, tensors)``."""
    network = _interpreter(float32)
    (takes,), details = network.get_input_details(), network.get_tensor_details()
    places = {t["name"]: t["index"] for t in details if t["dtype"] == np.float32}
    outputs = [places[name] for name in output_tensors(float32) if name in places]
    found = np.zeros((len(images), len(outputs)))
    for row, image in zip(found, images, strict=True):
        network.set_tensor(takes["index"], image[np.newaxis])
        network.invoke()
        row[:] = [np.abs(network.get_tensor(place)).max() for place in outputs]
    return found


def convert_mixed(
    float32: bytes, convert: Callable[[list[str]], bytes], images: Sequence[np.ndarray], bound: float
) -> bytes:
    """The int8 network with as few of its first layers in float32 as `bound` allows; their number is tried by doubling.

    The first layers are kept because the image has more than eight bits there, and their errors reach all later layers.

    Args:
        float32: the float32 network.
        convert: function from the names of the layers to keep in float32 to the network.
        images: float32 ``(H, W, 1)`` in [0, 1] each.
        bound: largest mean difference in probability from the float32 network.

    Raises:
        ExportError: the bound is exceeded even with half of the layers in float32.
    """
    names, expected = output_tensors(float32), run_tflite(float32, images)
    half, count = max(2, len(names) // 2), 1
    while count < half:
        count = min(2 * count, half)
        flatbuffer = convert(names[:count])
        difference = float(np.abs(run_tflite(flatbuffer, images) - expected).mean())
        if difference <= bound:
            return flatbuffer
    raise ExportError(
        f"integers differ from float32 by {difference:.3g} on average with the first {count} of {len(names)} "
        f"layers in float32, at most {bound:g} wanted",
        fix="choose --quantize float16",
    )


def _interpreter(flatbuffer: bytes) -> Interpreter:
    """An interpreter that keeps the values of all tensors, intermediate ones included."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Enabling `experimental_preserve_all_tensors`")
        network = Interpreter(model_content=flatbuffer, experimental_preserve_all_tensors=True)
    network.allocate_tensors()
    return network
