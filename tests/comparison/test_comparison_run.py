"""Which runs are done, in which order, and what is done again after an interruption."""

import shutil
from concurrent.futures import Executor, Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path

import pytest

from tfctc.comparison.grid import Grid
from tfctc.comparison.plan import Arm, Plan
from tfctc.comparison.results import Job, read_results, write_results
from tfctc.comparison.run import carry_out
from tfctc.comparison.summary import summarise
from tfctc.errors import OutputError, RunError


def done(pool):
    """(run folder, whether it was judged) of everything trained, in order."""
    return [(Path(arguments[1]), arguments[2]) for arguments in pool.done if len(arguments) == 3]


def quiet(_):
    pass


def test_every_run_is_done_once_and_judged_with_the_rate_that_validation_chose(grid, pool, untrained):
    carry_out(grid, pool, 2, quiet)
    judged = {job for job, outcome in grid.results.items() if outcome.judged}
    arms = ("brightfield", "self-training", "distilled")
    assert judged == {Job(arm, budget, seed, 3e-3) for arm in arms for budget in (8, "all") for seed in (0, 1)}
    assert set(grid.results) - judged == {Job(arm, 8, 0, 1e-3) for arm in arms}
    # Those of the tuning come twice: trained first, judged once the rate was known.
    assert len(done(pool)) == 12 + 6 and grid.left() == 0 and not list(grid.wanted())


def test_the_test_split_is_read_for_no_other_rate(grid, pool, untrained):
    carry_out(grid, pool, 1, quiet)
    assert {"seed-0-rate-0.001"} == {folder.name for folder, _ in done(pool)} - {
        folder.name for folder, judged in done(pool) if judged
    }


def test_a_single_rate_of_its_own_is_not_chosen(plan, tiny_dataset, tmp_path, pool, untrained):
    own = {"brightfield": Arm({"mode": "brightfield"}, learning_rates=(0.5,)), "again": Arm(rate_of="brightfield")}
    arms = plan.arms | own
    grid = Grid.open(replace(plan, arms=arms), tiny_dataset, tmp_path)
    carry_out(grid, pool, 1, quiet)
    rates = {arm: {job.rate for job in grid.results if job.arm == arm} for arm in arms}
    assert rates == {"brightfield": {0.5}, "again": {0.5}, "self-training": {1e-3, 3e-3}, "distilled": {1e-3, 3e-3}}
    assert grid.left() == 0


def test_teachers_are_there_before_they_teach(grid, pool, untrained):
    carry_out(grid, pool, 1, quiet)
    places = [folder for folder, _ in done(pool)]
    for arguments in (a for a in pool.done if len(a) == 3):
        config, folder, _ = arguments
        if config.mode == "self-training":
            source = Path(config.distill.teachers)
            assert source.parts[-3] == "brightfield" and source.parts[-2:-1] == folder.parts[-2:-1]
            assert config.training.label_budget == (8 if folder.parts[-2] == "8-labels" else None)
            assert places.index(source) < places.index(folder)


def test_an_interrupted_grid_goes_on(grid, plan, tiny_dataset, tmp_path, pool, untrained):
    with pytest.raises(KeyboardInterrupt):
        carry_out(grid, pool, 1, lambda line: interrupted(len(grid.results)))
    before = done(pool)
    again = Grid.open(plan, tiny_dataset, tmp_path)
    carry_out(again, pool, 1, quiet)
    assert len(done(pool)) == 18 and done(pool)[: len(before)] == before and again.left() == 0


def interrupted(runs):
    if runs == 8:
        raise KeyboardInterrupt


