"""Images a second of one training step: tfctc, stock Keras and (if installed) PyTorch, side by side in one run.

    pip install -e '.[train,bench]'
    python tools/benchmarks/bench_training.py --json docs/evidence/speed/training.json

All arms: ResNet50 on one channel, two logits, cross-entropy, AdamW, the same batch in memory, no metrics. bfloat16 is
the policy mixed_bfloat16 in tfctc and Keras, autocast in PyTorch. PyTorch runs eagerly in its fastest layout here
(channels last) with its fused AdamW. `fit` is what `tfctc fit` feeds the step: simulated cells, augmented.

Ratios are of medians; above 1 the first is faster. If no precision is named, both sides compute in float32:

    student_over_torch, student_over_keras_best (the faster of XLA and no XLA), student_over_keras_default
    student_over_keras_without_onednn   stock Keras with oneDNN off, as TensorFlow sets it on AMD processors
    chosen_over_torch                   the student in the precision that `tfctc fit` chooses here
    distilled_over_parts                (student step + teacher forward) / distilled step
    distilled_over_baseline             student step / distilled step
    fit_over_bare                       the bare step / the step in `fit`, baseline and distilled
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmark import measure, ratio, report, row

from tfctc.system.precision import POLICIES, choose_precision
from tfctc.system.processor import processor_flags
from tfctc.system.startup import ONEDNN, has_gpu, start_tensorflow

BACKBONE, SCALE = "resnet50", {"brightfield": (0.5, 0.3), "dapi": (0.5, 0.3)}
PRECISIONS = ("float32", "bfloat16")
#: Steps in one turn of `fit`. The first ones are not timed, because their batches were prepared before.
UNTIMED, TIMED = 5, 20


def compiled(model, optimizer, jit: bool = False):
    import keras

    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, jit_compile=jit)
    model.optimizer.build(model.trainable_variables)
    model.make_train_function()
    return model


def step(model, data) -> Callable[[], None]:
    """Function that runs one training step as `fit` does."""
    return lambda: float(model.train_function(data)["loss"])


def networks(size: int, precision: str) -> dict[str, object]:
    """Student and distiller, compiled for training, and the teacher as the distiller calls it."""
    import keras

    from tfctc.cells import BRIGHTFIELD, CHANNELS
    from tfctc.config import ModelConfig
    from tfctc.distill.distiller import Distiller
    from tfctc.distill.losses import build_losses
    from tfctc.distill.teachers import Teachers
    from tfctc.models.classifier import LOGITS, build_classifier, with_taps
    from tfctc.models.fast import fold_batchnorm
    from tfctc.training.optimizer import FusedAdamW

    parts = {"student": ModelConfig(BACKBONE, (BRIGHTFIELD,)), "teacher": ModelConfig(BACKBONE, CHANNELS)}
    keras.mixed_precision.set_dtype_policy(POLICIES[precision])

    def network(name):
        return build_classifier(parts[name], (size, size), SCALE, name)

    teacher = with_taps(fold_batchnorm(network("teacher")), parts["teacher"], {LOGITS})
    tapped_student = with_taps(network("student"), parts["student"], {LOGITS})
    losses = build_losses({"logits": {"temperature": 2.0}})
    shapes = [{tap: tuple(output.shape) for tap, output in model.output.items()} for model in (tapped_student, teacher)]
    for loss in losses.values():
        loss.prepare(*shapes, (None, size, size, 1))
    distiller = Distiller(tapped_student, Teachers([teacher]), losses)
    student = network("student")
    keras.mixed_precision.set_dtype_policy("float32")
    return {
        "student": compiled(student, FusedAdamW(1e-3)),
        "distiller": compiled(distiller, FusedAdamW(1e-3)),
        "teacher": teacher,
    }


def batch_in_memory(size: int, batch: int):
    import numpy as np
    import tensorflow as tf

    from tfctc.cells import BRIGHTFIELD, DAPI, DAPI_PRESENT

    rng = np.random.default_rng(0)
    x = {c: tf.constant(rng.uniform(size=(batch, size, size, 1)), tf.float32) for c in (BRIGHTFIELD, DAPI)}
    return x | {DAPI_PRESENT: tf.ones(batch)}, tf.constant(np.arange(batch) % 2), tf.ones(batch)


def endless(x, y, weight):
    import tensorflow as tf

    return iter(tf.data.Dataset.from_tensors((x, y, weight)).repeat())


def tfctc_arms(size: int, batch: int, precision: str) -> dict[str, Callable[[], None]]:
    """Training steps of the baseline student and of the distiller, and their parts."""
    import tensorflow as tf

    from tfctc.cells import BRIGHTFIELD

    x, y, weight = batch_in_memory(size, batch)
    found = networks(size, precision)
    images = {name: x[name] for name in found["teacher"].input}
    forward = tf.function(lambda: found["teacher"](images, training=False)["logits"])
    student, brightfield = found["student"], {BRIGHTFIELD: x[BRIGHTFIELD]}
    learn = tf.function(lambda: student(brightfield, training=True))

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(student(brightfield, training=True))
        found = tape.gradient(loss, [w.value for w in student.trainable_variables])
        return tf.add_n([g[(0,) * g.shape.rank] for g in found])

    return {
        "tfctc student step": step(student, endless(brightfield, y, weight)),
        "tfctc student forward": lambda: learn().numpy(),
        "tfctc student forward, backward": lambda: gradients().numpy(),
        "tfctc distilled step": step(found["distiller"], endless(x, y, weight)),
        "tfctc teacher forward": lambda: forward().numpy(),
    }


def keras_arms(size: int, batch: int, precision: str) -> dict[str, Callable[[], None]]:
    """Training step of stock Keras on the same network; in float32 also with XLA."""
    import keras

    from tfctc.cells import BRIGHTFIELD
    from tfctc.config import ModelConfig
    from tfctc.models.classifier import build_classifier
    from tfctc.models.fast import to_stock

    x, y, weight = batch_in_memory(size, batch)
    arms = {}
    for name, jit in {"Keras step": False, **({"Keras step, XLA": True} if precision == "float32" else {})}.items():
        model = to_stock(build_classifier(ModelConfig(BACKBONE), (size, size), SCALE), POLICIES[precision])
        compiled(model, keras.optimizers.AdamW(1e-3), jit)
        arms[name] = step(model, endless({BRIGHTFIELD: x[BRIGHTFIELD]}, y, weight))
    return arms


def keras_without_onednn(size: int, batch: int, rounds: int) -> list[float]:
    """Seconds of the training step of stock Keras, in a process with oneDNN off."""
    with tempfile.TemporaryDirectory() as room:
        answer = Path(room, "answer.json")
        command = [sys.executable, __file__, "--child", answer, "--sizes", size, "--batch", batch, "--rounds", rounds]
        subprocess.run([str(word) for word in command], env=os.environ | {ONEDNN: "0"}, check=True)
        return json.loads(answer.read_text())


def torch_arms(size: int, batch: int, precision: str) -> dict[str, Callable[[], None]]:
    """Training step of PyTorch; empty without PyTorch."""
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: its arm is left out")
        return {}
    from torch_resnet50 import ResNet50

    model = ResNet50().to(memory_format=torch.channels_last).train()
    x = torch.rand(batch, 1, size, size).to(memory_format=torch.channels_last)
    y = torch.arange(batch) % 2
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, fused=True)

    def run():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = model(x)
        loss = torch.nn.functional.cross_entropy(logits.float(), y)
        loss.backward()
        optimizer.step()
        loss.item()

    return {"PyTorch step": run}


def measure_fit(size: int, batch: int, precision: str, folder: Path, rounds: int) -> dict[str, list[float]]:
    """Seconds of a training step with the input pipeline of `fit`, and with one batch in memory."""
    from tfctc.augment.policy import Policy
    from tfctc.cells import BRIGHTFIELD, CHANNELS
    from tfctc.config import RunConfig
    from tfctc.data import pipeline
    from tfctc.data.builder import build
    from tfctc.data.manifest import Manifest
    from tfctc.data.simulate import SimulationOptions, write_dataset
    from tfctc.data.splits import Splits
    from tfctc.training.trainer import only

    if not folder.exists():
        write_dataset(folder, 2000, seed=0, options=SimulationOptions(size=size))
    manifest = Manifest.open(folder)
    builder = build(manifest, Splits.make(manifest, RunConfig()))
    policy = Policy.from_config(None)

    def stream(channels):
        return pipeline.train_batches(builder, channels, draw=[(pipeline.LABELLED, batch)], seed=0, augment=policy)

    x, y, weight = batch_in_memory(size, batch)
    found = networks(size, precision)
    baseline, distilled = found["student"].train_function, found["distiller"].train_function
    arms = {
        "fit, baseline": (baseline, iter(stream((BRIGHTFIELD,)).map(only((BRIGHTFIELD,))))),
        "fit, distilled": (distilled, iter(stream(CHANNELS))),
        "bare baseline step": (baseline, endless({BRIGHTFIELD: x[BRIGHTFIELD]}, y, weight)),
        "bare distilled step": (distilled, endless(x, y, weight)),
    }
    seconds = {name: [] for name in arms}
    for i in range(-1, rounds):
        for name, (train, data) in arms.items():
            for j in range(UNTIMED + TIMED):
                if j == UNTIMED:
                    started = time.perf_counter()
                loss = train(data)["loss"]
            float(loss)
            if i >= 0:
                seconds[name].append((time.perf_counter() - started) / TIMED)
    return seconds


def ratios_of(rows: list[dict], size: int) -> dict[str, float]:
    """All ratios of one image size for which there are rows."""
    arms = {(r["arm"], r["precision"]) for r in rows if r["size"] == size}
    found = {}
    for precision in PRECISIONS:
        facts, tail = {"size": size, "precision": precision}, "" if precision == "float32" else f"_{precision}"
        pairs = {
            "student_over_torch": ("PyTorch step", "tfctc student step"),
            "student_over_keras_default": ("Keras step", "tfctc student step"),
            "student_over_keras_without_onednn": ("Keras step, oneDNN off", "tfctc student step"),
            "distilled_over_baseline": ("tfctc student step", "tfctc distilled step"),
            "fit_over_bare_baseline": ("bare baseline step", "fit, baseline"),
            "fit_over_bare_distilled": ("bare distilled step", "fit, distilled"),
        }
        for name, (slow, fast) in pairs.items():
            if {(slow, precision), (fast, precision)} <= arms:
                found[f"{name}_{size}{tail}"] = ratio(rows, slow, fast, **facts)
        keras = [
            ratio(rows, arm, "tfctc student step", **facts) for arm, p in arms if p == precision and "Keras" in arm
        ]
        found[f"student_over_keras_best_{size}{tail}"] = min(keras)
        found[f"distilled_over_parts_{size}{tail}"] = ratio(
            rows, "tfctc student step", "tfctc distilled step", **facts
        ) + ratio(rows, "tfctc teacher forward", "tfctc distilled step", **facts)
    by = {(r["arm"], r["precision"]): r["median_s"] for r in rows if r["size"] == size}
    if ("PyTorch step", "float32") in by:
        chosen = choose_precision(BACKBONE, processor_flags(), has_gpu()).precision
        found[f"chosen_over_torch_{size}"] = by["PyTorch step", "float32"] / by["tfctc student step", chosen]
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 96], help="image height and width, pixels")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--fit-rounds", type=int, default=3, help=f"turns of {TIMED} steps each; 0 leaves `fit` out")
    parser.add_argument("--json", help="file to write")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if args.child:
        arms = keras_arms(args.sizes[0], args.batch, "float32")
        args.child.write_text(json.dumps(measure({"step": arms["Keras step"]}, args.rounds)["step"]))
        return
    start_tensorflow(training=True)

    rows, ratios = [], {}
    for size in args.sizes:
        for precision in PRECISIONS:
            facts, arms = {"size": size, "precision": precision}, {}
            for make in (tfctc_arms, keras_arms, torch_arms):
                arms |= make(size, args.batch, precision)
            rows += [row(name, s, args.batch, **facts) for name, s in measure(arms, args.rounds).items()]
            if args.fit_rounds:
                with tempfile.TemporaryDirectory() as room:
                    seconds = measure_fit(size, args.batch, precision, Path(room, "cells"), args.fit_rounds)
                rows += [row(name, s, args.batch, **facts) for name, s in seconds.items()]
        seconds = keras_without_onednn(size, args.batch, max(3, args.rounds // 2))
        rows.append(row("Keras step, oneDNN off", seconds, args.batch, size=size, precision="float32"))
        ratios |= ratios_of(rows, size)
    report(rows, ratios, args.json)
    # Otherwise Python's last garbage collection takes minutes for so many graphs.
    gc.freeze()


if __name__ == "__main__":
    main()
