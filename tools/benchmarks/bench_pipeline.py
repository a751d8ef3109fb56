"""Cost of augmentation: tfctc, albumentations, Keras's preprocessing layers and PyTorch, side by side in one run.

    pip install -e '.[train,bench]'
    python tools/benchmarks/bench_pipeline.py --json docs/evidence/speed/pipeline.json

Arms, each on the same simulated pairs of bright-field and DAPI images in memory, one core each, by processor time:

    tfctc           the default policy on batches, in tf.data, as `fit` runs it
    albumentations  its own operations of the same kinds, one cell after the other in a Python loop, in its fastest way:
                    both channels stacked for the geometry, one thread of OpenCV
    Keras layers    the operations of these kinds that Keras has, on batches, in tf.data
    PyTorch         the geometry alone, on batches, both channels stacked: one grid, one bicubic `grid_sample`

All strengths are those of the default policy, as far as an operation has them. Differences of the others:

    albumentations  interpolates twice (affine, then elastic), cubic as tfctc does. Its elastic displacement is blurred
                    noise, in its faster, approximate form. Brightness and contrast are one operation, where tfctc has
                    gain and offset; its vignette is a Gaussian spot; it has no bleaching of the stain. Its shot noise
                    draws Poisson counts, of the image to the power of 2.2. Its strengths are absolute, tfctc's follow
                    the contrast of each image. It clips after every operation.
    Keras layers    interpolates after each of six operations, linearly. No gamma, uneven light, bleaching or shot
                    noise, and the amount of Gaussian noise is the same for every cell.
    PyTorch         fills pixels from outside the image by mirroring the whole image.

`no slow operations`: tfctc and albumentations without elastic deformation, and albumentations with Gaussian in place of
Poisson noise, so that no single expensive operation decides.

The share of a training step spent waiting for data: the baseline's step (ResNet50, bright-field) as `fit` compiles it,
fed by the whole input pipeline from simulated tfrecords with all cores; time blocked in `next` over all time.
"""

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
from benchmark import measure, ratio, report, row

GEOMETRY = ("elastic", "flip", "rotate", "scale", "shear", "translate")
#: Batches in one call of an arm.
TURN = 4
BACKBONE, CELLS = "resnet50", 640
Arms = dict[str, Callable[[], object]]


def cells(size: int, batch: int) -> dict[str, np.ndarray]:
    """Simulated cell images in [0, 1]: channel -> float32 ``(batch, size, size, 1)``."""
    from tfctc.cells import CHANNELS
    from tfctc.data.simulate import SimulationOptions, simulate_cells

    options = SimulationOptions(size=size, mpp=max(0.64, 20 / size))
    found = list(islice(simulate_cells(max(80, batch), seed=0, options=options), batch))
    full = np.float32(2**options.facts.bit_depth - 1)
    return {c: np.stack([getattr(cell, c) for cell in found])[..., None].astype(np.float32) / full for c in CHANNELS}


def in_tf_data(augment, images: dict[str, np.ndarray]) -> Callable[[], None]:
    """Arm that runs `augment`, a function of channels and a seed, in tf.data on one core without prefetching."""
    import tensorflow as tf

    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.threading.max_intra_op_parallelism = 1
    options.autotune.enabled = False
    constants = {name: tf.constant(values) for name, values in images.items()}
    numbers = tf.data.Dataset.range(2**31).map(lambda number: tf.stack([0, tf.cast(number, tf.int32)]))
    batches = iter(numbers.map(lambda seed: augment(constants, seed)).with_options(options))

    def run():
        for _ in range(TURN):
            next(batches)

    return run


def tfctc_arms(images: dict[str, np.ndarray]) -> Arms:
    from tfctc.augment import AUGMENTATIONS, Policy

    def policy(chosen):
        return Policy.from_config({name: {} for name in AUGMENTATIONS if name in chosen})

    return {
        "tfctc": in_tf_data(policy(AUGMENTATIONS), images),
        "tfctc, no slow operations": in_tf_data(policy(set(AUGMENTATIONS) - {"elastic"}), images),
        "tfctc geometry": in_tf_data(policy(GEOMETRY), images),
    }


def operation_arms(images: dict[str, np.ndarray]) -> Arms:
    """Arms of every single operation, and of none: the loop and the clipping alone."""
    from tfctc.augment import Policy

    arms = {"tfctc none": in_tf_data(Policy({}), images)}
    for name, operation in Policy.from_config(None).operations.items():
        arms[f"tfctc {name} alone"] = in_tf_data(Policy({name: operation}), images)
    return arms