def test_run_folders_may_be_deleted(grid, plan, tiny_dataset, tmp_path, pool, untrained):
    """What is done stays done; teachers that are wanted again are trained again."""
    carry_out(grid, pool, 1, quiet)
    shutil.rmtree(tmp_path / "runs")
    longer = replace(plan, seeds=(0, 1, 2), arms={**plan.arms, "new": Arm({"mode": "distilled"}, teachers="distilled")})
    # Another processor, another result: what has been judged is not judged again.
    for job, outcome in grid.results.items():
        grid.results[job] = replace(outcome, auroc=0.4) if outcome.judged else outcome
    write_results(tmp_path, grid.results)
    before = read_results(tmp_path)
    pool.done.clear()
    again = Grid.open(longer, tiny_dataset, tmp_path)
    carry_out(again, pool, 1, quiet)
    assert before.items() <= again.results.items()
    trained_again = [
        judged for folder, judged in done(pool) if "seed-2" not in folder.name and "new" not in folder.parts
    ]
    assert trained_again and not any(trained_again)
    arms = [folder.parts[-3] for folder, _ in done(pool)]
    assert [arms.count(arm) for arm in longer.arms] == [2, 2, 2 + 4, 2 + 4 + 2]
    assert again.left() == 0


def test_a_budget_may_have_further_seeds(grid, plan, tiny_dataset, tmp_path, pool, untrained):
    carry_out(grid, pool, 1, quiet)
    longer = replace(plan, further_seeds={"8": (5, 9)})
    pool.done.clear()
    again = Grid.open(longer, tiny_dataset, tmp_path)
    assert again.left() == 6
    carry_out(again, pool, 1, quiet)
    assert {(folder.parts[-2], folder.name.split("-")[1]) for folder, _ in done(pool)} == {
        ("8-labels", "5"),
        ("8-labels", "9"),
    }
    # What the plan no longer wants is no run that is done of those it does.
    fewer = replace(plan, budgets=("all",), seeds=(0, 1, 7), learning_rates=(3e-3,))
    assert Grid.open(fewer, tiny_dataset, tmp_path).left() == 3
    seeds = {(entry["arm"], entry["budget"]): entry["seeds"] for entry in summarise(longer, again.results)}
    assert seeds["distilled", 8] == [0, 1, 5, 9] and seeds["distilled", "all"] == [0, 1] and again.left() == 0


def test_figures_of_two_learning_rates_are_not_mixed(grid, plan, tiny_dataset, tmp_path, pool, untrained):
    carry_out(grid, pool, 1, quiet)
    for change in ({"learning_rates": (1e-3, 3e-3, 1e-2)}, {"learning_rates": (1e-3,)}, {"tuned_at": "all"}):
        with pytest.raises(RunError, match="test figures of a learning rate.*brightfield, 8 labels.*name the changed"):
            Grid.open(replace(plan, **change), tiny_dataset, tmp_path)
    # One more that is no better on validation changes nothing.
    more = replace(plan, learning_rates=(5e-4, 1e-3, 3e-3))
    grid.results.update({replace(job, rate=5e-4): grid.results[job] for job in [*grid.results] if job.rate == 1e-3})
    for job in [job for job in grid.results if job.rate == 5e-4]:
        digest = Grid(more, grid.data, tmp_path, grid.cells, grid.results).settings(job)
        grid.add(job, replace(grid.results[job], settings=digest))
    assert Grid.open(more, tiny_dataset, tmp_path).left() == 0


def test_results_of_other_settings_or_cells_are_not_mixed_in(grid, plan, tiny_dataset, tmp_path, pool, untrained):
    carry_out(grid, pool, 1, quiet)
    for change in (
        {"base": {"training": {"epochs": 7}}},
        {"arms": plan.arms | {"brightfield": Arm({"mode": "distilled"})}},
    ):
        with pytest.raises(RunError, match="results of other settings or cells .brightfield, 8 labels"):
            Grid.open(replace(plan, **change), tiny_dataset, tmp_path)
    other = shutil.copytree(tiny_dataset, tmp_path / "other", ignore=shutil.ignore_patterns("tfrecords"))
    text = (other / "manifest.csv").read_text().splitlines()
    (other / "manifest.csv").write_text("\n".join(text[:-1]) + "\n")
    with pytest.raises(RunError, match="other settings or cells"):
        Grid.open(plan, other, tmp_path)


