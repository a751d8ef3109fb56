"""The page of a run: its numbers are those of evaluation.json, in the file and in a browser."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from made_up import edit_manifest
from pages import Elements, browser, opened

from tfctc.api.evaluating import evaluate_run
from tfctc.api.reporting import write_report
from tfctc.errors import RunError
from tfctc.evaluation.evaluate import evaluate
from tfctc.evaluation.operating_points import choose_operating_point
from tfctc.evaluation.predictions import Predictions
from tfctc.report.kept_studies import kept_studies, studies_key
from tfctc.report.page import Page, render_page
from tfctc.report.run_page import gather, shown_cells, write_run_page
from tfctc.report.sections import SECTIONS
from tfctc.runs.folder import RunFolder
from tfctc.runs.predictions import write_predictions

HOSTILE = "<script>alert('$x_1$')</script>&\"'"


def copied(journey, folder):
    """A copy of the journey's evaluated run and of its data."""
    shutil.copytree(journey.run, folder / "run", ignore=shutil.ignore_patterns("logs"))
    shutil.copytree(journey.data, folder / "data", ignore=shutil.ignore_patterns("tfrecords"))
    config = json.loads((folder / "run" / "config.json").read_text())
    (folder / "run" / "config.json").write_text(json.dumps(config | {"data": str(folder / "data")}))
    return folder / "run"


@pytest.fixture(scope="module")
def page(journey, tmp_path_factory):
    """The page of the journey's run, with saliency and robustness."""
    return write_report(copied(journey, tmp_path_factory.mktemp("report")), cells=8)


@pytest.fixture(scope="module")
def text(page):
    return page.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def material(page):
    """Material of the sections of a page without studies."""
    return gather(RunFolder.open(page.parent), None, None, False, 8, 0)


def shown(value):
    return "n/a" if value is None else f"{value:.3f}"


def check_numbers(text, folder):
    """Compares the tables of a page with the files of its run."""
    tables, found = Elements(text).tables, json.loads((folder / "evaluation.json").read_text())
    rows = {row[0].replace(" ", "_"): row[1:] for row in tables["metrics of the student"][1:]}
    assert rows.keys() == found["metrics"].keys()
    for name, metric in found["metrics"].items():
        assert rows[name] == [*(shown(metric[key]) for key in ("value", "low", "high")), metric["reason"]], name
    matrix = [
        [int(re.match(r"\d+", cell)[0]) for cell in row[1:3]] for row in tables["confusion: true class by call"][1:]
    ]
    assert matrix == found["confusion"]
    patients = {row[0]: row for row in tables["by patient"][1:]}
    assert len(patients) == len(found["by_patient"])
    for one in found["by_patient"]:
        row, (tn, fp), (fn, tp) = patients[one["name"]], *one["confusion"]
        assert row[2:5] == [f"{n:,}" for n in (tn + fp + fn + tp, fn + tp, fp + tp)]
        assert row[5:7] == [shown(one[name] and one[name][0]) for name in ("recall", "specificity")]
    values = json.loads((folder / "report.json").read_text())["sections"]
    calibration = {row[0].replace(" ", "_"): row[1:5] for row in tables["metrics of calibration"][1:]}
    assert calibration.keys() == found["calibration"].keys()
    for name, metric in found["calibration"].items():
        assert calibration[name] == [*(shown(metric[key]) for key in ("value", "low", "high")), metric["reason"]], name
    predictive = {row[0]: row[1:] for row in tables.get("predictive values by prevalence", [[]])[1:]}
    assert predictive.keys() == found["predictive_values"].keys()
    for prevalence, one in found["predictive_values"].items():
        numbers = [f"{value:.2g}" for value in one["ppv"]] + [f"{value:.6f}" for value in one["npv"]]
        assert predictive[prevalence] == numbers
    return tables, values


