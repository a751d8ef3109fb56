"""Decisions that are made in one place. The floors of the house are checked by import-linter: see setup.cfg."""

import ast
from pathlib import Path

import pytest

from tfctc.recipes import RECIPES

PACKAGE = Path(__file__).parents[1] / "tfctc"
FILES = sorted(PACKAGE.rglob("*.py"))


def names(node: ast.AST) -> set[str]:
    """Every string in an expression."""
    return {part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_only_recipes_ask_for_a_mode(path):
    """A comparison with a mode's name, or a match on one, elsewhere."""
    if path.is_relative_to(PACKAGE / "recipes"):
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Compare | ast.match_case):
            assert not names(node if isinstance(node, ast.Compare) else node.pattern) & set(RECIPES), f"{path}:{node}"


def called(path: Path) -> set[str]:
    """Names of the functions and methods that a module calls."""
    calls = (node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return {getattr(function, "id", getattr(function, "attr", "")) for function in calls}


def test_only_recipes_build_distillation_losses():
    assert {path.parent.name for path in FILES if "build_losses" in called(path)} == {"recipes"}
