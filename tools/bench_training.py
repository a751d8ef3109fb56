"""Images a second of one training step: tfctc, stock Keras and (if installed) PyTorch, side by side in one run.

    python tools/bench_training.py --sizes 64 96 --json docs/evidence/speed/training.json

All arms: ResNet50 on one channel, two logits, cross-entropy, AdamW, the same batch in memory. The arms take turns, so
that a busy machine slows all of them alike. PyTorch: pip install torch torchvision.
"""

import argparse
import os
import platform
import shlex
import sys
import time
from collections.abc import Callable

import numpy as np

from tfctc.files import write_json

BACKBONE = "resnet50"


def keras_step(model, x, y) -> Callable[[], None]:
    """One step as `fit` takes it, on a batch that is there already."""
    import keras
    import tensorflow as tf

    model.compile(keras.optimizers.AdamW(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)
    data = iter(tf.data.Dataset.from_tensors((x, y)).repeat())
    model.make_train_function()
    return lambda: float(model.train_function(data)["loss"])


def tfctc_arms(size: int, batch: int) -> dict[str, Callable[[], None]]:
    """The student's and the distilled step, the teacher's forward pass, and stock Keras's step on the same network."""
    import keras
    import tensorflow as tf

    from tfctc.cells import BRIGHTFIELD, DAPI, DAPI_PRESENT
    from tfctc.config import ModelConfig
    from tfctc.distill.distiller import Distiller
    from tfctc.distill.losses import build_losses
    from tfctc.models.batchnorm import stock
    from tfctc.models.classifier import LOGITS, build_classifier, tapped

    rng = np.random.default_rng(0)
    images = {c: tf.constant(rng.uniform(size=(batch, size, size, 1)), tf.float32) for c in (BRIGHTFIELD, DAPI)}
    y, scale = tf.constant(np.arange(batch) % 2), {BRIGHTFIELD: (0.5, 0.3), DAPI: (0.5, 0.3)}
    parts = {
        "student": ModelConfig(BACKBONE),
        "teacher": ModelConfig(BACKBONE, (BRIGHTFIELD, DAPI)),
    }

    def network(name):
        return build_classifier(parts[name], (size, size), scale, name)

    teacher = tapped(network("teacher"), parts["teacher"], {LOGITS})
    distiller = Distiller(
        tapped(network("student"), parts["student"], {LOGITS}), teacher, build_losses({"logits": {"temperature": 2.0}})
    )
    forward = tf.function(lambda: teacher(images, training=False))
    brightfield = {BRIGHTFIELD: images[BRIGHTFIELD]}
    return {
        "stock Keras step": keras_step(stock(network("student")), brightfield, y),
        "tfctc student step": keras_step(network("student"), brightfield, y),
        "tfctc distilled step": keras_step(distiller, images | {DAPI_PRESENT: tf.ones(batch)}, y),
        "tfctc teacher forward": lambda: keras.ops.convert_to_numpy(forward()[LOGITS]),
    }


def torch_arms(size: int, batch: int) -> dict[str, Callable[[], None]]:
    """PyTorch's step on torchvision's ResNet50; empty without PyTorch."""
    try:
        import torch
        import torchvision
    except ImportError:
        return {}
    model = torchvision.models.resnet50(num_classes=2)
    model.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    model = model.to(memory_format=torch.channels_last).train()
    x = torch.rand(batch, 1, size, size).to(memory_format=torch.channels_last)
    y = torch.arange(batch) % 2
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return {"PyTorch step": step}


def measure(arms: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every call, the arms taking turns; two calls each before the first that counts."""
    seconds = {name: [] for name in arms}
    for i in range(-2, rounds):
        for name, arm in arms.items():
            started = time.perf_counter()
            arm()
            if i >= 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 96], help="image height and width, pixels")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", help="file to write")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    rows, ratios = [], {}
    for size in args.sizes:
        seconds = measure(tfctc_arms(size, args.batch) | torch_arms(size, args.batch), args.rounds)
        median = {name: float(np.median(values)) for name, values in seconds.items()}
        for name, values in seconds.items():
            row = {"arm": name, "size": size, "batch": args.batch, "median_s": median[name], "min_s": min(values)}
            rows.append(row | {"images_per_s": args.batch / median[name]})
            print(f"{name:22} {size} px  {rows[-1]['images_per_s']:6.1f} images/s  "
                  f"median {median[name]:.3f} s  minimum {min(values):.3f} s", flush=True)  # fmt: skip
        student, distilled = median["tfctc student step"], median["tfctc distilled step"]
        ratios[f"student_over_keras_{size}"] = median["stock Keras step"] / student
        ratios[f"distilled_over_parts_{size}"] = (student + median["tfctc teacher forward"]) / distilled
        ratios[f"distilled_over_baseline_{size}"] = student / distilled
        if "PyTorch step" in median:
            ratios[f"student_over_torch_{size}"] = median["PyTorch step"] / student
    for name, ratio in ratios.items():
        print(f"{name:30} {ratio:.2f}")
    if args.json:
        import keras
        import tensorflow as tf

        machine = {
            "cores": os.cpu_count(),
            "processor": _processor(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "TensorFlow's choice"),
        }
        command = shlex.join(["python", *sys.argv])
        write_json(args.json, {"command": command, "machine": machine, "rows": rows, "ratios": ratios})
        print(f"written to {args.json}")


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="ascii") as file:
            return next(line.split(":")[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


if __name__ == "__main__":
    main()
