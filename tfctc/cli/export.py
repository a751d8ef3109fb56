"""tfctc export."""

from pathlib import Path

import click

from tfctc.cli.options import FiniteRange, runtime_option, say_next

PARITY_CELLS, QUALITY_CELLS, CHOICE_CELLS = 256, 2000, 5000
BATCH, CALIBRATION_BATCHES = 64, 200


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: tfctc export runs/simulated-1 --name ctc --quantize none --quantize int8",
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--tflite", is_flag=True, help="Write TFLite files. Without any option: SavedModel and TFLite.")
@click.option("--saved-model", is_flag=True, help="Write a SavedModel.")
@click.option(
    "--quantize",
    "precisions",
    multiple=True,
    type=click.Choice(["none", "float16", "dynamic", "mixed", "int8", "auto"]),
    help="TFLite files to write, may be repeated; implies --tflite. mixed: int8, but for its first layers. auto: the "
    "smallest that is as good as Keras.  "
    "[default: none, and int8 if it passes its gate]",
)
@click.option(
    "--f1-bound",
    type=FiniteRange(0, 1),
    default=0.01,
    show_default=True,
    help="With auto: F1 that may be lost on validation, the upper end of its 95 % interval by patient included.",
)
@click.option(
    "--verify", is_flag=True, help="RUN is an exported version: check its files and its answers, write nothing."
)
@runtime_option
@click.option("--name", help="Name of the model.  [default: the run's]")
@click.option("--output", type=click.Path(path_type=Path), default="exports", show_default=True, help="Where to.")
def command(run, tflite, saved_model, precisions, f1_bound, verify, runtime, name, output):
    """Write the bright-field-only model of RUN to OUTPUT/NAME/VERSION/, with its record and a model card.

    Every artefact is held against the Keras model on cells of the validation split; if one differs, nothing is written.
    Its threshold is that of RUN, as the last `tfctc evaluate` of the student has set it.
    OUTPUT/NAME is a base path for TensorFlow Serving. With --verify, which needs no TensorFlow, RUN is such a VERSION.
    """
    if verify:
        return _verify(run, runtime)
    if runtime != "litert":
        raise click.UsageError("--runtime goes with --verify: the gates of an export run LiteRT")
    from tfctc.training.devices import import_tensorflow

    import_tensorflow()
    from tfctc.data.pipeline import ALL, LABELLED, in_order, labelled_records
    from tfctc.errors import RunError
    from tfctc.export.calibration import calibration_set
    from tfctc.export.litert import CALIBRATED, PRECISIONS
    from tfctc.export.subject import Subject, model_name
    from tfctc.export.version import write_version
    from tfctc.quality import limits
    from tfctc.training.answers import check_cells
    from tfctc.training.roles import all_losses
    from tfctc.training.run import PREDICTIONS, Run

    run = Run.open(run)
    tflite = tflite or bool(precisions)
    saved_model, tflite = saved_model or not tflite, tflite or not saved_model
    optional = () if precisions else ("int8",)
    precisions = tuple(dict.fromkeys(precisions or ("none", "int8"))) if tflite else ()
    record = run.record
    training = {"run": run.name, "mode": run.config.mode, "seed": run.config.seed, "cells": record["cells"]}
    student, builder = run.student(), run.builder(progress=lambda line: click.echo(line, err=True))
    check_cells(run, builder, tuple(student.input), {"train": False, "validation": "auto" in precisions})

    def images(split, most, selection=LABELLED):
        return _images(in_order(builder, split, tuple(student.input), BATCH, selection), most)

    # Through a loss the student has learnt from unlabelled cells too.
    quality = limits(images("train", QUALITY_CELLS, ALL if all_losses(run.config) else LABELLED))
    named = name or model_name(run.name)
    subject = Subject(student, named, run.facts, run.operating_point, run.evaluation, training, quality)
    if subject.weights_sha256 != record["weights_sha256"]["student"]:
        raise RunError("does not hold the student that was trained in it", path=run.folder, fix="run fit again")
    calibration, choice = (), None
    if {*CALIBRATED, "auto"} & set(precisions):
        cells = labelled_records(builder, "train", tuple(student.input), BATCH).take(CALIBRATION_BATCHES)
        calibration = calibration_set(cells.as_numpy_iterator())
    say = lambda line: click.echo(line, err=True)  # noqa: E731
    if "auto" in precisions:
        chosen, choice = _choose(subject, builder, calibration, f1_bound, say)
        precisions = tuple(dict.fromkeys(chosen if p == "auto" else p for p in precisions))
    parity = images("validation", PARITY_CELLS)
    version = write_version(
        subject, output / subject.name, parity, calibration, saved_model, precisions, optional, say, choice
    )
    click.echo(f"Wrote {', '.join(sorted(p.name for p in version.iterdir()))} to {version}")
    if precisions:
        model = version / f"model_{PRECISIONS[precisions[0]]}.tflite"
        say_next("tfctc", "predict", model, run.folder / PREDICTIONS if run.evaluation else "IMAGES")
    else:
        say_next("saved_model_cli", "show", "--dir", version, "--all")


def _choose(subject, builder, calibration, bound, say):
    from functools import partial

    from tfctc.cells import BRIGHTFIELD
    from tfctc.data.pipeline import labelled_records
    from tfctc.evaluation.loss import f1_loss
    from tfctc.export.choice import smallest_precision

    cells = next(labelled_records(builder, "validation", (BRIGHTFIELD,), CHOICE_CELLS).as_numpy_iterator())
    loss = partial(f1_loss, cells["label"], cells["patient_id"], subject.threshold)
    return smallest_precision(subject, cells[BRIGHTFIELD], calibration, loss, bound, say)


def _verify(folder, runtime):
    from importlib.util import find_spec

    from tfctc.inference.verify import check_answers, check_files, check_tflite, reference

    manifest = check_files(folder)
    figures = check_tflite(folder, manifest, runtime)
    if "saved_model" in manifest["parity"]:
        if find_spec("tensorflow"):
            from tfctc.training.devices import import_tensorflow

            import_tensorflow()
            from tfctc.cells import DatasetFacts
            from tfctc.config import from_dict
            from tfctc.export import parity
            from tfctc.images import to_unit

            facts = from_dict(DatasetFacts, manifest["dataset"])
            pixels, expected = reference(folder)
            images = to_unit(pixels, facts)
            for name, found in (
                (parity.SAVED_MODEL, parity.run_saved_model(folder, images)),
                (parity.SERVING_BYTES, parity.run_serving_bytes(folder, images, facts)),
            ):
                figures[name] = check_answers(folder / "saved_model.pb", found, expected, manifest["parity"][name])
        else:
            click.echo("note: the SavedModel was not run: TensorFlow is not installed", err=True)
    for name, figure in figures.items():
        click.echo(f"{name}: {manifest['parity'][name]['gate']} {figure:.1e} from Keras")
    click.echo(f"Verified {manifest['model_version']} in {folder}: every file is what was written.")
    for model in sorted(folder.glob("*.tflite"))[:1]:
        say_next("tfctc", "predict", model, "IMAGES")


def _images(batches, most: int):
    """The bright-field images of the first `most` cells, float32 ``(N, H, W, 1)`` in [0, 1]."""
    import numpy as np

    from tfctc.cells import BRIGHTFIELD

    images = [batch[BRIGHTFIELD].numpy() for batch in batches.unbatch().batch(most).take(1)]
    return images[0] if images else np.empty((0,), np.float32)
