"""The registry, on packages written for the test."""

import importlib.metadata
import sys
from types import SimpleNamespace

import pytest

from tfctc.errors import UnknownNameError
from tfctc.registry import Registry

FRUITS = "from tfctc.registry import Registry\nFRUITS = Registry('fruit', package='orchard', group='fruits')\n"
REGISTERS = "from orchard import FRUITS\nFRUITS.register({name!r})({name!r}.upper())\n"


@pytest.fixture
def orchard(tmp_path, monkeypatch):
    """Writes a package `orchard`, whose modules register fruits in `orchard.FRUITS`, and returns that registry."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: [])
    folder = tmp_path / "orchard"
    folder.mkdir()
    (folder / "__init__.py").write_text(FRUITS)

    def write(**modules):
        for name, code in modules.items():
            (folder / f"{name}.py").write_text(code)
        importlib.invalidate_caches()
        return importlib.import_module("orchard").FRUITS

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "orchard"]:
        del sys.modules[name]


def imported():
    return sorted(name for name in sys.modules if name.startswith("orchard."))


def test_an_unknown_name_lists_the_known():
    registry = Registry("fruit")
    registry.register("pear")(1)
    registry.register("apple")(2)
    assert registry["pear"] == 1 and list(registry) == ["apple", "pear"] and "plum" not in registry
    with pytest.raises(UnknownNameError, match="unknown fruit 'plum'; choose one of: apple, pear"):
        registry["plum"]
    with pytest.raises(ValueError, match="fruit 'pear' is registered twice"):
        registry.register("pear")


@pytest.mark.parametrize("question", [list, lambda fruits: fruits["pear"], lambda fruits: "pear" in fruits])
def test_every_module_of_the_package_is_imported_at_the_first_question(orchard, question):
    fruits = orchard(pear=REGISTERS.format(name="pear"), apple=REGISTERS.format(name="apple"), helper="")
    assert imported() == []
    question(fruits)
    assert imported() == ["orchard.apple", "orchard.helper", "orchard.pear"]
    assert {name: fruits[name] for name in fruits} == {"apple": "APPLE", "pear": "PEAR"}


def test_an_entry_point_of_another_package_registers_too(orchard, monkeypatch):
    fruits = orchard(pear=REGISTERS.format(name="pear"))
    asked = []

    def entry_points(*, group):
        asked.append(group)
        return [SimpleNamespace(load=lambda: fruits.register("plum")("PLUM"))]

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    assert list(fruits) == ["pear", "plum"] and fruits["plum"] == "PLUM"
    assert asked == ["tfctc.fruits"]


def test_a_registry_of_one_package_asks_for_no_entry_points(orchard, monkeypatch):
    orchard(pear="")
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: pytest.fail("asked"))
    assert list(Registry("fruit", package="orchard")) == []


@pytest.mark.parametrize("failure", ["import a_library_that_is_not_there", "raise KeyboardInterrupt", "1 / 0"])
def test_a_module_that_fails_is_told_at_every_question_until_it_is_mended(orchard, failure):
    """Never are the modules before it taken for all there is."""
    fruits = orchard(apple=REGISTERS.format(name="apple"), broken=failure, pear=REGISTERS.format(name="pear"))
    for question in (list, lambda fruits: fruits["apple"], lambda fruits: fruits["plum"]):
        with pytest.raises((ModuleNotFoundError, KeyboardInterrupt, ZeroDivisionError)):
            question(fruits)
    orchard(broken="# A comment, so that the file has another size than before.\n" * 3)
    assert list(fruits) == ["apple", "pear"]


def test_a_failing_entry_point_is_told_too(orchard, monkeypatch):
    fruits = orchard(pear=REGISTERS.format(name="pear"))
    points = [SimpleNamespace(load=lambda: importlib.import_module("a_library_that_is_not_there"))]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: points)
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="a_library_that_is_not_there"):
            fruits["pear"]
    points.clear()
    assert list(fruits) == ["pear"]


def test_a_module_may_ask_the_registry_while_it_is_imported(orchard):
    ask = REGISTERS.format(name="pear") + "KNOWN = list(FRUITS)\n"
    fruits = orchard(apple=REGISTERS.format(name="apple"), pear=ask)
    assert list(fruits) == ["apple", "pear"] and sys.modules["orchard.pear"].KNOWN == ["apple", "pear"]
