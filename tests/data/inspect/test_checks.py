"""Rules for every registered check; counts, intensities and the choice of cells."""

from collections import Counter

import numpy as np
import pytest
from discs import disc

from tfctc.data.inspect import CHECKS, Section
from tfctc.data.inspect.contact_sheet import varied
from tfctc.data.inspect.counts import Counts
from tfctc.data.inspect.images import CellImages
from tfctc.data.inspect.intensities import EDGES, Intensities
from tfctc.data.inspect.section import Finding
from tfctc.data.inspect.survey import choose_cells

PAIRS = [(disc(seed=i), disc(seed=i + 50, radius=3, level=0.03)) for i in range(12)]
LABELS = ["leukocyte", "ctc"] * 6
#: Data sets at the edge: images, and other arguments of the fixture `survey`.
EDGES_OF_DATA = {
    "both channels": (PAIRS, {"labels": LABELS, "sites": ["A", "B", "B"] * 4}),
    "no DAPI": ([(image, None) for image, _ in PAIRS], {"labels": LABELS}),
    "some DAPI": ([(image, dapi if i % 2 else None) for i, (image, dapi) in enumerate(PAIRS)], {"labels": LABELS}),
    "no label": (PAIRS, {}),
    "one class": (PAIRS, {"labels": ["ctc"] * 12}),
    "one patient": (PAIRS, {"labels": LABELS, "patients": ["p"] * 12}),
    "one cell": (PAIRS[:1], {}),
    "constant images": ([(np.full((32, 32), 0.3), np.zeros((32, 32)))] * 12, {"labels": LABELS}),
    "tiny images": ([(image[:8, :8], dapi[:8, :8]) for image, dapi in PAIRS], {"labels": LABELS}),
}


@pytest.mark.parametrize("name", list(CHECKS))
@pytest.mark.parametrize("kind", list(EDGES_OF_DATA))
def test_every_check_has_a_section_for_every_data_set(name, kind, survey):
    pixels, options = EDGES_OF_DATA[kind]
    section = CHECKS[name]().section(survey(pixels, **options))
    assert isinstance(section, Section) and section.title and section.text.endswith(".")
    assert all(finding.problem and finding.advice.endswith(".") for finding in section.findings)


def test_every_check_has_a_place_and_numbers_of_its_own(survey):
    seen = survey(PAIRS, LABELS)
    places = [CHECKS[name]().section(seen).place for name in CHECKS]
    brightfield, dapi = np.clip(np.float32(PAIRS[0]), 0, 1)
    cell = CellImages({"brightfield": brightfield, "dapi": dapi})
    names = [one for name in CHECKS for one in CHECKS[name]().measure(cell)]
    assert len(set(places)) == len(places) and len(set(names)) == len(names)
    assert set(seen.values) == set(names) and {len(values) for values in seen.values.values()} == {12}


def test_counts_are_those_of_the_manifest(survey):
    labels = ["ctc"] * 4 + ["leukocyte"] * 3 + [""] * 5
    sites = ["A"] * 7 + ["B"] * 5
    pixels = [(image, dapi if i < 9 else None) for i, (image, dapi) in enumerate(PAIRS)]
    values = Counts().section(survey(pixels, labels, sites=sites)).values
    assert values["cells"] == {"leukocyte": 3, "ctc": 4, "unlabelled": 5}
    assert values["with_dapi"] == {"leukocyte": 3, "ctc": 4, "unlabelled": 2}
    assert values["sites"]["B"] == {"leukocyte": 0, "ctc": 0, "unlabelled": 5, "with DAPI": 2}
    by_patient = Counter((f"p{i % 4}", label) for i, label in enumerate(labels))
    assert {(p, n): c for p, row in values["patients"].items() for n, c in row.items() if n == "ctc"} == {
        (f"p{i}", "ctc"): by_patient[f"p{i}", "ctc"] for i in range(4)
    }
    assert values["patients_with_few_labels"] == ["p0", "p1", "p2", "p3"] and values["patients_with_one_class"] == [
        "p3"
    ]


def test_dapi_of_one_class_is_a_finding(survey):
    pixels = [(image, dapi if label == "ctc" else None) for (image, dapi), label in zip(PAIRS, LABELS, strict=True)]
    (found,) = Counts().section(survey(pixels, LABELS)).findings
    assert found.problem == "0% of the leukocyte cells have DAPI, and 100% of the ctc cells"


def test_histograms_are_those_of_numpy(survey):
    seen = survey(PAIRS)
    pixels = np.rint(4095 * np.concatenate([image.ravel() for image, _ in PAIRS])) / 4095
    expected = np.histogram(pixels, EDGES)[0] / pixels.size
    found = seen.values["brightfield_histogram"].sum(axis=0, dtype=float)
    np.testing.assert_allclose(found / found.sum(), expected, atol=0.002)


def test_a_declared_bit_depth_that_is_too_high_is_a_finding(survey):
    dark = [(image / 16, dapi) for image, dapi in PAIRS]
    (found,) = Intensities().section(survey(dark, sites=["A"] * 6 + ["B"] * 6)).findings
    assert found.groups == ["A", "B"] and "--bit-depth 12" in found.advice
    assert not Intensities().section(survey(PAIRS)).findings


def test_a_sample_is_random_without_replacement_and_seeded():
    np.testing.assert_array_equal(choose_cells(5, 10, 0), np.arange(5))
    found = choose_cells(1000, 50, 1)
    assert len(set(found.tolist())) == 50 and (np.diff(found) > 0).all()
    np.testing.assert_array_equal(found, choose_cells(1000, 50, 1))
    assert set(found) != set(choose_cells(1000, 50, 2))


def test_shown_cells_are_of_many_sites_and_patients():
    sites = np.array(["A"] * 90 + ["B"] * 10)
    patients = np.array([f"p{i % 9}" for i in range(90)] + [f"q{i % 5}" for i in range(10)])
    rows = varied(np.arange(100), sites, patients, 10, np.random.default_rng(0))
    assert Counter(sites[rows]) == {"A": 5, "B": 5} and len(set(patients[rows])) == 10


def test_a_finding_names_cells():
    assert str(Finding("One is bad.", "Do this.", ["a"])) == "One is bad (a). Do this."
