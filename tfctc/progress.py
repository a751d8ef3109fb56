"""Progress of long work, reported through one callback."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
#: Called as ``progress(task, done, total)``: the name of the task, the steps done, and all steps (0 if not known).
Progress = Callable[[str, int, int], None]


def silent(task: str, done: int, total: int) -> None:
    """The callback that reports nothing."""


class Task:
    """Counter of the steps of one task, which reports every step to a callback.

    Args:
        progress: the callback.
        name: name of the task, as a person reads it: "Checking images".
        total: number of steps; 0 if not known.
    """

    def __init__(self, progress: Progress, name: str, total: int):
        self.progress, self.name, self.total, self.done = progress, name, total, 0

    def advance(self, steps: int = 1) -> None:
        """Counts `steps` more steps as done, and reports them."""
        self.done += steps
        self.progress(self.name, self.done, self.total)


def tracked(progress: Progress, name: str, items: Iterable[T], total: int) -> Iterator[T]:
    """Yields `items`, and reports each as one step once the caller has processed it."""
    task = Task(progress, name, total)
    for item in items:
        yield item
        task.advance()
