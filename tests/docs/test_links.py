"""Every link, picture and path in the documentation exists."""

import re

import pytest
from documentation import ROOT, inline_code, pages, without_blocks

PAGES = [*pages(), *sorted(ROOT.glob("*.md")), ROOT / "exports" / "README.md"]
#: Pages that are made when the site is built: from a notebook of the same name.
NOTEBOOKS = {path.with_suffix(".md"): path for path in (ROOT / "docs" / "notebook").glob("*.ipynb")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_to_a_file(page):
    links = re.findall(r"\]\(([^)\s]+)\)", without_blocks(page))
    files = [link.partition("#")[0] for link in links if "://" not in link and not link.startswith("#")]
    found = {name: (page.parent / name).resolve() for name in files}
    assert [name for name, path in found.items() if not NOTEBOOKS.get(path, path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_path_into_the_repository_exists(page):
    if page.name == "CHANGELOG.md":
        pytest.skip("a changelog names files as they were")
    new = {
        "tfctc/distill/losses/agreement.py",
        "tests/distill/test_agreement.py",
        "tfctc/data/importers/presets/gallery.toml",
        "tests/data/importers/test_gallery.py",
    }
    paths = [code for code in inline_code(page) if re.fullmatch(r"(tools|tests|tfctc|docs)/[\w./*-]*", code)]
    assert [path for path in set(paths) - new if not list(ROOT.glob(path))] == []
