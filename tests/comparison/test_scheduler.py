"""Scheduler and grid: which runs are trained, in which order, and which are trained again after an interruption."""

import logging
import shutil
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import pytest
from at_once import AtOnce

from tfctc.comparison import scheduler
from tfctc.comparison.grid import Grid
from tfctc.comparison.plan import Arm, Plan
from tfctc.comparison.results import Job, Outcome, read_results, write_results
from tfctc.comparison.scheduler import run_jobs
from tfctc.comparison.summary import summarise
from tfctc.data.manifest import Manifest
from tfctc.errors import OutputError, RunError, SplitError


def trained(pool):
    """Run folder of everything trained, in order, and whether it was tested."""
    return [(Path(arguments[1]), arguments[2]) for arguments in pool.done if len(arguments) == 3]


def test_every_run_is_tested_once_with_the_rate_that_validation_chose(grid, pool, untrained):
    run_jobs(grid, pool, 2)
    tested = {job for job, outcome in grid.results.items() if outcome.tested}
    arms = ("brightfield", "self-training", "distilled")
    assert tested == {Job(arm, budget, seed, 3e-3) for arm in arms for budget in (8, "all") for seed in (0, 1)}
    assert set(grid.results) - tested == {Job(arm, 8, 0, 1e-3) for arm in arms}
    # Tuning runs come twice: trained first, tested once the rate is known.
    assert len(trained(pool)) == 12 + 6 and grid.remaining() == 0 and not list(grid.ready())


def test_the_test_split_is_read_for_no_other_rate(grid, pool, untrained):
    run_jobs(grid, pool, 1)
    assert {"seed-0-rate-0.001"} == {folder.name for folder, _ in trained(pool)} - {
        folder.name for folder, tested in trained(pool) if tested
    }


def test_an_arm_with_a_single_rate_is_not_tuned(plan, manifest, tmp_path, pool, untrained):
    own = {"brightfield": Arm({"mode": "brightfield"}, learning_rates=(0.5,)), "again": Arm(rate_of="brightfield")}
    arms = plan.arms | own
    grid = Grid.open(replace(plan, arms=arms), manifest, tmp_path)
    run_jobs(grid, pool, 1)
    rates = {arm: {job.rate for job in grid.results if job.arm == arm} for arm in arms}
    assert rates == {"brightfield": {0.5}, "again": {0.5}, "self-training": {1e-3, 3e-3}, "distilled": {1e-3, 3e-3}}
    assert grid.remaining() == 0


def test_teachers_are_trained_before_their_students(grid, pool, untrained):
    run_jobs(grid, pool, 1)
    folders = [folder for folder, _ in trained(pool)]
    for arguments in (a for a in pool.done if len(a) == 3):
        config, folder, _ = arguments
        if config.mode == "self-training":
            source = Path(config.distill.teachers)
            assert source.parts[-3] == "brightfield" and source.parts[-2:-1] == folder.parts[-2:-1]
            assert config.training.label_budget == (8 if folder.parts[-2] == "8-labels" else None)
            assert folders.index(source) < folders.index(folder)


def test_an_interrupted_grid_is_continued(grid, plan, manifest, tmp_path, pool, untrained, monkeypatch):
    def interrupted(config, folder, test):
        if len(grid.results) == 8:
            raise KeyboardInterrupt
        return untrained(config, folder, test)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(scheduler, "_run_job", interrupted)
        run_jobs(grid, pool, 1)
    pool.done.pop()  # The run that was interrupted.
    before = trained(pool)
    again = Grid.open(plan, manifest, tmp_path)
    run_jobs(again, pool, 1)
    assert len(trained(pool)) == 18 and trained(pool)[: len(before)] == before and again.remaining() == 0


def test_run_folders_may_be_deleted(grid, plan, manifest, tmp_path, pool, untrained):
    """Finished runs stay finished; teachers that are needed again are trained again."""
    run_jobs(grid, pool, 1)
    shutil.rmtree(tmp_path / "runs")
    longer = replace(plan, seeds=(0, 1, 2), arms={**plan.arms, "new": Arm({"mode": "distilled"}, teachers="distilled")})
    # On another processor results differ: what has been tested is not tested again.
    for job, outcome in grid.results.items():
        grid.results[job] = replace(outcome, auroc=0.4) if outcome.tested else outcome
    write_results(tmp_path, grid.results)
    before = read_results(tmp_path)
    pool.done.clear()
    again = Grid.open(longer, manifest, tmp_path)
    run_jobs(again, pool, 1)
    assert before.items() <= again.results.items()
    tested_again = [
        tested for folder, tested in trained(pool) if "seed-2" not in folder.name and "new" not in folder.parts
    ]
    assert tested_again and not any(tested_again)
    arms = [folder.parts[-3] for folder, _ in trained(pool)]
    assert [arms.count(arm) for arm in longer.arms] == [2, 2, 2 + 4, 2 + 4 + 2]
    assert again.remaining() == 0


