"""Command line of the checks and sheets whose results are in docs/evidence.

    python tools/evidence                     # lists the checks
    python tools/evidence parity --help
    python tools/evidence parity runs/jurkat exports/jurkat/1 --cells jurkat-cells --out parity.json

A check is a module `check_NAME.py` of this folder with

    add_options(parser)      adds the options of the check to the parser
    check(options) -> dict   the result, as plain values; progress goes to the log `common.log`
    problem(result) -> str   optional: the reason why the result fails the check, "" if it passes

A sheet is a module `NAME_sheet.py` with `add_options(parser)` and `draw(options)`, which returns a PIL image, or a
dictionary name -> image. The first line of the module's docstring describes it in the list. `--out FILE` writes the
result of a check with the command and the machine, or the picture of a sheet; for several pictures it is a folder.

Exit code: 0 if the check passes, 1 if its result fails, 2 if the check cannot be carried out.
"""

import argparse
import ast
import contextlib
import importlib
import logging
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from common import CheckError, machine

from tfctc.errors import TfctcError
from tfctc.io.files import atomic_file, write_json

FOLDER = Path(__file__).parent


def checks() -> dict[str, Path]:
    """Name -> file of every check and sheet."""
    files = sorted([*FOLDER.glob("check_*.py"), *FOLDER.glob("*_sheet.py")])
    return {path.stem.removeprefix("check_").replace("_", "-"): path for path in files}


def first_line(path: Path) -> str:
    """The first line of a module's docstring, read without importing the module."""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]


def parse(words: Sequence[str]) -> tuple[ModuleType, argparse.Namespace]:
    """The module of the check in a command line, and its options. No other check is imported."""
    parser = argparse.ArgumentParser(
        prog="python tools/evidence", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="name", metavar="NAME", required=True, title="checks")
    module = None
    for name, path in checks().items():
        command = commands.add_parser(name, help=first_line(path), formatter_class=argparse.RawDescriptionHelpFormatter)
        if list(words[:1]) == [name]:
            module = importlib.import_module(path.stem)
            command.description = module.__doc__
            module.add_options(command)
            if hasattr(module, "draw"):
                command.add_argument("--out", type=Path, default=Path(f"{name}.png"), help="picture to write (PNG)")
            else:
                command.add_argument("--out", type=Path, help="JSON file to write")
    return module, parser.parse_args(words)


def run(words: Sequence[str]) -> int:
    """Carries out one check and writes its result; returns the exit code."""
    module, options = parse(words)
    if hasattr(module, "draw"):
        drawn = module.draw(options)
        pictures = {options.out: drawn}
        if isinstance(drawn, dict):
            pictures = {options.out / f"{name}.png": image for name, image in drawn.items()}
        for path, image in pictures.items():
            with atomic_file(path) as temporary:
                image.save(temporary, format="PNG", optimize=True)
            print(f"Wrote {path}")
        return 0
    found = module.check(options)
    if options.out:
        command = shlex.join(["python", "tools/evidence", *words])
        write_json(options.out, {"command": command, "machine": machine(), **found})
        print(f"Wrote {options.out}")
    problem = module.problem(found) if hasattr(module, "problem") else ""
    if problem:
        print(f"failed: {problem}", file=sys.stderr)
    return 1 if problem else 0


def main(words: Sequence[str] | None = None) -> int:
    """Runs the command line `words`, or that of the process, and returns the exit code; no words print the help."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    words = sys.argv[1:] if words is None else words
    try:
        with printed_log():
            return run(words or ["--help"])
    except (CheckError, TfctcError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


@contextlib.contextmanager
def printed_log() -> Iterator[None]:
    """Prints the log of the checks and of the package while the block runs."""
    handler = logging.StreamHandler(sys.stdout)
    loggers = [logging.getLogger(name) for name in ("evidence", "tfctc")]
    before = [(logger.level, logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False  # Otherwise absl's handler prints the lines again.
    try:
        yield
    finally:
        for logger, (level, propagate) in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)
            logger.propagate = propagate
