"""Every setting is documented, and every setting that the documentation names exists."""

import dataclasses
import inspect
import json
import re
import tomllib
import typing

import pytest
from documentation import DOCS, ROOT, blocks, inline_code, pages, text_of

from tfctc.cells import DatasetFacts
from tfctc.comparison.plan import Plan
from tfctc.config import RunConfig, from_dict
from tfctc.recipes import resolve


def tables(kind=RunConfig, key=""):
    """Key of every table of settings, "" for the top level, and its dataclass."""
    yield key, kind
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if dataclasses.is_dataclass(hints[field.name]):
            yield from tables(hints[field.name], f"{key}.{field.name}".strip("."))


TABLES = dict(tables())
KEYS = {f"{key}.{field.name}".strip(".") for key, kind in TABLES.items() for field in dataclasses.fields(kind)}


def described_arguments(kind):
    """Names in the Args of a docstring."""
    section = re.search(r"^Args:\n((?:    .*\n?|\n)+)", inspect.getdoc(kind), re.MULTILINE)[1]
    names = re.findall(r"^    (\w+(?:, \w+)*): \S", section, re.MULTILINE)
    return {name for line in names for name in line.split(", ")}


@pytest.mark.parametrize("kind", {kind.__name__: kind for kind in TABLES.values()}.values(), ids=lambda k: k.__name__)
def test_every_key_is_described_in_its_docstring_and_so_on_the_settings_page(kind):
    subtables = {key.rpartition(".")[2] for key in TABLES}
    keys = {field.name for field in dataclasses.fields(kind)} - subtables
    assert keys - described_arguments(kind) == set()
    assert re.search(rf"^::: tfctc\.config\.{kind.__name__}$", text_of(DOCS / "settings.md"), re.MULTILINE)


def test_every_table_has_a_heading_on_the_settings_page():
    headings = " ".join(re.findall(r"^### (.+)$", text_of(DOCS / "settings.md"), re.MULTILINE))
    assert all(f"[{key}]" in headings for key in TABLES if key)


def toml_blocks():
    return [(page.relative_to(DOCS).as_posix(), code) for page in pages() for code in blocks(page, "toml")]


@pytest.mark.parametrize(("page", "code"), toml_blocks(), ids=lambda text: text[:40] if "\n" not in text else "")
def test_every_toml_example_can_be_used(page, code, tmp_path):
    values = tomllib.loads(code)
    if "arms" in values:
        path = tmp_path / "plan.toml"
        path.write_text(code, encoding="utf-8")
        Plan.load(path)
    elif "project" in values:
        (group,) = values["project"]["entry-points"]
        assert group == "tfctc.losses"
    else:
        resolve(from_dict(RunConfig, values))


def test_the_example_of_dataset_json_can_be_used():
    (code,) = blocks(DOCS / "data.md", "json")
    from_dict(DatasetFacts, json.loads(code))
    described = {line.split("`")[1] for line in text_of(DOCS / "data.md").splitlines() if line.startswith("| `")}
    assert {field.name for field in dataclasses.fields(DatasetFacts)} <= described


@pytest.mark.parametrize("page", [*pages(), ROOT / "README.md"], ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_dotted_key_in_a_sentence_exists(page):
    tables_of_keys = "|".join(key for key in TABLES if key)
    named = [re.match(rf"({tables_of_keys})\.(?!json|keras)\w+", code) for code in inline_code(page)]
    assert {match[0] for match in named if match} - KEYS == set()
