"""Calibration of a run's probability on new patients, before and after, and in the float32 TFLite file.

    tfctc simulate simulated/one-to-one --cells 16000 --patients 160 --size 48 --seed 1
    tfctc simulate simulated/new-half --cells 4000 --patients 40 --size 48 --seed 11
    tfctc fit simulated/one-to-one --backbone compact --mode brightfield --epochs 10 -o runs/one-to-one \\
        --set training.learning_rate=0.003 --set split.test=0.25 --set split.validation=0.25
    python tools/evidence calibration runs/one-to-one --data simulated/new-half --out one-to-one.json

For `one-to-hundred` and `new-rare` add `--positive 0.01` to `tfctc simulate`, with seeds 2 and 12; for `many-sites` and
`new-many-sites` as many sites as patients, with seeds 3 and 13.

The cells are those of the run's test split: patients of the same sites who were neither trained on nor used to fit the
calibration. `--data` adds other data sets, for example of another seed, whose sites are new too. There the prevalence
of the data set is given to the calibration, as by `tfctc predict --prevalence`.

For the test split, the calibration is also fitted on fewer validation patients, drawn at random, to show how many it
needs. And the labels are counted that change in the int8 file at several thresholds, and that would change if its
output had the 256 steps of an integer.
"""

import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from common import log
from scipy.special import expit, logit
from sklearn.metrics import roc_auc_score

from tfctc.cells import BRIGHTFIELD
from tfctc.data.builder import build
from tfctc.data.manifest import Manifest
from tfctc.data.pipeline import labelled_batches
from tfctc.data.splits import Splits
from tfctc.evaluation.calibration import fit_calibration
from tfctc.evaluation.calibration_metrics import calibration_metrics, expected_calibration_error, reliability_curve
from tfctc.evaluation.keras_predictions import predict_logits
from tfctc.evaluation.predictions import Predictions
from tfctc.exporters import parity
from tfctc.exporters.litert import convert
from tfctc.exporters.quantization.calibration import calibration_set
from tfctc.recipes import resolve
from tfctc.runs.folder import RunFolder
from tfctc.training.calibrate import network_prior

#: Largest calibration error on the test split, and largest difference of the TFLite file from Keras.
ERROR_BOUND, TFLITE_BOUND = 0.03, 1e-4
#: Thresholds beside the run's own, at which labels are compared.
THRESHOLDS = (0.005, 0.02, 0.1, 0.5)
#: Repetitions with random patients, and with random labels.
DRAWS, CHANCE_DRAWS = 50, 200


def add_options(parser) -> None:
    parser.add_argument("run", type=Path, help="run folder")
    parser.add_argument("--data", nargs="*", type=Path, default=[], help="folders of other data sets")
    parser.add_argument("--most", type=int, default=4000, help="largest number of cells of a set")


def raw(run: RunFolder, builder, split: str, most: int) -> tuple[Predictions, np.ndarray]:
    """Log-odds of the trained network, not calibrated, and the images, of at most `most` cells of a split."""
    student, batches = run.student(), labelled_batches(builder, split, (BRIGHTFIELD,), 500).unbatch().take(most)
    cells = next(batches.batch(most).as_numpy_iterator())
    found, logits = predict_logits(student, batches.batch(500))
    return replace(found, probability=logits[:, 1] - logits[:, 0]), cells[BRIGHTFIELD]


def chance_error(probabilities: np.ndarray) -> float:
    """Mean calibration error if the probabilities were exact, over random labels."""
    rng = np.random.default_rng(0)
    drawn = [
        expected_calibration_error(rng.random(len(probabilities)) < probabilities, probabilities)
        for _ in range(CHANCE_DRAWS)
    ]
    return float(np.mean(drawn))


def described(found: Predictions, before: np.ndarray, after: np.ndarray) -> dict:
    """Metrics of the network's own probabilities and of the calibrated ones, and the curve of the latter."""
    points = reliability_curve(found.label, after, found.patient_id)
    return {
        "cells": len(found),
        "positives": int(found.label.sum()),
        "patients": len(np.unique(found.patient_id)),
        "auroc": float(roc_auc_score(found.label, before)),
        "mean_probability": {"before": float(before.mean()), "after": float(after.mean())},
        "before": calibration_metrics(found.label, before),
        "after": calibration_metrics(found.label, after),
        "error_of_exact_probabilities": chance_error(after),
        "reliability": [asdict(point) for point in points],
    }


