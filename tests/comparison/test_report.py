"""Summary and report of untrained runs, whose metrics are known."""

import json
from dataclasses import replace

import pytest
from PIL import Image

from tfctc.cells import DatasetFacts
from tfctc.comparison import report
from tfctc.comparison.plan import Arm
from tfctc.comparison.report import write_report
from tfctc.comparison.results import Job
from tfctc.comparison.scheduler import run_jobs
from tfctc.comparison.statistics import interval
from tfctc.comparison.summary import summarise


@pytest.fixture
def finished(grid, pool, untrained):
    run_jobs(grid, pool, 1)
    return grid


def entry(entries, arm, budget):
    return next(e for e in entries if (e["arm"], e["budget"]) == (arm, budget))


def test_arms_are_compared_seed_by_seed(finished):
    found = entry(summarise(finished.plan, finished.results), "distilled", 8)
    assert found["seeds"] == [0, 1] and found["learning_rate"] == 3e-3 and found["minutes"] == 1
    assert found["auroc"]["mean"] == pytest.approx(0.805) and found["auroc"]["teacher"] == pytest.approx(0.9)
    against = found["auroc"]["against"]
    assert [against[arm]["mean"] for arm in ("brightfield", "self-training")] == pytest.approx([0.1, 0.05])
    # The seeds differ, the differences do not.
    assert against["brightfield"]["low"] == pytest.approx(0.1) and found["auroc"]["low"] < 0.8


def test_the_speed_of_a_run_is_known_where_its_steps_are_set(finished):
    assert {found["cells_per_second"] for found in summarise(finished.plan, finished.results)} == {None}
    plan = replace(finished.plan, base={"training": {"steps_per_epoch": 30, "batch_size": 10}})
    # Two epochs in a minute.
    assert {found["cells_per_second"] for found in summarise(plan, finished.results)} == {10.0}


def test_the_gap_ends_at_the_lower_of_teacher_and_baseline_with_all_labels(finished):
    entries = summarise(finished.plan, finished.results)
    # The baseline with all labels is no better than with 8 here: there is no gap up to there.
    assert entry(entries, "distilled", 8)["auroc"]["gap_closed"]["value"] is None
    assert entry(entries, "distilled", "all")["auroc"]["gap_closed"]["value"] == pytest.approx(0.1 / 0.195)


def test_the_gap_of_an_arm_ends_at_its_own_teacher(finished):
    """In any order of the arms; an arm without a teacher that sees DAPI has that of the first arm with one."""
    aurocs = {"brightfield": (0.80, None), "self-training": (0.81, 0.80), "poor": (0.84, 0.85), "good": (0.86, 0.95)}
    outcome = next(outcome for outcome in finished.results.values() if outcome.tested)
    results = {
        Job(arm, 8, seed, 1e-3): replace(outcome, auroc=auroc, teacher_auroc=teacher)
        for arm, (auroc, teacher) in aurocs.items()
        for seed in (0, 1)
    }
    for names in (("poor", "good"), ("good", "poor")):
        arms = finished.plan.arms | {name: Arm({}) for name in names}
        del arms["distilled"]
        entries = summarise(replace(finished.plan, arms=arms, budgets=(8,), tuned_at=8), results)
        gaps = {arm: entry(entries, arm, 8)["auroc"]["gap_closed"]["value"] for arm in list(aurocs)[1:]}
        first = aurocs[names[0]][1] - 0.80
        assert gaps == pytest.approx({"poor": 0.04 / 0.05, "good": 0.06 / 0.15, "self-training": 0.01 / first})


