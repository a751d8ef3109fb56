"""The page of an inspection: one file that asks for nothing else, in light and dark."""

import re

import numpy as np
import pytest
from pages import Elements

from tfctc.data.inspect import Finding, Gallery, Histograms, Intervals, Section, Shifts, Table
from tfctc.io.files import OutputError
from tfctc.report.page import Page, display_limits, render_page, write_page
from tfctc.report.plots import COLOURS, draw

EDGES = np.linspace(0, 1, 11)
PLOTS = (
    Histograms("levels", "pixel", EDGES, {"A": np.full(10, 0.1), "B & co": np.linspace(0, 0.2, 10)}),
    Histograms("dark levels", "pixel", EDGES**2, {"A": np.full(10, 0.1)}),
    Histograms("nothing", "pixel", EDGES, {"A": np.zeros(10)}),
    Intervals("areas", "AUROC", {"size": (0.8, 0.7, 0.9), "noise": (0.5, np.nan, np.nan)}, 0.5, 0.4),
    Shifts("shifts", np.random.default_rng(0).normal(0, 1, (50, 2)), {"A": (0.0, 3.0)}, 1.0),
    Shifts("many", np.zeros((5000, 2)), {f"p{i}": (0.0, 0.1 * i) for i in range(30)}, 1.0),
)


def read(position):
    """Made-up images; an odd cell has no DAPI."""
    images = {"brightfield": np.full((8, 8), 0.1 * position, np.float32)}
    return images if position % 2 else images | {"dapi": np.eye(8, dtype=np.float32)}


@pytest.fixture(scope="module")
def page():
    galleries = (
        Gallery("cells", [(0,), (1,)], ["<b>c0</b>", "c1"]),
        Gallery("pairs", [(2, 3)], ["c2 = c3"]),
    )
    tables = (Table("counts", ("site", "cells", "share"), [("A & B", 1234, 0.25)]),)
    sections = [
        Section("First", 1, "Text.", "", (*tables, *galleries, *PLOTS[:2])),
        Section("Second", 2, "Text.", "", (*PLOTS[2:], Gallery("again", [(0,)], ["c0"]))),
    ]
    findings = [
        Finding("Something is wrong", "Do this.", [f"cell{i}" for i in range(700)]),
        Finding("One site is wrong", "Do that.", groups=["<script>alert(1)</script>"]),
    ]
    return Page("Inspection of data", ["A note."], "2 things.", findings, sections, missing="no <labels>")


@pytest.fixture(scope="module")
def text(page):
    return render_page(page, read)


def test_the_page_parses_and_shows_everything(text):
    elements = Elements(text)
    for word in ("Inspection of data", "A note.", "2 things.", "Something is wrong", "1,234", "0.250", "c2 = c3"):
        assert word in elements.text
    assert "cell4 and 695 more" in elements.text and "all are in inspection.json" in elements.text
    assert [tag for tag, _ in elements.found].count("svg") == len(PLOTS)
    assert "no DAPI" in elements.text and "Training is not possible yet: no <labels>." in elements.text


def test_the_page_asks_for_no_other_file(text):
    assert "http:" not in text and "https:" not in text and "//" not in re.sub(r"base64,[\w+/=]+", "", text)
    for tag, attributes in Elements(text).found:
        assert tag not in ("script", "link", "iframe", "object", "use ")
        for name in ("src", "href", "xlink:href", "srcset", "data"):
            assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,")), (tag, attributes)
    assert re.findall(r"url\((?!#)", text) == [] and "@import" not in text


def test_ids_and_names_of_users_are_text(text):
    assert "<script" not in text and "&lt;b&gt;c0&lt;/b&gt;" in text


def test_every_id_is_unique_and_every_reference_leads_to_one(text):
    found = Elements(text).found
    ids = [attributes["id"] for _, attributes in found if "id" in attributes]
    assert len(ids) == len(set(ids))
    references = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text))
    assert {one or other for one, other in references} <= set(ids)


def test_light_and_dark_define_the_same_colours(text):
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    light, dark = (
        dict(re.findall(r"(--[\w-]+): ([^;]+);", block)) for block in style.split("@media (prefers-color", 1)
    )
    assert light.keys() == dark.keys() and light["--paper"] != dark["--paper"]
    used = set(re.findall(r"var\((--[\w-]+)\)", text))
    assert used <= light.keys()


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.title)
def test_a_plot_has_the_colours_of_the_page_and_is_the_same_each_time(plot):
    found = draw(plot, "a")
    assert found == draw(plot, "a") and found.startswith('<svg role="img"')
    assert not any(colour in found for colour in COLOURS) and "var(--" in found
    assert "Date" not in found and "Matplotlib" not in found


def test_all_pictures_have_the_same_contrast(text):
    limits = display_limits([read(0), read(1), read(4)])
    pixels = np.repeat(np.float32([0, 0.1, 0.4]), 64)
    np.testing.assert_allclose(limits["brightfield"], np.percentile(pixels, (0.1, 99.9)), atol=1e-6)
    assert text.count("Every picture of this page has the same contrast") == 1


def test_a_page_that_cannot_be_written_leaves_nothing(page, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_page(tmp_path / "file" / "page.html", page, read)
    write_page(tmp_path / "new" / "page.html", page, read)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["page.html"]
