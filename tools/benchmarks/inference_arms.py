"""Arms of `bench_inference.py`: one network on every runtime, as functions from float32 images to probabilities.

The functions of this module make an arm from the folder that `bench_inference.prepare` fills, for a number of threads
and a number of images in a call.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from tfctc.cells import BRIGHTFIELD
from tfctc.runtime import load_network
from tfctc.runtime.tensors import dequantize, quantize

#: Float32 images ``(N, H, W, 1)`` in [0, 1] -> probabilities ``(N,)``.
Arm = Callable[[np.ndarray], np.ndarray]
TFLITE, ONNX, TORCH, KERAS, SAVED_MODEL = "{}.tflite", "model.onnx", "model.pt", "model.keras", "saved_model"


class LeftOut(Exception):
    """An arm that cannot run on this machine; the message is the reason."""


def litert(precision: str, folder: Path, threads: int, images: int) -> Arm:
    run = load_network((folder / TFLITE.format(precision)).read_bytes(), threads)
    return lambda x: np.concatenate([run(image[np.newaxis]) for image in x])


def on_integers(run: Arm, folder: Path) -> Arm:
    """Arm with float32 input and output, from a function `run` with the input and output of the int8 file."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / TFLITE.format("int8")))
    (takes,), (gives,) = interpreter.get_input_details(), interpreter.get_output_details()
    return lambda x: dequantize(run(quantize(x, takes)), gives)


def litert_batched(precision: str, folder: Path, threads: int, images: int) -> Arm:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / TFLITE.format(precision)), num_threads=threads)
    (takes,), (gives,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.resize_tensor_input(takes["index"], (images, *takes["shape"][1:]), strict=False)
    try:
        interpreter.allocate_tensors()
    except RuntimeError as error:
        # For images of 32 px the converter fixes the batch size of one in the network.
        raise LeftOut(f"LiteRT cannot resize this network ({error})") from None

    def run(x):
        interpreter.set_tensor(takes["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(gives["index"])

    return on_integers(run, folder) if precision == "int8" else run


def saved_model(folder: Path, threads: int, images: int) -> Arm:
    import tensorflow as tf

    serve = tf.saved_model.load(str(folder / SAVED_MODEL)).signatures["serving_default"]
    return lambda x: serve(brightfield=tf.constant(x))["probability"].numpy()


def keras_model(folder: Path, threads: int, images: int) -> Arm:
    import keras
    import tensorflow as tf

    from tfctc.models.classifier import probability

    model = keras.saving.load_model(folder / KERAS, compile=False)
    call = tf.function(lambda x: probability(model({"brightfield": x}, training=False)))
    return lambda x: call(tf.constant(x)).numpy()


def channels_first(x: np.ndarray) -> np.ndarray:
    """``(N, H, W, 1)`` as ``(N, 1, H, W)``, without a copy."""
    return x.reshape(len(x), 1, *x.shape[1:3])


def pytorch(compiled: bool, folder: Path, threads: int, images: int) -> Arm:
    import torch

    torch.set_num_threads(threads)
    network = torch.load(folder / TORCH, weights_only=False).to(memory_format=torch.channels_last)
    if compiled:
        import torch._inductor.config

        torch._inductor.config.freezing = True
        network = torch.compile(network, dynamic=False)

    # Under inference_mode torch.compile would not freeze the weights.
    @torch.no_grad()
    def run(x):
        return network(torch.from_numpy(channels_first(x)))[:, 1].numpy()

    return run


def onnxruntime(folder: Path, threads: int, images: int) -> Arm:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    network = (folder / ONNX).read_bytes()
    session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    if session.get_inputs()[0].name == BRIGHTFIELD:
        return lambda x: session.run(None, {BRIGHTFIELD: x})[0]
    return lambda x: session.run(None, {"images": channels_first(x)})[0][:, 1]


def openvino(file: str, precision: str, folder: Path, threads: int, images: int) -> Arm:
    import openvino

    core = openvino.Core()
    if precision == "bfloat16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise LeftOut("this processor has no bfloat16")
    if not (folder / file).exists():
        raise FileNotFoundError(folder / file)
    model = core.read_model(folder / file)
    shape = list(model.input(0).partial_shape)
    try:
        model.reshape([images, *shape[1:]])
    except RuntimeError as error:
        raise LeftOut(f"OpenVINO cannot resize this network ({str(error)[:200]})") from None
    options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    options["INFERENCE_PRECISION_HINT"] = "bf16" if precision == "bfloat16" else "f32"
    call = core.compile_model(model, "CPU", options)
    if file == ONNX and BRIGHTFIELD not in model.input(0).get_names():
        return lambda x: call(channels_first(x))[0][:, 1]
    run = lambda x: call(x)[0]  # noqa: E731
    return on_integers(run, folder) if precision == "int8" else run


PRECISIONS = ("float32", "float16", "dynamic", "mixed", "int8")
#: Arm -> function that makes it, and the file or folder that it runs.
RUNTIMES = {
    **{f"LiteRT {p}": (partial(litert, p), TFLITE.format(p)) for p in PRECISIONS},
    "SavedModel": (saved_model, SAVED_MODEL),
    "Keras": (keras_model, KERAS),
    "PyTorch": (partial(pytorch, False), TORCH),
    "PyTorch, compiled": (partial(pytorch, True), TORCH),
    "ONNX Runtime": (onnxruntime, ONNX),
    "OpenVINO": (partial(openvino, ONNX, "float32"), ONNX),
    "OpenVINO bfloat16": (partial(openvino, ONNX, "bfloat16"), ONNX),
    **{
        f"OpenVINO, {p}.tflite": (partial(openvino, TFLITE.format(p), p), TFLITE.format(p)) for p in ("float32", "int8")
    },
}
#: The same for arms that are only measured with several images in a call.
BATCHED = {f"LiteRT {p}, batched": (partial(litert_batched, p), TFLITE.format(p)) for p in ("float32", "int8")}
