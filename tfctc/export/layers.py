"""Where integers cost accuracy: the tensors of a TFLite network, and which of its layers had better stay real."""

import warnings
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from tfctc.errors import ExportError
from tfctc.export.parity import run_tflite
from tfctc.runtime.tensors import quantised, real

#: Images that are enough to tell a tensor's error.
REPORT_IMAGES = 32


class TensorError(NamedTuple):
    """How far an integer tensor is from the real one.

    Args:
        name: of the tensor, the same in both networks.
        decibels: 10 log10 of the real tensor's power over the difference's; some 6 for each bit that is right.
    """

    name: str
    decibels: float


def layers(flatbuffer: bytes) -> list[str]:
    """The tensor that each operation gives, in order."""
    graph = schema.Model.GetRootAsModel(flatbuffer, 0).Subgraphs(0)
    operators = (graph.Operators(i) for i in range(graph.OperatorsLength()))
    return [graph.Tensors(operator.Outputs(0)).Name().decode() for operator in operators]


def tensor_errors(float32: bytes, int8: bytes, images: np.ndarray) -> list[TensorError]:
    """Errors of the integer tensors, in the order in which they come to be, over float32 `images` ``(N, H, W, 1)``."""
    networks = [_remembering(content) for content in (float32, int8)]
    one, other = ({t["name"]: t for t in network.get_tensor_details()} for network in networks)
    # What has several scales is a weight; what the other network does not name was merged.
    names = [
        name
        for name in layers(float32)
        if name in other
        and other[name]["dtype"] == np.int8
        and len(other[name]["quantization_parameters"]["scales"]) == 1
    ]
    power = np.zeros((len(names), 2))
    for image in images[:REPORT_IMAGES]:
        for network in networks:
            (takes,) = network.get_input_details()
            network.set_tensor(takes["index"], quantised(image[np.newaxis], takes))
            network.invoke()
        for i, name in enumerate(names):
            expected = networks[0].get_tensor(one[name]["index"])
            found = real(networks[1].get_tensor(other[name]["index"]), other[name])
            power[i] += (expected**2).sum(), ((found - expected) ** 2).sum()
    floor = np.finfo(float).tiny
    return [
        TensorError(name, float(10 * np.log10(max(signal, floor) / max(noise, floor))))
        for name, (signal, noise) in zip(names, power, strict=True)
    ]


def reach(float32: bytes, images: Sequence[np.ndarray]) -> np.ndarray:
    """The largest absolute value that each float32 image ``(H, W, 1)`` gives every tensor, ``(N, tensors)``."""
    network = _remembering(float32)
    (takes,), details = network.get_input_details(), network.get_tensor_details()
    places = {t["name"]: t["index"] for t in details if t["dtype"] == np.float32}
    places = [places[name] for name in layers(float32) if name in places]
    found = np.zeros((len(images), len(places)))
    for row, image in zip(found, images, strict=True):
        network.set_tensor(takes["index"], image[np.newaxis])
        network.invoke()
        row[:] = [np.abs(network.get_tensor(place)).max() for place in places]
    return found


def fewest_real(
    float32: bytes, convert: Callable[[list[str]], bytes], images: Sequence[np.ndarray], bound: float
) -> bytes:
    """The integer network with the fewest of its first layers left real, by doubling, that answers as `float32` does.

    The first ones, because there the image still has more than eight bits and every later error is on top of theirs.

    Args:
        convert: names of layers to leave real -> the network.
        images: float32 ``(H, W, 1)`` in [0, 1].
        bound: of the mean difference in probability.

    Raises:
        ExportError: not even half of the layers are enough.
    """
    names, expected = layers(float32), run_tflite(float32, images)
    half, count = max(2, len(names) // 2), 1
    while count < half:
        count = min(2 * count, half)
        flatbuffer = convert(names[:count])
        difference = float(np.abs(run_tflite(flatbuffer, images) - expected).mean())
        if difference <= bound:
            return flatbuffer
    raise ExportError(
        f"integers differ from float32 by {difference:.3g} on average with the first {count} of {len(names)} "
        f"layers real, at most {bound:g} wanted",
        fix="choose --quantize float16",
    )


def _remembering(flatbuffer: bytes) -> Interpreter:
    """An interpreter that can be asked for every tensor afterwards."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Enabling `experimental_preserve_all_tensors`")
        network = Interpreter(model_content=flatbuffer, experimental_preserve_all_tensors=True)
    network.allocate_tensors()
    return network
