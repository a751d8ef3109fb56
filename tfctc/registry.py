"""Registries: tables of named classes or objects, one of which a setting chooses by its name."""

import importlib
import importlib.metadata
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from tfctc.errors import UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """A table of named entries of one kind.

    Entries register themselves when their module is imported. The registry imports these modules at the first look-up:
    every module of `package`, and every entry point of installed packages in the group `tfctc.<group>`. So a new entry
    is one new file, in this package or in another.

    Args:
        kind: name of the kind of entry, for messages: "distillation loss".
        package: dotted name of the package whose modules register entries.
        group: name of the entry points' group, without "tfctc."; None if other packages cannot add entries.

    Example:
        >>> LOSSES = Registry("distillation loss", package="tfctc.distill.losses", group="losses")
        >>> @LOSSES.register("logits")
        ... class LogitsLoss: ...
    """

    def __init__(self, kind: str, package: str | None = None, group: str | None = None):
        self.kind, self.package, self.group = kind, package, group
        self._entries: dict[str, T] = {}
        self._complete = package is None and group is None

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator that adds an entry.

        Raises:
            ValueError: the name is taken.
        """
        if name in self._entries:
            raise ValueError(f"{self.kind} {name!r} is registered twice")

        def add(entry: T) -> T:
            self._entries[name] = entry
            return entry

        return add

    def __getitem__(self, name: str) -> T:
        """The entry of this name.

        Raises:
            UnknownNameError: no entry has this name; the message lists the known names.
        """
        self._import_entries()
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError(f"unknown {self.kind} {name!r}", fix=f"choose one of: {', '.join(self)}") from None

    def __iter__(self) -> Iterator[str]:
        """Yields the names of all entries, sorted."""
        self._import_entries()
        return iter(sorted(self._entries))

    def _import_entries(self) -> None:
        if self._complete:
            return
        self._complete = True  # Not after the imports: a module may look up a name while it is imported.
        try:
            if self.package:
                package = importlib.import_module(self.package)
                for module in pkgutil.iter_modules(package.__path__):
                    importlib.import_module(f"{self.package}.{module.name}")
            if self.group:
                for entry_point in importlib.metadata.entry_points(group=f"tfctc.{self.group}"):
                    entry_point.load()
        except BaseException:
            self._complete = False
            raise
