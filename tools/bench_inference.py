"""One image through the same trained model on every runtime, side by side in one run.

    pip install -e '.[train,bench]'
    python tools/bench_inference.py --json docs/evidence/speed/inference.json

Arms: the .tflite files as `tfctc predict` runs them (LiteRT, XNNPACK), Keras, the SavedModel, and (where installed)
PyTorch, ONNX Runtime and OpenVINO, the last also on the .tflite files themselves. One image a call, as an instrument
asks; the arms take turns. Every arm must first give Keras's probabilities, float ones to 1e-4; the JSON file holds the
largest difference of each.

With `--run RUN` the student of a finished run; without, a network with weights as drawn and BatchNorm settled on
simulated cells, which is as fast as a trained one but says nothing of int8's accuracy.

Ratios are the second's median time over the first's: above 1 the first is faster.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
from benchmark import measure, ratio, report, row

from tfctc.training.hardware import switch_onednn

CHECKED, CALIBRATION = 64, 128
QUANTIZATIONS = ("none", "float16", "dynamic", "int8")
#: One image ``(1, H, W, 1)`` in [0, 1] to the probability of the positive class.
Arm = Callable[[np.ndarray], float]


def simulated(size: int, cells: int) -> np.ndarray:
    """Bright-field images ``(cells, size, size, 1)`` in [0, 1]."""
    from tfctc.data.simulate import SimulationOptions, simulate_cells

    options = SimulationOptions(size=size)
    found = [cell.brightfield for cell in islice(simulate_cells(max(80, cells), seed=0, options=options), cells)]
    return (np.stack(found)[..., None] / (2**options.facts.bit_depth - 1)).astype(np.float32)


def settled(backbone: str, images: np.ndarray):
    """An untrained network whose BatchNorm has seen `images`."""
    import keras

    from tfctc.config import ModelConfig
    from tfctc.models.classifier import build_classifier
    from tfctc.models.fast import stock

    keras.utils.set_random_seed(0)
    scale = {"brightfield": (float(images.mean()), float(images.std()))}
    model = build_classifier(ModelConfig(backbone, batchnorm_momentum=0.5), images.shape[1:3], scale)
    for _ in range(8):
        model({"brightfield": images}, training=True)
    return stock(model)


def softmax(logits: np.ndarray) -> float:
    odds = np.exp(logits[0] - logits[0].max())
    return float(odds[1] / odds.sum())


def litert_arms(files: dict[str, Path], threads: int) -> dict[str, Arm]:
    from tfctc.runtime import Runtime

    def arm(path):
        runtime = Runtime(path.read_bytes(), threads)
        return lambda image: float(runtime(image)[0])

    return {f"LiteRT {name}": arm(path) for name, path in files.items()}


def tensorflow_arms(model, saved_model: Path) -> dict[str, Arm]:
    import tensorflow as tf

    call = tf.function(lambda x: tf.nn.softmax(model({"brightfield": x}, training=False))[:, 1])
    loaded = tf.saved_model.load(str(saved_model))
    serve = loaded.signatures["serving_default"]
    (name,) = serve.structured_input_signature[1]

    def served(image):
        return float(serve(**{name: tf.constant(image)})["probability"][0])

    return {"Keras": lambda image: float(call(tf.constant(image))[0]), "TF SavedModel": served}


def torch_arms(twin, threads: int) -> dict[str, Arm]:
    import torch

    torch.set_num_threads(threads)
    twin = twin.to(memory_format=torch.channels_last)

    def run(image):
        with torch.inference_mode():
            return softmax(twin(torch.from_numpy(image.transpose(0, 3, 1, 2))).numpy())

    return {"PyTorch": run}


def onnx_arms(path: Path, threads: int) -> dict[str, Arm]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return {"ONNX Runtime": lambda image: softmax(session.run(None, {name: image.transpose(0, 3, 1, 2)})[0])}


def openvino_arms(onnx: Path | None, files: dict[str, Path], threads: int) -> dict[str, Arm]:
    import openvino

    core = openvino.Core()
    options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}

    def compiled(path):
        return core.compile_model(core.read_model(path), "CPU", options).create_infer_request()

    arms = {}
    if onnx:
        request = compiled(onnx)
        arms["OpenVINO, ONNX"] = lambda image: softmax(request.infer([image.transpose(0, 3, 1, 2)])[0])
    for name in ("none", "int8"):
        arms[f"OpenVINO, .tflite {name}"] = _openvino_tflite(compiled(files[name]), files[name])
    return arms


def _openvino_tflite(request, path: Path) -> Arm:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    (x,), (y,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(image):
        if x["dtype"] != np.float32:
            scale, zero = x["quantization"]
            image = np.clip(np.rint(image / scale + zero), -128, 127).astype(np.int8)
        answer = next(iter(request.infer([image]).values())).ravel()[0]
        if y["dtype"] != np.float32:
            scale, zero = y["quantization"]
            answer = (float(answer) - zero) * scale
        return float(answer)

    return run


def write_onnx(twin, size: int, path: Path) -> None:
    import torch

    torch.onnx.export(twin, (torch.zeros(1, 1, size, size),), path, dynamo=True, verbose=False)


def arms_of(model, threads: int, room: Path) -> dict[str, Arm]:
    """Every arm that can be had; a line says what is left out."""
    files = {name: room / f"{name}.tflite" for name in QUANTIZATIONS}
    arms = litert_arms(files, threads) | tensorflow_arms(model, room / "saved_model")
    onnx = None
    try:
        if any(layer.name == "conv1_conv" for layer in model.layers):
            from torch_resnet50 import from_keras

            arms |= torch_arms(from_keras(model), threads)
            onnx = room / "model.onnx"
            if not onnx.exists():
                write_onnx(from_keras(model), model.input["brightfield"].shape[1], onnx)
            arms |= onnx_arms(onnx, threads)
    except ImportError as error:
        print(f"left out: {error}")
    try:
        arms |= openvino_arms(onnx if onnx and onnx.exists() else None, files, threads)
    except ImportError as error:
        print(f"left out: {error}")
    return arms


def measure_here(room: Path, threads: int, rounds: int) -> list[dict]:
    """Rows of all arms in this process, whose TensorFlow has `threads` threads."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    model = keras.saving.load_model(room / "model.keras")
    images = np.load(room / "images.npy")[:CHECKED]
    arms = arms_of(model, threads, room)
    answers = {name: np.array([arm(image[np.newaxis]) for image in images]) for name, arm in arms.items()}
    differences = {name: float(np.abs(found - answers["Keras"]).max()) for name, found in answers.items()}
    for name, difference in differences.items():
        if difference > 1e-4 and not any(word in name for word in ("int8", "float16", "dynamic")):
            raise SystemExit(f"{name} differs from Keras by {difference:.1e}: not the same model")
    calls = {name: (lambda arm=arm: arm(images[:1])) for name, arm in arms.items()}
    rows = []
    for name, seconds in measure(calls, rounds, warmup=5).items():
        found = row(name, seconds, 1, size=images.shape[1], threads=threads)
        rows.append(found | {"p99_s": float(np.percentile(seconds, 99)), "max_difference": differences[name]})
    return rows