def albumentations_arms(images: dict[str, np.ndarray]) -> Arms:
    os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
    import albumentations as A
    import cv2

    cv2.setNumThreads(1)
    brightfield, dapi = (images[c][..., 0] for c in ("brightfield", "dapi"))
    pairs = np.concatenate([images["brightfield"], images["dapi"]], axis=-1)
    size = pairs.shape[1]
    cubic = {"interpolation": cv2.INTER_CUBIC, "border_mode": cv2.BORDER_REFLECT_101, "p": 1}

    def most(log):
        return math.exp(log) - 1

    def affine():
        slant = math.degrees(math.atan(0.05))
        zoom = (math.exp(-0.05), math.exp(0.05))
        yield A.HorizontalFlip(p=0.5)
        yield A.VerticalFlip(p=0.5)
        yield A.Affine(zoom, (-0.05, 0.05), None, (-180, 180), {"x": (-slant, slant), "y": 0}, keep_ratio=True, **cubic)

    def elastic():
        # Blurred white noise has a standard deviation of 1 / (2 sigma sqrt(pi)); tfctc's waves are as wide.
        sigma = 0.14 * size
        yield A.ElasticTransform(0.015 * size * 0.5 * 2 * sigma * math.sqrt(math.pi), sigma, approximate=True, **cubic)

    def light_brightfield():
        yield A.RandomBrightnessContrast(0.1, most(0.1), p=1)
        yield A.RandomGamma((100 * math.exp(-0.1), 100 * math.exp(0.1)), p=1)
        yield A.Illumination("linear", (0.01, 0.05), p=1)
        yield A.Illumination("gaussian", (0.01, 0.05), "darken", center_range=(0.25, 0.75), sigma_range=(0.7, 1.0), p=1)
        yield A.GaussianBlur(0, (0.0, 0.7), p=1)

    def light_dapi():
        yield A.RandomBrightnessContrast(0.05, most(0.15), p=1)
        yield A.GaussianBlur(0, (0.0, 0.7), p=1)

    def shot(deviation, level):
        # The scale whose Poisson noise, linearised and back, has this standard deviation at this level.
        yield A.ShotNoise((1e-7, 2.2**2 * deviation**2 * level**0.2), p=1)

    def gauss(deviation):
        yield A.GaussNoise((0.0, deviation), p=1)

    def loop(geometry, brightfield_noise, dapi_noise):
        move, *light = (
            A.Compose(list(operations))
            for operations in (
                geometry,
                [*light_brightfield(), *brightfield_noise],
                [*light_dapi(), *dapi_noise],
            )
        )

        def run():
            for _ in range(TURN):
                for pair in pairs:
                    moved = move(image=pair)["image"]
                    for channel, compose in enumerate(light):
                        compose(image=np.ascontiguousarray(moved[..., channel]))["image"]

        return run

    contrasts = [float(np.ptp(values, axis=(1, 2)).mean()) for values in (brightfield, dapi)]
    levels = [float(values.max((1, 2)).mean()) for values in (brightfield, dapi)]
    (bright_shot, bright_read), (dapi_shot, dapi_read) = (
        (a * c, b * c) for c, (a, b) in zip(contrasts, ((0.02, 0.02), (0.03, 0.005)), strict=True)
    )
    return {
        "albumentations": loop(
            [*affine(), *elastic()],
            [*shot(bright_shot, levels[0]), *gauss(bright_read)],
            [*shot(dapi_shot, levels[1]), *gauss(dapi_read)],
        ),
        "albumentations, no slow operations": loop(
            affine(), [*gauss(bright_shot), *gauss(bright_read)], [*gauss(dapi_shot), *gauss(dapi_read)]
        ),
    }


def keras_arms(images: dict[str, np.ndarray]) -> Arms:
    import keras
    import tensorflow as tf

    layers, unit = keras.layers, {"value_range": (0.0, 1.0)}
    size = images["brightfield"].shape[1]
    geometry = [
        layers.RandomFlip(),
        layers.RandomRotation(0.5),
        layers.RandomTranslation(0.05, 0.05),
        layers.RandomZoom(0.05),
        layers.RandomShear(0.05),
    ]
    if hasattr(layers, "RandomElasticTransform"):
        geometry.append(layers.RandomElasticTransform(1.0, 0.015 * size, **unit))
    light = {
        "brightfield": [layers.RandomBrightness(0.1, **unit), layers.RandomContrast(0.1, **unit)],
        "dapi": [layers.RandomBrightness(0.05, **unit), layers.RandomContrast(0.15, **unit)],
    }
    for name, deviation in (("brightfield", 0.01), ("dapi", 0.005)):
        light[name] += [layers.RandomGaussianBlur(1.0, 5, 0.7, **unit), layers.GaussianNoise(deviation)]

    def augment(channels, seed):
        pair = tf.concat(list(channels.values()), axis=-1)
        for layer in geometry:
            pair = layer(pair, training=True)
        result = dict(zip(channels, tf.split(pair, len(channels), axis=-1), strict=True))
        for name, chain in light.items():
            for layer in chain:
                result[name] = layer(result[name], training=True)
        # The seed is not used, but keeps tf.data from computing one batch for all.
        return result, seed

    return {"Keras layers": in_tf_data(augment, images)}