def test_the_numbers_in_the_file_are_those_of_the_run(text, page):
    tables, values = check_numbers(text, page.parent)
    robust = tables["all strengths"][1:]
    assert [row[1] for row in robust] == [shown(one["metrics"]["auroc"]) for one in values["Robustness"]["points"]]
    for row in tables["saliency"][1:]:
        assert row[2] == shown(values["Does it look at the nucleus?"][row[0]]["area"])
    assert [row[0] for row in tables["saliency"][1:]] == [
        "student, brightfield", "teacher, brightfield", "teacher, dapi",
    ]  # fmt: skip


@pytest.mark.skipif(browser() is None, reason="no Chromium on this machine")
def test_the_numbers_in_a_browser_are_the_same_without_error_or_request(page, tmp_path):
    dom, console = opened(page, tmp_path / "profile")
    check_numbers(dom, page.parent)
    # The page's policy allows no request at all; one would be an error in the console.
    assert console == []


@pytest.mark.skipif(browser() is None, reason="no Chromium on this machine")
def test_a_request_would_be_seen(page, tmp_path):
    changed = page.read_text(encoding="utf-8").replace("<h1>", '<img src="other.png" alt=""><h1>')
    (tmp_path / "page.html").write_text(changed, encoding="utf-8")
    assert any("Content Security Policy" in line for line in opened(tmp_path / "page.html", tmp_path / "profile")[1])


def test_the_page_has_every_section_and_asks_for_nothing(text):
    elements = Elements(text)
    for title in ("Metrics", "Cohort", "Learning curves", "ROC and precision-recall", "Calibration"):
        assert title in elements.text
    assert "The worst of these changes is" in elements.text and "No clinical claim" in elements.text
    assert "http:" not in text and "https:" not in text and re.findall(r"url\((?!#)", text) == []
    images = [attributes for tag, attributes in elements.found if tag == "img"]
    assert images and all(one["loading"] == "lazy" and one["src"].startswith("data:image/png") for one in images)
    assert {one["alt"] for one in images} == {"bright-field", "DAPI", "saliency"}
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_cohort_is_that_of_the_manifest(text, page):
    rows = {row[0]: row[1:] for row in Elements(text).tables["by split"][1:]}
    groups = json.loads((page.parent / "splits.json").read_text())["groups"]
    for split in ("train", "validation", "test"):
        patients = sum(1 for name in groups.values() if name == split)
        assert rows[split] == [str(4 * patients), str(patients), str(2 * patients), str(2 * patients), "0"] + [
            str(4 * patients)
        ]


def test_the_same_command_writes_the_same_page(page, text):
    write_report(page.parent, cells=8)
    assert page.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", list(SECTIONS))
def test_every_section_is_left_out_or_has_a_heading_a_sentence_and_a_place(name, material):
    found = SECTIONS[name]().section(material)
    if found is not None:
        assert found.title and found.text.endswith(".") and found.place > 0
        places = [one.place for other in SECTIONS if (one := SECTIONS[other]().section(material))]
        assert len(places) == len(set(places))


def test_without_an_evaluation_the_error_names_the_command(brightfield_run, tmp_path):
    shutil.copytree(brightfield_run.folder, tmp_path / "run")
    with pytest.raises(RunError, match=r"first: tfctc evaluate .*run"):
        write_report(tmp_path / "run")


def test_a_damaged_evaluation_is_named(journey, tmp_path):
    run = copied(journey, tmp_path)
    (run / "evaluation.json").write_text('{"metrics": {"f1": 3}}')
    with pytest.raises(RunError, match="evaluation.json: is no evaluation"):
        write_run_page(RunFolder.open(run), studies=False)


