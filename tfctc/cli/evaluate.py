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
    epilog="Examples: tfctc evaluate runs/simulated-1 --threshold youden; tfctc evaluate runs/A --data cells-of-B",
)
@click.argument("model", metavar="MODEL", type=click.Path(path_type=Path))
@click.option(
    "--data", type=click.Path(path_type=Path), help="Another data set, on which the frozen model is evaluated."
)
@click.option(
    "--threshold",
    help="Rule that chooses the threshold on validation, f1 (the default) or youden; or a number. "
    "With --data: a number; by default that of the model.",
)
@click.option("--teacher", is_flag=True, help="Evaluate the teacher instead of the student.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the results on --data.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(model, data, threshold, teacher, output, as_json):
    """Evaluate a run on the patients of its test split, or any model on another data set.

    MODEL is a run folder. With --data it may also be an exported version folder, or a .tflite file, for which no
    TensorFlow is needed. Every metric has an interval by patient. The threshold is chosen on the validation split of
    the run unless it is a number; files that are exported afterwards have it. With --data the model and its threshold
    stay as they are.

    The page report.html in the run folder shows the metrics, curves and worst errors; tfctc report adds saliency and
    robustness to it.
    """
    if data is None and output is not None:
        raise ConfigError("--output is for the results on --data", fix="leave it out: they go into the run folder")
    if data is not None and teacher:
        raise ConfigError("--data is for the model that reads bright-field alone", fix="leave out --teacher")
    (_external if data else _own)(model, data, threshold, teacher, output, as_json)


def _own(run, data, threshold, teacher, output, as_json):
    with ProgressBar() as progress:
        result = evaluate_run(run, threshold or "f1", teacher, progress)
    evaluation = result.evaluation
    # Printed before saving, for a user who may not write into the run folder.
    click.echo(json.dumps(evaluation.to_dict(), indent=2) if as_json else str(evaluation))
    written = result.save()
    if not teacher:
        click.echo(
            f"Files exported from this run have the threshold {evaluation.threshold:.4f} from now on.", err=as_json
        )
    click.echo(f"Wrote {', '.join(map(str, written))}.", err=as_json)
    click.echo(evaluation.verdict, err=as_json)
    print_next("tfctc", "export", result.run.folder, err=as_json)


def _external(model, data, threshold, teacher, output, as_json):
    from tfctc.api.external import evaluate_external

    with ProgressBar() as progress:
        result = evaluate_external(model, data, threshold=as_number(threshold), progress=progress)
    evaluation = result.evaluation
    click.echo(json.dumps(evaluation.to_dict(), indent=2) if as_json else str(evaluation))
    written = result.save(output)
    if result.refused:
        click.echo(
            f"{len(result.refused)} images were refused and are in no metric; see column refused in {written[1]}.",
            err=as_json,
        )
    click.echo(f"Wrote {', '.join(map(str, written))}.", err=as_json)
    click.echo(evaluation.verdict, err=as_json)
    click.echo(f"Next: look at the cells with another call than truth in {written[1]}", err=as_json)