def test_a_budget_may_have_further_seeds(grid, plan, manifest, tmp_path, pool, untrained):
    run_jobs(grid, pool, 1)
    longer = replace(plan, further_seeds={"8": (5, 9)})
    pool.done.clear()
    again = Grid.open(longer, manifest, tmp_path)
    assert again.remaining() == 6
    run_jobs(again, pool, 1)
    assert {(folder.parts[-2], folder.name.split("-")[1]) for folder, _ in trained(pool)} == {
        ("8-labels", "5"),
        ("8-labels", "9"),
    }
    # Runs that the plan no longer wants do not count as runs that it does want.
    fewer = replace(plan, budgets=("all",), seeds=(0, 1, 7), learning_rates=(3e-3,))
    assert Grid.open(fewer, manifest, tmp_path).remaining() == 3
    seeds = {(entry["arm"], entry["budget"]): entry["seeds"] for entry in summarise(longer, again.results)}
    assert seeds["distilled", 8] == [0, 1, 5, 9] and seeds["distilled", "all"] == [0, 1] and again.remaining() == 0


def test_metrics_of_two_learning_rates_are_not_mixed(grid, plan, manifest, tmp_path, pool, untrained):
    run_jobs(grid, pool, 1)
    for change in ({"learning_rates": (1e-3, 3e-3, 1e-2)}, {"learning_rates": (1e-3,)}, {"tuned_at": "all"}):
        with pytest.raises(RunError, match="test metrics of a learning rate.*brightfield, 8 labels.*changed arm a new"):
            Grid.open(replace(plan, **change), manifest, tmp_path)
    # One more rate that is no better on validation changes nothing.
    more = replace(plan, learning_rates=(5e-4, 1e-3, 3e-3))
    grid.results.update({replace(job, rate=5e-4): grid.results[job] for job in [*grid.results] if job.rate == 1e-3})
    for job in [job for job in grid.results if job.rate == 5e-4]:
        digest = Grid(more, grid.data, tmp_path, grid.cells, grid.results).settings(job)
        grid.add(job, replace(grid.results[job], settings=digest))
    assert Grid.open(more, manifest, tmp_path).remaining() == 0


def test_results_of_other_settings_or_cells_are_refused(grid, plan, manifest, tiny_dataset, tmp_path, pool, untrained):
    run_jobs(grid, pool, 1)
    for change in (
        {"base": {"training": {"epochs": 7}}},
        {"arms": plan.arms | {"brightfield": Arm({"mode": "distilled"})}},
    ):
        with pytest.raises(RunError, match="results of other settings or cells .brightfield, 8 labels"):
            Grid.open(replace(plan, **change), manifest, tmp_path)
    other = shutil.copytree(tiny_dataset, tmp_path / "other", ignore=shutil.ignore_patterns("tfrecords"))
    text = (other / "manifest.csv").read_text().splitlines()
    (other / "manifest.csv").write_text("\n".join(text[:-1]) + "\n")
    with pytest.raises(RunError, match="other settings or cells"):
        Grid.open(plan, Manifest.open(other), tmp_path)


def test_results_whose_teachers_had_another_learning_rate_are_refused(grid, plan, manifest, tmp_path, pool, untrained):
    run_jobs(grid, pool, 1)
    anew = {"bf": Arm({"mode": "brightfield"}, learning_rates=(0.5,))}
    arms = anew | {"self-training": replace(plan.arms["self-training"], teachers="bf"), "distilled": Arm({})}
    with pytest.raises(RunError, match="results of other settings or cells .self-training"):
        Grid.open(replace(plan, arms=arms, baseline="bf"), manifest, tmp_path)
    assert Grid.open(plan, manifest, tmp_path).remaining() == 0


