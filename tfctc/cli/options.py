"""Options that several commands share."""

import math

import click

from tfctc.runtime import RUNTIMES

HELP = {"help_option_names": ["-h", "--help"]}


class FiniteRange(click.FloatRange):
    """A `click.FloatRange` that refuses NaN and infinity; click accepts NaN, because it is not outside any range."""

    def convert(self, value, param, ctx):
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


runtime_option = click.option(
    "--runtime",
    type=click.Choice(list(RUNTIMES)),
    default="litert",
    show_default=True,
    help="Runtime of the TFLite file; openvino may be faster on x86-64, and needs: pip install openvino.",
)
