"""tfctc evaluate."""

import json
from pathlib import Path

import click

from tfctc.api.evaluating import evaluate_run
from tfctc.cli.options import HELP
from tfctc.cli.output import ProgressBar, print_next


@click.command(context_settings=HELP, epilog="Example: tfctc evaluate runs/simulated-1 --threshold youden")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    default="f1",
    show_default=True,
    help="Rule that chooses the threshold on validation, f1 or youden; or a number.",
)
@click.option("--teacher", is_flag=True, help="Evaluate the teacher instead of the student.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(run, threshold, teacher, as_json):
    """Evaluate a run on the patients of its test split; every metric gets an interval, bootstrapped by patient.

    The threshold is chosen on the validation split unless it is a number. Files that are exported afterwards have the
    threshold of the student.
    """
    with ProgressBar() as progress:
        result = evaluate_run(run, threshold, teacher, progress)
    evaluation = result.evaluation
    # Printed before saving, for a user who may not write into the run folder.
    click.echo(json.dumps(evaluation.to_dict(), indent=2) if as_json else str(evaluation))
    written = result.save()
    if not teacher:
        click.echo(
            f"Files exported from this run have the threshold {evaluation.threshold:.4f} from now on.", err=as_json
        )
    click.echo(f"Wrote {written[0]} and {written[1]}.", err=as_json)
    print_next("tfctc", "export", result.run.folder, err=as_json)
