"""What commands print: log lines, progress bars, the next command."""

import itertools
import logging
import re
import shlex
import sys
from typing import Any

import click

#: End of the name of a task that is one epoch.
EPOCH = re.compile(r"epoch \d+ of \d+$")


def print_log() -> None:
    """Prints the package's log lines to stderr while the command runs."""
    logger = logging.getLogger("tfctc")
    logger.setLevel(logging.INFO)
    if not any(isinstance(handler, _EchoHandler) for handler in logger.handlers):
        logger.addHandler(_EchoHandler())
        logger.propagate = False


class _EchoHandler(logging.Handler):
    """Writes log lines where the command writes now: tests and shells redirect stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


class ProgressBar:
    """Shows the progress of one task after the other on stderr: a bar in a terminal, a line for each task elsewhere.

    Elsewhere epochs get no line: the log has one for each, with its metrics.
    """

    def __init__(self) -> None:
        self._task, self._done = "", 0
        self._bar: Any = None

    def __call__(self, task: str, done: int, total: int) -> None:
        if task != self._task:
            self.close()
            self._task, self._done = task, 0
            if not sys.stderr.isatty() and EPOCH.search(task):
                return
            steps: dict[str, Any] = {"length": total} if total else {"iterable": itertools.count()}
            self._bar = click.progressbar(**steps, label=task, file=sys.stderr)
            self._bar.__enter__()
        if self._bar is not None:
            self._bar.update(done - self._done)
        self._done = done
        if total and done >= total:
            self.close()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
        self._task, self._bar = "", None

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *details: Any) -> None:
        self.close()


def say_next(*command: object, err: bool = False) -> None:
    """Prints the next command, quoted for a shell."""
    click.echo(f"Next: {shlex.join(map(str, command))}", err=err)
