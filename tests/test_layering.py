"""Imports point down only, and the instrument's side never meets TensorFlow."""

import ast
from pathlib import Path
from pkgutil import resolve_name

import pytest

PACKAGE, TOOLS = Path(__file__).parents[1] / "tfctc", Path(__file__).parents[1] / "tools"
GROUND = (
    "errors",
    "registry",
    "cells",
    "config",
    "files",
    "images",
    "workers",
    "artefact",
    "runtime",
    "quality",
    "_version",
)
FLOORS = [
    GROUND,
    ("augment",),
    ("data", "models"),
    ("evaluation", "export", "inference", "distill"),
    ("training",),
    ("comparison",),
    ("cli",),
]
FLOOR = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
HEAVY = {"tensorflow", "keras", "tensorflow_datasets", "sklearn", "scipy", "matplotlib"}


def imports(path: Path) -> set[str]:
    """Every module named in an import statement, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = [p for p in sorted(PACKAGE.rglob("*.py")) if room(p) not in ("__init__", "__main__")]


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    here = room(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "tfctc" or len(parts) < 2 or parts[1] not in FLOOR:
            continue
        there = parts[1]
        if here in GROUND and there in GROUND:
            continue
        assert there == here or FLOOR[there] < FLOOR[here], f"{here} may not import {name}"


def test_every_room_has_a_floor():
    assert {room(path) for path in FILES} <= set(FLOOR)


@pytest.mark.parametrize("here,there", [("export", "data"), ("export", "distill"), ("inference", "export")])
def test_rooms_that_never_meet(here, there):
    for path in (PACKAGE / here).rglob("*.py"):
        assert not any(name.startswith(f"tfctc.{there}") for name in imports(path)), path


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in (*GROUND, "inference")], ids=lambda p: p.stem)
def test_the_instrument_side_names_no_heavy_library(path):
    assert not {name.split(".")[0] for name in imports(path)} & HEAVY


@pytest.mark.parametrize("path", sorted(TOOLS.glob("*.py")), ids=lambda p: p.stem)
def test_what_a_tool_imports_is_there(path):
    """Some are run by hand alone, and import late."""
    for name in imports(path):
        if name.startswith("tfctc."):
            resolve_name(name)