def by_patients(validation: Predictions, test: Predictions, prevalence: float) -> list[dict]:
    """Calibration error on the test cells with fewer validation patients: median and 90 % quantile over draws."""
    names, rng, found = np.unique(validation.patient_id), np.random.default_rng(0), []
    for count in (2, 4, 8, 16, 32):
        errors = []
        while count < len(names) and len(errors) < DRAWS:
            chosen = np.isin(validation.patient_id, rng.choice(names, count, replace=False))
            parts = (a[chosen] for a in (validation.label, validation.probability, validation.patient_id))
            errors.append(expected_calibration_error(test.label, fit_calibration(*parts, prevalence)(test.probability)))
        if errors:
            median, high = np.quantile(errors, [0.5, 0.9])
            found.append({"patients": count, "median": float(median), "quantile_90": float(high)})
    return found


def labels_changed(run: RunFolder, builder, images: np.ndarray, expected: np.ndarray) -> list[dict]:
    """Labels of the calibrated student that the int8 file changes, and that rounding to 1/256 changes, by threshold."""
    batches = labelled_batches(builder, "train", (BRIGHTFIELD,), 64).take(200).as_numpy_iterator()
    int8 = convert(run.calibrated_student(), run.facts, "int8", calibration_set(batches))
    files = {"int8": parity.run_tflite(int8, images), "rounded_to_256": np.rint(expected * 256) / 256}
    return [
        {"threshold": threshold, "called": int((expected >= threshold).sum())}
        | {name: parity.compare(found, expected, threshold)["labels_changed"] for name, found in files.items()}
        for threshold in sorted((*THRESHOLDS, run.operating_point["threshold"]))
    ]


def check(options) -> dict:
    run = RunFolder.open(options.run)
    builder, calibration = run.builder(), run.calibration
    test, images = raw(run, builder, "test", options.most)
    validation, _ = raw(run, builder, "validation", calibration.cells)
    after = calibration(test.probability)
    sets = {"test": described(test, expit(test.probability.astype(np.float64)), after)}
    tflite = parity.run_tflite(convert(run.calibrated_student(), run.facts, "none"), images)
    trained_at = network_prior(resolve(run.config).on(run.splits), builder)[0]
    for folder in options.data:
        manifest = Manifest.open(folder)
        with tempfile.TemporaryDirectory() as scratch:
            splits = Splits("patient_id", dict.fromkeys(manifest.groups("patient_id"), "test"))
            new, _ = raw(run, build(manifest, splits, scratch), "test", options.most)
        shift = logit(new.label.mean()) - logit(calibration.prevalence)
        calibrated = expit(logit(calibration(new.probability)) + shift)
        sets[folder.name] = described(new, expit(new.probability.astype(np.float64)), calibrated)
    for name, entry in sets.items():
        log.info("%s: %d cells of %d patients", name, entry["cells"], entry["patients"])
        for when in ("before", "after"):
            log.info("  %-6s %s", when, "  ".join(f"{key} {value:.4f}" for key, value in entry[when].items()))
    return {
        "calibration": calibration.to_dict(),
        "simulated": run.facts.simulated,
        "network_prevalence": trained_at,
        "sets": sets,
        "fewer_patients": by_patients(validation, test, trained_at),
        "labels_changed": labels_changed(run, builder, images, after),
        "tflite": {
            "largest_difference": float(np.abs(tflite - after).max()),
            "calibration_error": expected_calibration_error(test.label, tflite),
        },
    }


def problem(found: dict) -> str:
    """The reason why the result fails the check; "" if it passes."""
    error, tflite = found["sets"]["test"]["after"]["calibration_error"], found["tflite"]
    if error >= ERROR_BOUND:
        return f"the calibration error is {error:.4f}, less than {ERROR_BOUND} wanted"
    if tflite["largest_difference"] > TFLITE_BOUND:
        return f"the TFLite file differs from the calibrated probability by {tflite['largest_difference']:.2g}"
    return ""