def test_one_process_at_a_time_works_in_a_folder(grid, plan, manifest, tmp_path, pool, untrained, monkeypatch):
    late = Grid.open(plan, manifest, tmp_path)

    def run_job(*arguments):
        with pytest.raises(RunError, match="another tfctc compare is at work there; wait"):
            run_jobs(late, AtOnce(), 1)
        return untrained(*arguments)

    monkeypatch.setattr(scheduler, "_run_job", run_job)
    run_jobs(grid, pool, 1)
    with pytest.raises(RunError, match="another tfctc compare has been at work there; start it again"):
        run_jobs(late, pool, 1)
    # Also where the other process has tested runs that were there.
    known = read_results(tmp_path)
    late.results.update({job: replace(outcome, auroc=None, f1=None) for job, outcome in known.items()})
    with pytest.raises(RunError, match="another tfctc compare has been at work there; start it again"):
        run_jobs(late, pool, 1)
    assert read_results(tmp_path) == known
    run_jobs(Grid.open(plan, manifest, tmp_path), pool, 1)


def test_results_from_before_a_setting_existed_stay_valid():
    """The digest is that of the commit before `training.weight_average`, in float32 and with the defaults of then.

    Results on record carry it.
    """
    then = {"distill": {"losses": {"logits": {"weight": 2.0, "temperature": 2.0}}}}
    then |= {"training": {"monitor": "val_auroc"}}
    arms = {"brightfield": Arm({"mode": "brightfield", **then})}
    plan = Plan(arms, budgets=(8,), seeds=(0,), learning_rates=(1e-3,))
    job = Job("brightfield", 8, 0, 1e-3)
    assert Grid(plan, Path(), Path(), "cells").settings(job) == "05534978677af24d"
    averaged = replace(plan, base={"training": {"weight_average": 0.99}})
    assert Grid(averaged, Path(), Path(), "cells").settings(job) != "05534978677af24d"


def test_folds_are_part_of_what_determines_a_result(grid, plan, manifest, tmp_path):
    job = Job("brightfield", 8, 0, 1e-3)
    plans = (plan, replace(plan, folds=2), replace(plan, folds=3), replace(plan, folds=2, repeats=2))
    grids = [Grid.open(each, manifest, tmp_path) for each in plans]
    assert len({each.settings(job) for each in grids}) == 4 and grids[0].settings(job) == grid.settings(job)
    assert [len(each.folds) for each in grids] == [0, 2, 3, 4]


def test_an_edited_table_of_splits_is_not_taken_for_the_same(plan, manifest, tmp_path, pool, untrained):
    """Its content counts, wherever it lies."""
    patients = manifest.index.names["patient_id"]
    text = "patient_id,split\n" + "".join(f"{name},\n" for name in patients)
    table, moved, out = tmp_path / "splits.csv", tmp_path / "moved.csv", tmp_path / "out"
    table.write_text(text)
    pinned = replace(plan, base={"split": {"file": str(table)}})
    run_jobs(Grid.open(pinned, manifest, out), pool, 1)
    assert Grid.open(pinned, manifest, out).remaining() == 0
    moved.write_text(text)
    assert Grid.open(replace(plan, base={"split": {"file": str(moved)}}), manifest, out).remaining() == 0
    table.write_text(text.replace(f"{patients[0]},", f"{patients[0]},test"))
    with pytest.raises(RunError, match="holds results of other settings or cells"):
        Grid.open(pinned, manifest, out)
    table.unlink()
    with pytest.raises(SplitError, match="splits.csv: cannot be read; check path and permissions"):
        Grid.open(pinned, manifest, out)