def rewritten(run, change):
    """Replaces the run's evaluation by one of changed predictions, and returns the page without studies."""
    opened_run = RunFolder.open(run)
    facts, rng = opened_run.facts, np.random.default_rng(0)
    from tfctc.data.manifest import Manifest

    manifest = Manifest.open(opened_run.config.data)
    cells = [cell for cell in manifest.index if opened_run.splits.of(cell) == "test"]
    columns = [np.array([getattr(cell, name) for cell in cells]) for name in ("cell_id", "patient_id", "site")]
    labels = np.array([facts.class_index(cell.label) for cell in cells])
    chosen = change(Predictions(columns[0], columns[1], labels, rng.random(len(cells)), columns[2]))
    found = evaluate(chosen, 0.5, rule="f1", validation_cells=9, channels=("brightfield",), classes=facts.classes)
    (run / "evaluation.json").write_text(json.dumps(found.to_dict()))
    write_predictions(run / "predictions.csv", chosen, manifest, 0.5)
    return write_run_page(opened_run, studies=False).read_text(encoding="utf-8")


def test_test_cells_of_one_class_or_one_patient_have_a_page(journey, tmp_path):
    run = copied(journey, tmp_path)
    text = rewritten(run, lambda test: test.of(test.label == 1))
    assert "Undefined: the test cells are of one class" in text
    check_numbers(text, run)
    text = rewritten(run, lambda test: test.of(test.patient_id == test.patient_id[0]))
    assert "No band: fewer than two patients hold such cells" in text
    check_numbers(text, run)


def test_hostile_names_are_text(journey, tmp_path):
    run = copied(journey, tmp_path)
    first = next(name for name, split in RunFolder.open(run).splits.assignment.items() if split == "test")
    splits = json.loads((run / "splits.json").read_text())
    splits["groups"][HOSTILE] = splits["groups"].pop(first)
    (run / "splits.json").write_text(json.dumps(splits))

    def change(rows):
        for row in rows:
            if row["patient_id"] == first:
                row.update(patient_id=HOSTILE, site=HOSTILE, cell_id=HOSTILE + row["cell_id"])

    edit_manifest(tmp_path / "data", change)
    text = rewritten(run, lambda test: test)
    assert "<script" not in text and "&lt;script&gt;" in text
    check_numbers(text, run)


def test_without_dapi_without_teacher_or_without_data_there_is_a_page(journey, tmp_path):
    run = copied(journey, tmp_path)
    edit_manifest(tmp_path / "data", lambda rows: [row.update(dapi="") for row in rows])
    for path in run.glob("teacher*"):
        path.unlink()
    text = write_report(run, cells=4).read_text(encoding="utf-8")
    found = Elements(text)
    assert {one["alt"] for tag, one in found.found if tag == "img"} == {"bright-field", "saliency"}
    assert "saliency" not in found.tables and "all strengths" in found.tables
    shutil.rmtree(tmp_path / "data")
    text = write_report(run, cells=4).read_text(encoding="utf-8")
    assert "The data set is no longer at" in text and "<img" not in text
    check_numbers(text, run)


def test_the_worst_errors_are_the_most_certain_ones():
    labels, probability = np.array([0, 0, 0, 1, 1, 1]), np.array([0.9, 0.6, 0.1, 0.2, 0.4, 0.8])
    names = np.arange(6).astype(str)
    found = shown_cells(Predictions(names, names, labels, probability), 0.5, ("no", "yes"), seed=0, count=1)
    assert list(found.items())[:2] == [
        ("no cells called yes: the 1 highest of 2", [0]),
        ("yes cells called no: the 1 lowest of 2", [3]),
    ]
    assert len(found["random test cells"]) == 1


def tables_of(section):
    """Tables of one section as a page shows them."""
    page = Page("page", [], "", (), [section])
    return Elements(render_page(page, lambda position: {})).tables


