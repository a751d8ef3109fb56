"""The `tfctc` command. Each command's module is imported only when that command runs, so `--help` answers at once."""

import importlib
import os
import signal

import click

from tfctc._version import __version__
from tfctc.errors import DependencyError, TfctcError

#: Command -> module in this package (function `command`) and one line of help, so that `--help` imports no command.
COMMANDS = {
    "simulate": ("simulate", "Write a data set of simulated cells."),
    "import": ("import_", "Pair image files by cell id and write a data set."),
    "inspect": ("inspect", "Look for faults, leaks and shortcuts in a data set."),
    "fit": ("fit", "Train teacher and student; with no data, on simulated cells."),
    "evaluate": ("evaluate", "Compute metrics with intervals on the test patients of a run."),
    "report": ("report", "Write a page about an evaluated run: curves, errors, saliency, robustness."),
    "compare": ("compare", "Compare ways of training on one data set."),
    "export": ("export", "Write the bright-field-only model as SavedModel and TFLite."),
    "predict": ("predict", "Classify bright-field images with a TFLite file, without TensorFlow."),
}
TRAINING_LIBRARIES = (
    "tensorflow",
    "keras",
    "tensorflow_datasets",
    "tensorflow_serving",
    "sklearn",
    "scipy",
    "importlib_resources",
    "jinja2",
    "matplotlib",
)


class Commands(click.Group):
    """Group of commands that imports a command when it runs, and prints a `TfctcError` as one line."""

    def list_commands(self, ctx):
        return list(COMMANDS)

    def get_command(self, ctx, name):
        if name not in COMMANDS:
            return None
        return importlib.import_module(f"tfctc.cli.{COMMANDS[name][0]}").command

    def format_commands(self, ctx, formatter):
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in COMMANDS.items()])

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except TfctcError as error:
            failure = error
        except ModuleNotFoundError as error:
            if (error.name or "").split(".")[0] not in TRAINING_LIBRARIES:
                raise
            failure = DependencyError(
                f"tfctc {ctx.invoked_subcommand} needs {error.name}, which is not installed",
                fix="in the folder of tfctc's source: pip install '.[train]'",
            )
        for line in failure.details:
            click.echo(line, err=True)
        click.echo(f"tfctc: error: {failure}", err=True)
        ctx.exit(failure.exit_code)


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: tfctc fit    (simulated cells; see the README for real ones)",
)
@click.version_option(__version__, "--version", prog_name="tfctc")
def main():
    """Train with DAPI, run on bright-field: classify cell images as circulating tumor cell (CTC) or leukocyte."""
    from tfctc.cli.output import print_log

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # A service manager's or a queue's request to stop acts like Ctrl-C, so that nothing half-written is left.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print_log()