def torch_arms(images: dict[str, np.ndarray]) -> Arms:
    import torch
    from torch.nn import functional

    torch.set_num_threads(1)
    pairs = torch.from_numpy(np.concatenate([images["brightfield"], images["dapi"]], axis=-1)).permute(0, 3, 1, 2)
    pairs = pairs.contiguous()
    batch, _, height, width = pairs.shape

    def even(most):
        return (2 * torch.rand(batch) - 1) * most

    def augment():
        angle, tangent, zoom = even(math.pi), even(0.05), torch.exp(even(0.05))
        flips = torch.where(torch.rand(2, batch) < 0.5, -1.0, 1.0)
        cos, sin = zoom * torch.cos(angle), zoom * torch.sin(angle)
        rows = [
            torch.stack([flips[0] * cos, flips[0] * (cos * tangent + sin), even(0.1)], dim=-1),
            torch.stack([-flips[1] * sin, flips[1] * (cos - sin * tangent), even(0.1)], dim=-1),
        ]
        grid = functional.affine_grid(torch.stack(rows, dim=1), pairs.shape, align_corners=True)
        knots = torch.randn(batch, 2, 5, 5) * (2 * 0.015)
        bend = functional.interpolate(knots, (height, width), mode="bicubic", align_corners=True)
        grid = grid + bend.permute(0, 2, 3, 1)
        return functional.grid_sample(pairs, grid, "bicubic", "reflection", align_corners=True)

    @torch.inference_mode()
    def run():
        for _ in range(TURN):
            augment()

    return {"PyTorch geometry": run}


def waiting(size: int, batch: int, steps: int) -> list[tuple[float, float]]:
    """Seconds of each training step: waiting in `next` for data, and in total."""
    import keras
    import tensorflow as tf

    from tfctc.augment import Policy
    from tfctc.cells import BRIGHTFIELD
    from tfctc.config import ModelConfig, RunConfig
    from tfctc.data import pipeline
    from tfctc.data.builder import build
    from tfctc.data.manifest import Manifest
    from tfctc.data.simulate import SimulationOptions, write_dataset
    from tfctc.data.splits import Splits
    from tfctc.models.classifier import build_classifier
    from tfctc.training.optimizer import FusedAdamW

    model = build_classifier(ModelConfig(BACKBONE), (size, size), {BRIGHTFIELD: (0.5, 0.3)})
    model.compile(FusedAdamW(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.optimizer.build(model.trainable_variables)
    step = tf.function(model.train_step, jit_compile=model.jit_compile)
    seconds, warmup = [], 5
    with tempfile.TemporaryDirectory() as room:
        options = SimulationOptions(size=size, mpp=max(0.64, 20 / size))
        manifest = Manifest.open(write_dataset(Path(room, "data"), CELLS, seed=0, options=options))
        builder = build(manifest, Splits.make(manifest, RunConfig()))
        batches = pipeline.train_batches(
            builder, (BRIGHTFIELD,), draw=[(pipeline.LABELLED, batch)], seed=0, augment=Policy.from_config(None)
        )
        batches = iter(batches.map(lambda x, y, weight: ({BRIGHTFIELD: x[BRIGHTFIELD]}, y, weight)))
        for _ in range(warmup + steps):
            started = time.perf_counter()
            data = next(batches)
            arrived = time.perf_counter()
            float(step(data)["loss"])
            seconds.append((arrived - started, time.perf_counter() - started))
        del batches
    return seconds[warmup:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64, help="image height and width, pixels")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--operations", action="store_true", help="also measure every operation of tfctc alone")
    parser.add_argument(
        "--wait",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure the time that training waits for data",
    )
    parser.add_argument("--steps", type=int, default=40, help="training steps of --wait")
    parser.add_argument("--json", help="file to write")
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

    images = cells(args.size, args.batch)
    arms = tfctc_arms(images)
    for made in (albumentations_arms, keras_arms, torch_arms):
        try:
            arms |= made(images)
        except ImportError as error:
            print(f"left out: {error.name} is not installed", file=sys.stderr)
    if args.operations:
        arms |= operation_arms(images)

    facts = {"size": args.size, "batch": args.batch, "cores": 1}
    rows = []
    for name, seconds in measure(arms, args.rounds, clock=time.process_time).items():
        rows.append(row(name, seconds, args.batch * TURN, **facts))
        rows[-1]["us_per_cell"] = rows[-1]["median_s"] / (args.batch * TURN) * 1e6

    ratios = {
        name: ratio(rows, slow, fast)
        for name, slow, fast in (
            ("augment_over_albumentations", "albumentations", "tfctc"),
            (
                "augment_over_albumentations_without_slow_ops",
                "albumentations, no slow operations",
                "tfctc, no slow operations",
            ),
            ("augment_over_keras_layers", "Keras layers", "tfctc"),
            ("geometry_over_torch", "PyTorch geometry", "tfctc geometry"),
        )
        if slow in arms
    }
    if args.wait:
        blocked, total = np.transpose(waiting(args.size, args.batch, args.steps))
        rows.append(row("training step with its data", list(total), args.batch, **facts | {"cores": os.cpu_count()}))
        rows[-1]["waiting_s"] = float(np.median(blocked))
        ratios["waiting_share_of_training"] = float(blocked.sum() / total.sum())
    report(rows, ratios, args.json)


if __name__ == "__main__":
    main()
