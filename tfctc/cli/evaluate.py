"""tfctc evaluate."""

from pathlib import Path

import click

from tfctc.cli.options import say_next


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: tfctc evaluate runs/simulated-1 --threshold youden",
)
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--threshold", "rule", default="f1", show_default=True, help="Best on validation: f1, youden; or a number."
)
@click.option("--teacher", is_flag=True, help="Judge the teacher instead, which is shown DAPI too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(run, rule, teacher, as_json):
    """Figures of a run on the patients of its test split, each with an interval.

    The threshold is chosen on the validation split unless it is a number; what is exported afterwards has the
    student's. Intervals are bootstrapped by patient.
    """
    import json
    from dataclasses import asdict

    from tfctc.training.devices import import_tensorflow

    import_tensorflow()
    from tfctc.evaluation.evaluate import evaluate
    from tfctc.evaluation.metrics import fixed_threshold
    from tfctc.files import write_json
    from tfctc.training.answers import answers, check_cells, write_answers
    from tfctc.training.run import EVALUATION, OPERATING_POINT, PREDICTIONS, Run

    chosen = fixed_threshold(rule) is None
    run = Run.open(run)
    model = run.teacher() if teacher else run.student()
    builder = run.builder(progress=lambda line: click.echo(line, err=True))
    check_cells(run, builder, tuple(model.input), {"validation": chosen, "test": False})
    found = answers(model, builder, _bar)
    result = evaluate(found["validation"], found["test"], rule=rule, seed=run.config.seed)
    report = {
        "model": model.name,
        "channels": list(model.input),
        "data": run.facts.name,
        "simulated": run.facts.simulated,
        "classes": list(run.facts.classes),
        "interval_by": run.facts.group,
        **asdict(result),
    }
    # First: whoever may not write there can read them all the same.
    click.echo(json.dumps(report, indent=2) if as_json else _text(report))
    stem = f"{model.name}_" if teacher else ""
    written = [run.folder / f"{stem}{EVALUATION}", run.folder / f"{stem}{PREDICTIONS}"]
    write_json(written[0], report)
    write_answers(run, written[1].name, found["test"])
    if not teacher:
        point = {"threshold": result.threshold, "rule": rule}
        if result.validation_cells is not None:
            point |= {"chosen_on": "validation", "cells": result.validation_cells}
        write_json(run.folder / OPERATING_POINT, point)
    if not teacher:
        click.echo(f"What is exported of this run has the threshold {result.threshold:.4f} from now on.", err=as_json)
    click.echo(f"Wrote {written[0]} and {written[1]}.", err=as_json)
    say_next("tfctc", "export", run.folder, err=as_json)


def _bar(length: int, label: str):
    return click.progressbar(length=length, label=label, file=click.get_text_stream("stderr"))


def _text(report: dict) -> str:
    negative, positive = report["classes"]
    (tn, fp), (fn, tp) = report["confusion"]
    kind = "SIMULATED cells" if report["simulated"] else "cells"
    chosen_on = report["validation_cells"]
    origin = "given" if chosen_on is None else f"{report['rule']}, from {chosen_on} validation cells"
    width = max(len(negative), len(positive))
    lines = [
        f"{report['model']} on {' + '.join(report['channels'])}: {report['cells']} test {kind} of {report['data']} "
        f"({report['positives']} {positive}), {report['patients']} groups by {report['interval_by']}",
        f"threshold {report['threshold']:.4f} ({origin})",
        f"{'':18} value   {100 * report['level']:.0f} % interval by {report['interval_by']}",
    ]
    for name, figure in report["figures"].items():
        value, low, high = ("  n/a" if v is None else f"{v:.3f}" for v in figure.values())
        lines.append(f"{name.replace('_', ' '):18} {value}   {low} to {high}")
    lines += [
        f"{'true / called':>{width + 6}} {negative:>{width}} {positive:>{width}}",
        f"{negative:>{width + 6}} {tn:>{width}} {fp:>{width}}",
        f"{positive:>{width + 6}} {fn:>{width}} {tp:>{width}}",
    ]
    if report["patients"] == 1:
        line = f"No interval: the test split holds one {report['interval_by']}."
        lines.append(f"{line} More of them, or a larger split.test, would give one.")
    elif report["patients"] < 10:
        lines.append(f"Few groups: an interval from {report['patients']} of them is itself uncertain.")
    return "\n".join(lines)
