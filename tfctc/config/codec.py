"""Conversion between settings (dataclasses) and plain values (dictionaries, JSON and TOML files)."""

import dataclasses
import json
import re
import tomllib
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tfctc.errors import ConfigError, TfctcError

T = TypeVar("T")
#: msgspec's name of a type -> plain words for error messages.
PLAIN_TYPES = {
    "object": "a table",
    "array": "a list",
    "null": "empty",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
}


def to_dict(value: Any) -> Any:
    """A dataclass as plain values: dictionaries, lists or tuples, numbers and text."""
    return msgspec.to_builtins(value)


def from_dict(kind: type[T], values: Any, where: str = "") -> T:
    """Builds a dataclass from plain values.

    A nested table may give some keys only. The other keys keep the default values of its field.

    Args:
        kind: the dataclass.
        values: dictionary of its fields.
        where: prefix of the keys in error messages, such as "augment.gain.".

    Raises:
        ConfigError: an unknown key (the known ones are listed), a missing one, or a value of another type or range.
    """
    return _converted(kind, _complete(kind, values, where), where)


def load(kind: type[T], path: str | Path) -> T:
    """Reads a dataclass from a file: TOML if the file name ends in .toml, else JSON.

    Args:
        kind: the dataclass.
        path: path of the file.

    Raises:
        ConfigError: no such file, a file that is not TOML or JSON, or as `from_dict`.
    """
    values = read(path)
    try:
        return from_dict(kind, values)
    except TfctcError as error:
        raise type(error)(error.problem, path=Path(path), fix=error.fix) from None


def read(path: str | Path) -> Any:
    """Values that stand in a file, not checked and without defaults; see `load`.

    Raises:
        ConfigError: no such file, or a file that is not TOML or JSON.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        return tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except FileNotFoundError:
        raise ConfigError("no such file", path=path, fix="check the path") from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        fix = "give a file in TOML if its name ends in .toml, in JSON otherwise"
        raise ConfigError(f"cannot be read ({error})", path=path, fix=fix) from None


def _complete(kind: Any, values: Any, where: str) -> Any:
    """Copy of `values` in which every nested table has all its keys, by default values; refuses unknown keys."""
    if tables := [part for part in (kind, *typing.get_args(kind)) if typing.get_origin(part) is Mapping]:
        return _complete_entries(typing.get_args(tables[0])[1], values, where)
    if not dataclasses.is_dataclass(kind):
        return values
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where.removesuffix('.') or 'the settings'} must be a table of keys, got {values!r}")
    fields, kinds = {field.name: field for field in dataclasses.fields(kind)}, typing.get_type_hints(kind)
    complete = dict(values)
    for key, value in values.items():
        if key not in fields:
            raise ConfigError(f"unknown key {where}{key}", fix=f"known keys: {', '.join(fields)}")
        default = fields[key].default
        if isinstance(value, Mapping) and dataclasses.is_dataclass(default):
            value = to_dict(default) | dict(value)
        complete[key] = _complete(kinds[key], value, f"{where}{key}.")
    return complete


def _complete_entries(kind: Any, values: Any, where: str) -> Any:
    """`_complete` for a table of free keys whose entries are all of `kind`; checks each under its own key."""
    if not isinstance(values, Mapping):
        return values
    complete = {}
    for key, value in values.items():
        if not isinstance(key, str):
            raise ConfigError(f"keys of {where.removesuffix('.')} must be text, got {key!r}")
        complete[key] = _complete(kind, value, f"{where}{key}.")
        _converted(kind, complete[key], f"{where}{key}.")  # msgspec's message for the whole table lacks the key.
    return complete


def _converted(kind: type[T], complete: Any, where: str) -> T:
    try:
        return msgspec.convert(complete, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(_message(str(error), kind, complete, where)) from None


def _message(text: str, kind: Any, values: Any, where: str) -> str:
    """msgspec's message in the form `key must be ..., got ...`; the received value is looked up and added."""
    problem, _, path = text.rpartition(" - at `$")
    if not problem:
        problem, path = text, ""
    keys = re.findall(r"\.?([^.\[\]`]+)", path)
    key = where + ".".join(keys) if keys else where.removesuffix(".") or "the settings"
    if missing := re.fullmatch(r"Object missing required field `(.*)`", problem):
        return f"missing key {key + '.' if keys else where}{missing[1]}"
    problem = re.sub(r", got `?\w+`?$", "", problem)
    received = _value_at(values, keys)
    if problem.startswith("Invalid enum value"):
        problem = f"must be one of {', '.join(_choices(kind, keys))}"
    else:
        problem = problem.replace("Expected ", "must be ").replace("`", "")
        for name, plain in PLAIN_TYPES.items():
            problem = re.sub(rf"\b{name}\b", plain, problem)
        problem = problem.replace(" | ", " or ")
    return f"{key} {problem}, got {received!r}"


def _value_at(values: Any, keys: list[str]) -> Any:
    for key in keys:
        if isinstance(values, Mapping) and key in values:
            values = values[key]
        elif isinstance(values, list | tuple) and key.isdigit():
            values = values[int(key)]
    return values


def _choices(kind: Any, keys: list[str]) -> list[str]:
    """The values that the Literal at `keys` allows."""
    for key in keys:
        if dataclasses.is_dataclass(kind):
            kind = typing.get_type_hints(kind)[key]
    while typing.get_origin(kind) is not typing.Literal:
        kind = next(part for part in typing.get_args(kind) if part not in (type(None), ...))
    return [str(choice) for choice in typing.get_args(kind)]