@pytest.mark.parametrize("rule", ["specificity=0.9", "sensitivity=0.8", "false-calls=3/patient"])
def test_the_operating_point_shows_promise_and_what_was_reached(rule, material):
    rng = np.random.default_rng(1)
    labels, patients = rng.integers(0, 2, 400), (np.arange(400) % 20).astype(str)
    probability = np.clip(0.35 + 0.3 * labels + rng.normal(0, 0.12, 400), 0.001, 0.999)
    cells = Predictions(np.arange(400).astype(str), patients, labels, probability)
    point = choose_operating_point(cells, rule, 0.75)
    found = evaluate(
        cells, point.threshold, rule=rule, validation_cells=400, promise=point.to_dict(), classes=("no", "<b>yes</b>")
    )
    section = SECTIONS["operating_point"]().section(replace(material, evaluation=found))
    called = probability >= point.threshold
    reached = {
        "specificity": np.mean(~called[labels == 0]),
        "sensitivity": np.mean(called[labels == 1]),
        "false-calls": called[labels == 0].sum() / 20,
    }[rule.partition("=")[0]]
    row = tables_of(section)["promised and reached"][1]
    low, high = (found.reached.low, found.reached.high)
    assert row[1:7] == [f"{point.promised:.3f}", "75%", shown(point.reached), shown(reached), shown(low), shown(high)]
    assert "holds with a chance of 75%" in section.text and rule in section.text
    predictive = tables_of(section)["predictive values by prevalence"]
    recall, specificity = (found.metrics[name].value for name in ("recall", "specificity"))
    for row, rarity in zip(predictive[1:], (10, 100, 1000, 10_000, 100_000), strict=True):
        assert row[0] == f"1:{rarity:,}"
        assert row[1] == f"{recall / (recall + (1 - specificity) * rarity):.2g}"
        assert row[4] == f"{specificity * rarity / (specificity * rarity + 1 - recall):.6f}"
    assert predictive[0][0] == "<b>yes</b> to no"


def test_studies_are_shown_again_as_long_as_they_fit(page, text, tmp_path):
    """`tfctc evaluate` after `tfctc report` writes the same page, and none with studies at another threshold."""
    run = shutil.copytree(page.parent, tmp_path / "run")
    (run / "report.html").unlink()
    before = (run / "report.json").read_text()
    result = evaluate_run(run)
    result.save()
    assert (run / "report.html").read_text(encoding="utf-8").replace(str(run), str(page.parent)) == text
    assert (run / "report.json").read_text() == before
    evaluate_run(run, operating_point=0.99 * result.evaluation.threshold).save()
    changed = (run / "report.html").read_text(encoding="utf-8")
    assert "Saliency and robustness were not measured" in changed and "The worst of these changes" not in changed
    assert "Robustness" not in (run / "report.json").read_text()


def test_the_key_of_studies_changes_with_everything_that_they_rest_on(page, material, tmp_path):
    run = RunFolder.open(shutil.copytree(page.parent, tmp_path / "run"))
    manifest, test, threshold = material.manifest, material.predictions, material.evaluation.threshold
    key = studies_key(run, manifest, test, threshold)
    assert key == studies_key(RunFolder.open(page.parent), manifest, test, threshold)
    studies, seed = kept_studies(run.folder / "studies.npz", key)
    assert (studies.cells, seed) == (8, 0) and len(studies.maps) == len(material.positions)
    relabelled = replace(test, label=1 - test.label)
    moved = replace(test, probability=np.nextafter(test.probability, np.float32(0)))
    others = [
        studies_key(run, manifest, relabelled, threshold),
        studies_key(run, manifest, moved, threshold),
        studies_key(run, manifest, test.of(np.arange(len(test) - 1)), threshold),
        studies_key(run, manifest, test, np.nextafter(threshold, 0)),
    ]
    for name in ("student.keras", "teacher.keras", "calibration.json"):
        before = (run.folder / name).read_bytes()
        (run.folder / name).write_bytes(before + b" ")
        others.append(studies_key(run, manifest, test, threshold))
        (run.folder / name).write_bytes(before)
    assert len({key, *others}) == 1 + len(others)
    assert all(kept_studies(run.folder / "studies.npz", other) is None for other in others)
    (run.folder / "studies.npz").write_bytes((run.folder / "studies.npz").read_bytes()[:-100])
    assert kept_studies(run.folder / "studies.npz", key) is None
