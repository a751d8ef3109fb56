"""Changes of single settings: `--set KEY=VALUE` and the keyword arguments of the Python API."""

import json
from collections.abc import Mapping
from typing import Any

from tfctc.errors import ConfigError


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Two nested tables merged into a new one; a value of `changes` replaces the value of `base`."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


def with_changes(values: Any, changes: Mapping[str, Any], where: str = "") -> Any:
    """Copy of nested plain values with some keys set: {"training.epochs": 5} -> {"training": {"epochs": 5}}.

    Args:
        values: nested dictionaries.
        changes: dotted key -> new value.
        where: prefix of the keys in error messages.

    Raises:
        ConfigError: a key below a value that is not a table.
    """
    if not isinstance(values, Mapping):
        if where:
            name = where.removesuffix(".")
            problem = f"{name} is {values!r}, not a table: {where}{next(iter(changes))} cannot be set"
            raise ConfigError(problem, fix=f"set {name} itself")
        return values
    values = dict(values)
    for dotted, value in changes.items():
        head, _, tail = dotted.partition(".")
        below = {} if values.get(head) is None else values[head]
        values[head] = with_changes(below, {tail: value}, f"{where}{head}.") if tail else value
    return values


def parse_assignment(text: str) -> tuple[str, Any]:
    """Key and value of ``key=value`` from a command line. The value is parsed as JSON; if that fails, it is text.

    Raises:
        ConfigError: no key or no equals sign.
    """
    key, sign, value = text.partition("=")
    if not (key and sign):
        raise ConfigError(f"expected key=value, got {text!r}", fix="for example training.epochs=20")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
