"""Options that several commands have."""

import click

from tfctc.runtime import RUNTIMES

runtime_option = click.option(
    "--runtime",
    type=click.Choice(list(RUNTIMES)),
    default="litert",
    show_default=True,
    help="What runs the TFLite file; openvino may be faster on x86-64, and is an extra: pip install openvino.",
)