def test_a_value_of_several_arms_is_of_the_seeds_that_they_share(finished):
    """Seed 1 has no run at the baseline's other budget: a value that needs one is of seed 0 alone, and says so."""
    change = {"brightfield": {8: 0.60, 16: 0.80}, "distilled": {8: 0.70, 16: 0.80}}
    results, arms = {}, {name: finished.plan.arms[name] for name in change}
    for job, outcome in finished.results.items():
        if job.arm in arms:
            job = replace(job, budget=16) if job.budget == "all" else job
            if (job.arm, job.budget, job.seed) != ("brightfield", 16, 1) and outcome.tested:
                auroc = change[job.arm][job.budget] + 0.05 * job.seed
                results[job] = replace(outcome, auroc=auroc, teacher_auroc=0.9 if job.arm == "distilled" else None)
    plan = replace(finished.plan, arms=arms, budgets=(8, 16), rivals=(), tuned_at=8)
    found = entry(summarise(plan, results), "distilled", 8)["auroc"]
    assert found["against_more_labels"] == {
        "labels": 16,
        "mean": pytest.approx(-0.1),
        "low": None,
        "high": None,
        "seeds": 1,
    }
    alone = {"low": None, "high": None, "least": 1, "most": 2}
    # Half-way between 8 and 16 labels, as the baseline rises from 0.60 to 0.80.
    assert found["label_efficiency"] == {"value": pytest.approx(2**0.5), "seeds": 1, **alone}
    assert found["gap_closed"]["seeds"] == 2 and found["gap_closed"]["value"] == pytest.approx(0.1 / 0.275)
    found = entry(summarise(plan, results), "distilled", 16)["auroc"]
    assert found["seeds"] == 2 and found["gap_closed"]["seeds"] == 1
    assert found["gap_closed"]["value"] == pytest.approx(0.0)


def test_an_arm_is_compared_with_the_baseline_with_twice_its_labels_or_more(finished):
    aurocs = {8: 0.60, 15: 0.70, 24: 0.80, 48: 0.90}
    arms = {name: finished.plan.arms[name] for name in ("brightfield", "distilled")}
    job, outcome = next((job, outcome) for job, outcome in finished.results.items() if outcome.tested)
    results = {
        replace(job, arm="brightfield", budget=budget, seed=seed): replace(outcome, auroc=auroc + 0.05 * seed)
        for budget, auroc in aurocs.items()
        for seed in (0, 1)
    }
    results |= {
        replace(job, arm="distilled", budget=8, seed=s): replace(outcome, auroc=0.83 + 0.07 * s) for s in (0, 1)
    }
    plan = replace(finished.plan, arms=arms, budgets=tuple(aurocs), rivals=(), tuned_at=8)
    found = entry(summarise(plan, results), "distilled", 8)["auroc"]["against_more_labels"]
    theirs = interval([0.03, 0.05])
    assert found == {"labels": 24, **{key: pytest.approx(value) for key, value in theirs.items()}}
    few = {job: outcome for job, outcome in results.items() if job.budget in (8, 15)}
    assert entry(summarise(plan, few), "distilled", 8)["auroc"]["against_more_labels"] is None
    assert "against_more_labels" not in entry(summarise(plan, results), "brightfield", 8)["auroc"]


def test_a_budget_with_fewer_seeds_leaves_label_efficiency_its_seeds_where_it_is_not_needed(finished):
    aurocs = {("brightfield", 8): 0.60, ("brightfield", 16): 0.80, ("brightfield", 32): 0.90, ("distilled", 8): 0.70}
    arms = {name: finished.plan.arms[name] for name in ("brightfield", "distilled")}
    job, outcome = next((job, outcome) for job, outcome in finished.results.items() if outcome.tested)
    results = {
        replace(job, arm=arm, budget=budget, seed=seed): replace(outcome, auroc=auroc + 0.05 * seed)
        for (arm, budget), auroc in aurocs.items()
        for seed in ((0,) if budget == 32 else (0, 1))
    }
    plan = replace(finished.plan, arms=arms, budgets=(8, 16, 32), rivals=(), tuned_at=8)
    found = entry(summarise(plan, results), "distilled", 8)["auroc"]
    assert (found["label_efficiency"]["value"], found["label_efficiency"]["seeds"]) == (pytest.approx(2**0.5), 2)
    better = {job: replace(o, auroc=o.auroc + 0.15) if job.arm == "distilled" else o for job, o in results.items()}
    found = entry(summarise(plan, better), "distilled", 8)["auroc"]
    # From 0.80 with 16 labels half of the way to 0.90 with 32, which one seed alone has.
    assert (found["label_efficiency"]["value"], found["label_efficiency"]["seeds"]) == (pytest.approx(8**0.5), 1)


