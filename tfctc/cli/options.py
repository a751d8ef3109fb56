"""Options that several commands share."""

import math
from collections.abc import Callable, Iterable

import click

from tfctc.data.importers.presets import PRESETS
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


def naming_options(command: Callable) -> Callable:
    """Decorator that adds the options for the names of image files."""
    options = (
        click.option(
            "--files",
            multiple=True,
            metavar="TEMPLATE",
            help="Template for a path below the folder: {cell}, {channel}, {patient}, {site}, {label}; * and **/.",
        ),
        click.option("--pattern", metavar="REGEX", help="Regular expression with these groups, in place of --files."),
        click.option("--preset", help=f"Known file names, in place of --files: {', '.join(PRESETS)}."),
        click.option("--cell-id", default="", metavar="TEMPLATE", help="Cell id, e.g. '{patient}/{cell}'."),
        click.option(
            "--channel",
            "channels",
            multiple=True,
            metavar="NAME=CHANNEL",
            help="Channel that a name in the files stands for, e.g. w1=brightfield; or a plane, e.g. 0=brightfield.",
        ),
        click.option(
            "--planes",
            type=click.Choice(["channels", "cells"]),
            help="Meaning of the planes of a file  [default: one plane; channels if the names tell no channel].",
        ),
        click.option(
            "--first-plane",
            type=click.IntRange(0, 1),
            help="With --planes cells: number of the first plane in cell ids  [default: 0].",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def pairs(assignments: Iterable[str], option: str) -> dict[str, str]:
    """OLD -> NEW, from values of an option that may be repeated."""
    from tfctc.errors import ConfigError
    from tfctc.io.names import normalised

    found: dict[str, str] = {}
    for text in assignments:
        old, equals, new = normalised(text).partition("=")
        # An unset variable of a shell leaves OLD empty, which would mean the label of every unlabelled cell.
        if not old.strip() or not equals:
            raise ConfigError(f"{option} expects OLD=NEW, got {text!r}")
        if found.setdefault(old, new) != new:
            raise ConfigError(f"{option} {old}: given as {found[old]!r} and as {new!r}", fix="give it once")
    return found
