"""Output of the commands: log lines, progress bars, the next command."""

import itertools
import logging
import re
import shlex
import sys
from typing import Any

import click

#: End of the task name of a training epoch.
EPOCH = re.compile(r"epoch \d+ of \d+$")


def print_log() -> None:
    """Prints the package's log lines to stderr while the command runs."""
    logger = logging.getLogger("tfctc")
    logger.setLevel(logging.INFO)
    if not any(isinstance(handler, _EchoHandler) for handler in logger.handlers):
        logger.addHandler(_EchoHandler())
        logger.propagate = False


class _EchoHandler(logging.Handler):
    """Logging handler that looks up stderr for every line, because tests replace it between commands."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


class ProgressBar:
    """Progress of one task after the other on stderr: a bar in a terminal, else one line for each task.

    Outside a terminal a training epoch gets no such line, because the log has a line for each epoch.
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


def print_next(*command: object, err: bool = False) -> None:
    """Prints the next command, quoted for a shell."""
    click.echo(f"Next: {shlex.join(map(str, command))}", err=err)
