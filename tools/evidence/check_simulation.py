"""Difficulty of the simulated cells: AUROC of a small network for each choice of channels.

    python tools/evidence simulation --out docs/evidence/simulation/difficulty.json

No patient is both in the training and in the test cells. For comparison, the AUROC of the true diameters is computed.
"""

import time

import numpy as np
from common import log
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from tfctc.data.simulate import SimulationOptions, simulate_cells
from tfctc.system.startup import start_tensorflow

#: Height and width of the image centre that the network sees, in pixels: a cell and its halo.
CROP = 48
INPUTS = {"brightfield": [0], "dapi": [1], "brightfield+dapi": [0, 1]}


def add_options(parser) -> None:
    parser.add_argument("--train", type=int, default=20_000, help="number of training cells")
    parser.add_argument("--test", type=int, default=4_000, help="number of test cells")
    parser.add_argument("--patients", type=int, default=60, help="number of patients, test patients included")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--inputs", nargs="*", choices=INPUTS, default=list(INPUTS))


def simulate(cells: int, patients: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Images ``(N, 64, 64, 2)`` uint16, labels ``(N,)``, patient numbers ``(N,)``, true diameters ``(N, 2)`` in um."""
    images = np.empty((cells, 64, 64, 2), np.uint16)
    labels, owners, truth = np.empty(cells, np.int32), np.empty(cells, np.int32), np.empty((cells, 2))
    for i, one in enumerate(simulate_cells(cells, seed=seed, options=SimulationOptions(patients=patients))):
        images[i, ..., 0], images[i, ..., 1] = one.brightfield, one.dapi
        labels[i], owners[i] = one.cell.label == "ctc", i % patients
        truth[i] = one.truth.diameter_um, one.truth.nucleus_diameter_um
    return images, labels, owners, truth


def build(channels: int):
    """A network of convolution, BatchNorm and ReLU stages with 157,000 parameters."""
    import keras

    x = inputs = keras.Input((CROP, CROP, channels))
    for filters, strides in ((24, 2), (48, 2), (48, 1), (96, 2), (96, 1)):
        x = keras.layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(momentum=0.95)(x))
    x = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))


def batches(images, labels, size, epochs, rng):
    """Yields shuffled batches; each is rotated, mirrored and shifted by up to 4 px as a whole."""
    for _ in range(epochs):
        order = rng.permutation(len(images))
        for start in range(0, len(order) - size + 1, size):
            chosen = np.sort(order[start : start + size])
            top, left = rng.integers(4, 13, 2)
            x = np.rot90(images[chosen, top : top + CROP, left : left + CROP], rng.integers(4), axes=(1, 2))
            yield (x[:, :, ::-1] if rng.random() < 0.5 else x), labels[chosen]


def auroc(train, test, epochs: int, seed: int) -> tuple[float, float]:
    """AUROC on the test cells, and number of training cells per second."""
    import keras

    keras.utils.set_random_seed(seed)
    (x, y), (test_x, test_y) = train, test
    mean, deviation = x.mean(axis=(0, 1, 2)), x.std(axis=(0, 1, 2))
    x, test_x = (((v - mean) / deviation).astype(np.float16) for v in (x, test_x))
    model, size = build(x.shape[-1]), 64
    steps = epochs * (len(x) // size)
    rate = keras.optimizers.schedules.CosineDecay(0.0, steps, warmup_target=2e-3, warmup_steps=steps // 20)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=1e-3), "binary_crossentropy")
    started = time.perf_counter()
    for pixels, labels in batches(x, y, size, epochs, np.random.default_rng(seed)):
        model.train_on_batch(pixels.astype(np.float32), labels)
    speed = epochs * len(x) / (time.perf_counter() - started)
    centre = test_x[:, 8 : 8 + CROP, 8 : 8 + CROP].astype(np.float32)
    return roc_auc_score(test_y, model.predict(centre, batch_size=256, verbose=0)[:, 0]), speed


def check(options) -> dict:
    started = time.process_time()
    cells = options.train + options.test
    images, labels, owners, truth = simulate(cells, options.patients, options.seed)
    seconds = time.process_time() - started
    test = owners >= round(options.patients * options.train / cells)
    result = {
        "cells": {"train": int((~test).sum()), "test": int(test.sum())},
        "patients": {"train": len(set(owners[~test])), "test": len(set(owners[test]))},
        "simulated_pairs_per_processor_second": round(cells / seconds),
        "auroc": {},
    }
    for name, columns in {"true diameter": [0], "true diameter and nucleus diameter": [0, 1]}.items():
        for model in (LogisticRegression(), HistGradientBoostingClassifier(max_iter=50)):
            model.fit(truth[~test][:, columns], labels[~test])
            value = roc_auc_score(labels[test], model.predict_proba(truth[test][:, columns])[:, 1])
            result["auroc"][f"{name}, {type(model).__name__}"] = round(value, 3)
    log.info("%s", result)

    start_tensorflow(training=True)
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(options.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    for name in options.inputs:
        x = images[..., INPUTS[name]]
        value, speed = auroc((x[~test], labels[~test]), (x[test], labels[test]), options.epochs, options.seed)
        result["auroc"][name] = round(float(value), 3)
        log.info("%s: AUROC %.3f (%.0f cells/s)", name, value, speed)
    return result