def test_results_are_not_kept_whose_teachers_had_another_learning_rate(
    grid, plan, tiny_dataset, tmp_path, pool, untrained
):
    carry_out(grid, pool, 1, quiet)
    anew = {"bf": Arm({"mode": "brightfield"}, learning_rates=(0.5,))}
    arms = anew | {"self-training": replace(plan.arms["self-training"], teachers="bf"), "distilled": Arm({})}
    with pytest.raises(RunError, match="results of other settings or cells .self-training"):
        Grid.open(replace(plan, arms=arms, baseline="bf"), tiny_dataset, tmp_path)
    assert Grid.open(plan, tiny_dataset, tmp_path).left() == 0


def test_one_process_at_a_time_works_in_a_folder(grid, plan, tiny_dataset, tmp_path, pool, untrained):
    late = Grid.open(plan, tiny_dataset, tmp_path)

    def meanwhile(_):
        with pytest.raises(RunError, match="another tfctc compare is at work there; wait"):
            carry_out(late, pool, 1, quiet)

    carry_out(grid, pool, 1, meanwhile)
    with pytest.raises(RunError, match="another tfctc compare has been at work there; start it again"):
        carry_out(late, pool, 1, quiet)
    # Also where it has judged what was there.
    known = read_results(tmp_path)
    late.results.update({job: replace(outcome, auroc=None, f1=None) for job, outcome in known.items()})
    with pytest.raises(RunError, match="another tfctc compare has been at work there; start it again"):
        carry_out(late, pool, 1, quiet)
    assert read_results(tmp_path) == known
    carry_out(Grid.open(plan, tiny_dataset, tmp_path), pool, 1, quiet)


def test_results_kept_before_a_setting_was_known_are_gone_on_with():
    """The digest is one that the commit before `training.weight_average` gave, in float32."""
    plan = Plan({"brightfield": Arm({"mode": "brightfield"})}, budgets=(8,), seeds=(0,), learning_rates=(1e-3,))
    job = Job("brightfield", 8, 0, 1e-3)
    assert Grid(plan, Path(), Path(), "cells").settings(job) == "05534978677af24d"
    averaged = replace(plan, base={"training": {"weight_average": 0.99}})
    assert Grid(averaged, Path(), Path(), "cells").settings(job) != "05534978677af24d"


def test_results_are_gone_on_with_where_the_images_lie_elsewhere(grid, plan, tiny_dataset, tmp_path, pool, untrained):
    carry_out(grid, pool, 1, quiet)
    moved = shutil.copytree(tiny_dataset, tmp_path / "moved", ignore=shutil.ignore_patterns("tfrecords"))
    (moved / "images").rename(tmp_path / "pictures")
    text = (moved / "manifest.csv").read_text()
    (moved / "manifest.csv").write_text(text.replace("images/", f"{tmp_path}/pictures/"))
    assert Grid.open(plan, moved, tmp_path).left() == 0


def test_a_run_that_fails_is_named_and_the_others_are_kept(grid, pool, untrained, monkeypatch):
    from tfctc.comparison import run

    do = run._do

    def failing(config, folder, judge):
        if config.mode == "distilled":
            raise RunError("student has diverged", path=folder, fix="lower training.learning_rate")
        return do(config, folder, judge)

    monkeypatch.setattr(run, "_do", failing)
    with pytest.raises(RunError, match="distilled, 8 labels, seed 0, rate 0.00[13]: student has diverged; lower"):
        carry_out(grid, pool, 2, quiet)
    assert grid.results


@pytest.mark.parametrize("arguments,name", [(3, "seed 0, rate 0.00[13]"), (1, "records")])
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
        carry_out(grid, Killed(), 2, quiet)


def test_where_nothing_can_be_written_nothing_is_trained(grid, tmp_path, pool, untrained):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file/out.*cannot be written"):
        carry_out(replace(grid, folder=tmp_path / "file" / "out"), pool, 1, quiet)
    assert not pool.done


def test_what_all_runs_share_is_settled_before_the_first(grid, pool, untrained):
    carry_out(grid, pool, 2, quiet)
    first, *runs = pool.done
    assert len(first) == 1 and all(len(run) == 3 for run in runs)
    wanted = [(config.mode, config.training.label_budget) for config in first[0]]
    assert wanted == [(mode, budget) for mode in ("brightfield", "self-training", "distilled") for budget in (8, None)]
    assert {config.data for config in first[0]} == {str(grid.data)}