def test_with_folds_teachers_come_from_a_run_with_all_of_its_folds(plan, manifest, tmp_path, pool, monkeypatch):
    given = []

    def run_folds(config, folder, test, teachers):
        given.append((config, folder, teachers))
        for name in ("0-0", "0-1"):
            (folder / "folds" / name).mkdir(parents=True, exist_ok=True)
            (folder / "folds" / name / "run.json").write_text("{}")
        return Outcome("", 0.7, 1, 2, 60.0, *((0.7, 0.5) if test else ()), folds=2, patients=12 if test else None)

    monkeypatch.setattr("tfctc.comparison.scheduler._run_folds", run_folds)
    monkeypatch.setattr("tfctc.comparison.scheduler._prepare_data", lambda configs: None)
    grid = Grid.open(replace(plan, folds=2, budgets=(8,), learning_rates=(1e-3,)), manifest, tmp_path)
    run_jobs(grid, pool, 1)
    # Every fold names teachers of its own; the settings of the run name none.
    assert {(config.cross_validation.folds, config.distill.teachers) for config, *_ in given} == {(2, None)}
    sources = {folder: teachers for config, folder, teachers in given if config.mode == "self-training"}
    assert len(sources) == 2
    for folder, teachers in sources.items():
        assert teachers.parts[-3:] == ("brightfield", *folder.parts[-2:])
    assert grid.remaining() == 0 and not list(grid.ready())
    # One fold of the teachers' run is missing: this run is trained again before its student.
    student = Job("self-training", 8, 0, 1e-3)
    del grid.results[student]
    shutil.rmtree(tmp_path / "runs/brightfield/8-labels/seed-0-rate-0.001/folds/0-1")
    assert list(grid.ready()) == [replace(student, arm="brightfield")]


def test_folds_that_cannot_be_are_refused_in_the_words_of_a_plan(plan, manifest, tmp_path):
    with pytest.raises(SplitError, match="cannot be split into 13 folds; lower folds to 12 or less"):
        Grid.open(replace(plan, folds=13), manifest, tmp_path)


def test_results_stay_valid_when_the_images_are_moved(grid, plan, tiny_dataset, tmp_path, pool, untrained):
    run_jobs(grid, pool, 1)
    moved = shutil.copytree(tiny_dataset, tmp_path / "moved", ignore=shutil.ignore_patterns("tfrecords"))
    (moved / "images").rename(tmp_path / "pictures")
    text = (moved / "manifest.csv").read_text()
    (moved / "manifest.csv").write_text(text.replace("images/", f"{tmp_path}/pictures/"))
    assert Grid.open(plan, Manifest.open(moved), tmp_path).remaining() == 0


def test_a_run_that_fails_is_named_and_the_others_are_kept(grid, pool, untrained, monkeypatch):
    def failing(config, folder, test):
        if config.mode == "distilled":
            raise RunError("student has diverged", path=folder, fix="lower training.learning_rate")
        return untrained(config, folder, test)

    monkeypatch.setattr(scheduler, "_run_job", failing)
    with pytest.raises(RunError, match="distilled, 8 labels, seed 0, rate 0.00[13]: student has diverged; lower"):
        run_jobs(grid, pool, 2)
    assert grid.results


@pytest.mark.parametrize("arguments,name", [(3, "seed 0, rate 0.00[13]"), (1, "preparing the data")])
def test_a_killed_process_names_its_work_and_says_what_to_do(grid, untrained, arguments, name):
    class Killed(Executor):
        def submit(self, function, /, *given):
            future = Future()
            if len(given) == arguments:
                future.set_exception(BrokenProcessPool("a child process terminated abruptly"))
            else:
                future.set_result(None)
            return future

    with pytest.raises(RunError, match=f"{name}: the process was killed.*fewer --workers"):
        run_jobs(grid, Killed(), 2)


def test_nothing_is_trained_if_nothing_can_be_written(grid, tmp_path, pool, untrained):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file/out.*cannot be written"):
        run_jobs(replace(grid, folder=tmp_path / "file" / "out"), pool, 1)
    assert not pool.done


def test_shared_data_are_prepared_before_the_first_run(grid, pool, untrained):
    run_jobs(grid, pool, 2)
    first, *runs = pool.done
    assert len(first) == 1 and all(len(arguments) == 3 for arguments in runs)
    wanted = [(config.mode, config.training.label_budget) for config in first[0]]
    assert wanted == [(mode, budget) for mode in ("brightfield", "self-training", "distilled") for budget in (8, None)]
    assert {config.data for config in first[0]} == {str(grid.data)}


def test_every_finished_run_is_logged(grid, pool, untrained, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("tfctc"), "propagate", True)
    with caplog.at_level(logging.INFO, "tfctc.comparison"):
        run_jobs(grid, pool, 1)
    assert len(caplog.messages) == len(trained(pool))
    assert caplog.messages[0] == "brightfield, 8 labels, seed 0, rate 0.001: validation 0.701, 60 s; 12 runs to go"
    last = "distilled, all labels, seed 1, rate 0.003: test AUROC 0.810, validation 0.813, 60 s; 0 runs to go"
    assert caplog.messages[-1] == last
