"""Names for things that a configuration can choose."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from tfctc.errors import UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of named things of one kind; an unknown name is answered with the known ones.

    >>> losses = Registry("distillation loss")
    >>> @losses.register("logits")
    ... class Logits: ...
    """

    def __init__(self, kind: str):
        self.kind = kind
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered twice")

        def add(entry: T) -> T:
            self._entries[name] = entry
            return entry

        return add

    def __getitem__(self, name: str) -> T:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError(f"unknown {self.kind} {name!r}", fix=f"choose one of: {', '.join(self)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._entries))