def prepare(room: Path, run: str | None, backbone: str, size: int) -> None:
    """The model, its files and images to show it, once for all numbers of threads."""
    from tfctc.cells import BRIGHTFIELD, DatasetFacts
    from tfctc.export.litert import convert
    from tfctc.export.saved_model import write_saved_model

    if run:
        from tfctc.data import pipeline
        from tfctc.training.run import Run

        run = Run.open(run)
        model, facts = run.student(), run.facts
        (batch,) = pipeline.labelled_records(run.builder(), "train", (BRIGHTFIELD,), CALIBRATION).take(1)
        images = batch[BRIGHTFIELD].numpy()
    else:
        images, facts = simulated(size, CALIBRATION), DatasetFacts("bench", image_size=(size, size), simulated=True)
        model = settled(backbone, images)
    model.save(room / "model.keras")
    np.save(room / "images.npy", images)
    for name in QUANTIZATIONS:
        (room / f"{name}.tflite").write_bytes(convert(model, facts, name, images))
    write_saved_model(model, facts, room / "saved_model")


def ratios_of(rows: list[dict], size: int) -> dict[str, float]:
    found = {}
    for threads in (1, 2):
        facts = {"size": size, "threads": threads}
        arms = {r["arm"] for r in rows if all(r[k] == v for k, v in facts.items())}
        pairs = {
            "litert_over_torch": ("PyTorch", "LiteRT none"),
            "litert_over_onnxruntime": ("ONNX Runtime", "LiteRT none"),
            "litert_over_openvino": ("OpenVINO, ONNX", "LiteRT none"),
            "litert_over_saved_model": ("TF SavedModel", "LiteRT none"),
            "litert_int8_over_float32": ("LiteRT none", "LiteRT int8"),
            "openvino_int8_over_litert_int8": ("LiteRT int8", "OpenVINO, .tflite int8"),
        }
        for name, (slow, fast) in pairs.items():
            if {slow, fast} <= arms:
                found[f"{name}_{size}_{threads}_threads"] = ratio(rows, slow, fast, **facts)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help="folder of a finished run whose student is taken")
    parser.add_argument("--backbone", default="resnet50", help="of the network without --run")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 96], help="pixels, of the network without --run")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--json", help="file to write")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    switch_onednn(print)
    if args.child:
        room, threads, answer = args.child
        Path(answer).write_text(json.dumps(measure_here(Path(room), int(threads), args.rounds)))
        return
    rows, ratios = [], {}
    for size in args.sizes[: 1 if args.run else None]:
        with tempfile.TemporaryDirectory() as folder:
            room = Path(folder)
            prepare(room, args.run, args.backbone, size)
            for threads in (1, 2):
                answer = room / f"{threads}.json"
                words = [__file__, "--child", room, threads, answer, "--rounds", args.rounds]
                subprocess.run([sys.executable, *map(str, words)], check=True)
                rows += json.loads(answer.read_text())
        ratios |= ratios_of(rows, rows[-1]["size"])
    report(rows, ratios, args.json)


if __name__ == "__main__":
    main()
