"""Every public name is described in the documentation."""

import ast
import re

import pytest
from documentation import ROOT, inline_code, pages, text_of

#: Packages whose names users call or extend.
PUBLIC = (
    "tfctc",
    "tfctc.augment",
    "tfctc.config",
    "tfctc.data.simulate",
    "tfctc.distill.losses",
    "tfctc.models.backbones",
    "tfctc.recipes",
)


def public_names(package):
    """`__all__`, read without importing the package."""
    source = (ROOT / package.replace(".", "/") / "__init__.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return ast.literal_eval(node.value)
    raise AssertionError(f"{package} has no __all__")


@pytest.fixture(scope="module")
def described():
    """Names that have an entry (`::: tfctc.fit`), are listed in one (`members: [load]`), or stand in a sentence."""
    names = set()
    for page in pages():
        text = text_of(page)
        names |= {target.rpartition(".")[2] for target in re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)}
        names |= {
            name for line in re.findall(r"^ +members: \[(.*)\]$", text, re.MULTILINE) for name in line.split(", ")
        }
        names |= {code.rpartition(".")[2] for code in inline_code(page)}
    return names


@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_name_is_described(package, described):
    assert sorted(set(public_names(package)) - described) == []


def test_a_name_that_is_not_described_would_be_found(described):
    assert "fit" in described and "no_such_name" not in described
