"""Options that several commands have, and how a command says what comes next."""

import math
import shlex

import click

from tfctc.runtime import RUNTIMES


class FiniteRange(click.FloatRange):
    """A `click.FloatRange` without NaN, which it finds neither too small nor too large, and without infinity."""

    def convert(self, value, param, ctx):
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def say_next(*command: object, err: bool = False) -> None:
    """Prints the command to give next, such that a shell takes every word as it is."""
    click.echo(f"Next: {shlex.join(map(str, command))}", err=err)


runtime_option = click.option(
    "--runtime",
    type=click.Choice(list(RUNTIMES)),
    default="litert",
    show_default=True,
    help="What runs the TFLite file; openvino may be faster on x86-64, and is an extra: pip install openvino.",
)