@pytest.mark.parametrize(
    ("low", "high", "seeds", "text"),
    [
        (1.2, 3.4, 2, "2.0 (1.2 to 3.4)"),
        (None, 3.4, 2, "2.0 (below 1.0 to 3.4)"),
        (1.2, None, 2, "2.0 (1.2 to above 8.0)"),
        (None, None, 1, "2.0, 1 seed"),
    ],
)
def test_a_label_efficiency_is_printed_with_its_interval(low, high, seeds, text):
    found = {"value": 2.0, "low": low, "high": high, "least": 1.0, "most": 8.0, "seeds": seeds}
    assert report._efficiency(found, [0, 1]) == text


def test_untested_runs_are_not_reported(grid):
    assert summarise(grid.plan, grid.results) == []


def test_every_form_of_the_report_holds_the_same_values(finished, tmp_path):
    written = write_report(
        tmp_path, finished.plan, DatasetFacts("tiny", simulated=True), summarise(finished.plan, finished.results)
    )
    assert [path.name for path in written] == ["index.html", "table.md", "plot.png", "summary.json", "results.csv"]
    table, page = ((tmp_path / name).read_text() for name in ("table.md", "index.html"))
    assert "SIMULATED" in table and "SIMULATED" in page
    row = next(line for line in table.splitlines() if line.startswith("| 8 | distilled | 2 |"))
    assert "0.805 (" in row and "+0.100 (+0.100 to +0.100)" in row and "| 0.900 |" in row
    assert "+0.100 (+0.100 to +0.100)" in page and "data:image/png;base64," in page
    with Image.open(tmp_path / "plot.png") as image:
        assert image.size == (1100, 800)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["simulated"] and entry(summary["arms"], "distilled", 8)["f1"]["mean"] == pytest.approx(0.4025)


def test_every_form_of_the_report_names_the_larger_budget_of_the_baseline(finished, tmp_path):
    arms = {name: finished.plan.arms[name] for name in ("brightfield", "distilled")}
    plan = replace(finished.plan, arms=arms, budgets=(8, 16), rivals=(), tuned_at=8)
    results = {
        replace(job, budget=16 if job.budget == "all" else 8): outcome for job, outcome in finished.results.items()
    }
    write_report(tmp_path, plan, DatasetFacts("tiny"), summarise(plan, results))
    for name in ("table.md", "index.html"):
        text = (tmp_path / name).read_text()
        assert "with more labels" in text and "+0.100 (+0.100 to +0.100), 16 labels" in text


def test_a_report_of_folds_says_so(finished, tmp_path):
    plan = replace(finished.plan, folds=3, repeats=2)
    results = {job: replace(outcome, folds=6, patients=12) for job, outcome in finished.results.items()}
    write_report(tmp_path, plan, DatasetFacts("tiny"), summarise(plan, results))
    words = "out-of-fold over 3 folds, 2 repeats, all 12 patients"
    table, page = ((tmp_path / name).read_text() for name in ("table.md", "index.html"))
    assert words in table and words in page and "test split" not in table + page
    assert "on the same folds of the patients" in table and "The number of labels is that of each fold." in page
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["metrics"], summary["folds"], summary["repeats"]) == (words, 3, 2)
    assert {(found["folds"], found["patients"]) for found in summary["arms"]} == {(6, 12)}
    assert "with the same" not in summary["interval"] and "the same folds of the patients" in summary["interval"]


def test_the_same_results_give_the_same_report(finished, tmp_path):
    facts = DatasetFacts("tiny")
    forms = [
        write_report(finished.folder, finished.plan, facts, summarise(finished.plan, finished.results))
        for _ in range(2)
    ]
    first = {path.name: path.read_bytes() for path in forms[0]}
    assert first == {path.name: path.read_bytes() for path in forms[1]}
