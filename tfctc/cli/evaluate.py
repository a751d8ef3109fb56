"""tfctc evaluate."""

import json
from pathlib import Path

import click

from tfctc.api.evaluating import as_number, evaluate_run
from tfctc.cli.options import HELP
from tfctc.cli.output import ProgressBar, print_next
from tfctc.errors import ConfigError


@click.command(
    context_settings=HELP,
    epilog="Example: tfctc evaluate runs/A --operating-point specificity=0.99; tfctc evaluate runs/A --data B",
)
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
@click.option(
    "--data", type=click.Path(path_type=Path), help="Another data set, on which the frozen model is evaluated."
)
@click.option(
    "--operating-point",
    metavar="RULE",
    help="Rule that chooses the threshold on validation, for the exported files: f1 (the default), youden, "
    "specificity=0.99, sensitivity=0.9, false-calls=1/patient, or a number.",
)
@click.option(
    "--confidence",
    type=float,
    help="Chance with which a promise such as specificity=0.99 is to hold on new patients.  [default: 0.9]",
)
@click.option("--threshold", metavar="NUMBER", help="Try this threshold; the exported files keep theirs.")
@click.option("--against", type=click.Path(path_type=Path), help="Results of another model on the same cells.")
@click.option("--teacher", is_flag=True, help="Evaluate the teacher instead of the student.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the results on --data.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(model, data, operating_point, confidence, threshold, against, teacher, output, as_json):
    """Evaluate a run on the patients of its test split, or any model on another data set.

    MODEL is a run folder. With --data it may also be an exported version folder, or a .tflite file, for which no
    TensorFlow is needed. Every metric has an interval by patient. The threshold is chosen on the validation split of
    the run, and files that are exported afterwards have it. With --data the model and its threshold stay as they are.

    The page report.html in the run folder shows the metrics, curves and worst errors; tfctc report adds saliency and
    robustness to it.
    """
    if data is None and output is not None:
        raise ConfigError("--output is for the results on --data", fix="leave it out: they go into the run folder")
    if data is not None and teacher:
        raise ConfigError("--data is for the model that reads bright-field alone", fix="leave out --teacher")
    if data is not None and (operating_point or confidence):
        problem = "with --data the operating point is that of the model: no data both choose and test it"
        raise ConfigError(problem, fix="leave out --operating-point and --confidence; --threshold NUMBER tries another")
    if data is not None:
        return _external(model, data, threshold, against, output, as_json)
    options = {"operating_point": operating_point, "confidence": confidence}
    with ProgressBar() as progress:
        result = evaluate_run(model, threshold, teacher, progress, **options)
    evaluation = result.evaluation
    difference = _difference(result, result.run.facts, against)
    # Printed before saving, for a user who may not write into the run folder.
    _print(evaluation, difference, as_json)
    written = result.save()
    if result.point and not teacher:
        click.echo(
            f"Files exported from this run have the threshold {evaluation.threshold:.4f} from now on.", err=as_json
        )
    elif not teacher:
        words = f"This threshold was only tried; for the exported files: --operating-point {threshold}"
        click.echo(words, err=as_json)
    click.echo(f"Wrote {', '.join(map(str, written))}.", err=as_json)
    click.echo(evaluation.verdict, err=as_json)
    print_next("tfctc", "export", result.run.folder, err=as_json)


def _difference(result, facts, against):
    """Differences from the results in the folder `against`; None without one. Before anything is written."""
    if against is None:
        return None
    from tfctc.api.against import differences

    if not hasattr(result.evaluation, "by_patient"):
        problem = "a cross-validated run has a threshold for each fold, and is not compared"
        raise ConfigError(problem, fix="leave out --against")
    return differences(result.evaluation, result.predictions, facts, against)


def _print(evaluation, difference, as_json):
    from tfctc.api.against import table

    if as_json:
        values = evaluation.to_dict() | ({"difference": difference} if difference else {})
        return click.echo(json.dumps(values, indent=2))
    click.echo(str(evaluation))
    if difference:
        click.echo(table(difference, evaluation.interval_by))


def _external(model, data, threshold, against, output, as_json):
    from tfctc.api.external import evaluate_external

    with ProgressBar() as progress:
        result = evaluate_external(model, data, threshold=as_number(threshold), progress=progress)
    evaluation = result.evaluation
    _print(evaluation, _difference(result, result.model.facts, against), as_json)
    written = result.save(output)
    if result.refused:
        click.echo(
            f"{len(result.refused)} images were refused and are in no metric; see column refused in {written[1]}.",
            err=as_json,
        )
    click.echo(f"Wrote {', '.join(map(str, written))}.", err=as_json)
    click.echo(evaluation.verdict, err=as_json)
    click.echo(f"Next: look at the cells with another call than truth in {written[1]}", err=as_json)
