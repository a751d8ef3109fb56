"""A grid on a tiny data set, and runs that nobody trains."""

import pytest
from at_once import AtOnce

from tfctc.comparison.grid import Grid
from tfctc.comparison.plan import Arm, Plan
from tfctc.comparison.results import Outcome

ARMS = {
    "brightfield": Arm({"mode": "brightfield"}),
    "self-training": Arm({"mode": "self-training"}, teachers="brightfield"),
    "distilled": Arm({}),
}


@pytest.fixture
def pool():
    return AtOnce()


@pytest.fixture
def plan():
    return Plan(ARMS, budgets=(8, "all"), seeds=(0, 1), rivals=("self-training",), learning_rates=(1e-3, 3e-3))


@pytest.fixture
def grid(plan, tiny_dataset, tmp_path):
    return Grid.open(plan, tiny_dataset, tmp_path)


@pytest.fixture
def untrained(monkeypatch):
    """A run's figures depend on its settings alone; of the two learning rates the larger is better on validation."""

    def do(config, folder, judge):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run.json").write_text("{}")
        figure = {"brightfield": 0.7, "self-training": 0.75, "distilled": 0.8}[config.mode] + 0.01 * config.seed
        test = (figure, figure / 2, *([0.9, 0.45] if config.mode == "distilled" else [])) if judge else ()
        return Outcome("", figure + config.training.learning_rate, 1, 2, 60.0, *test)

    monkeypatch.setattr("tfctc.comparison.run._do", do)
    monkeypatch.setattr("tfctc.comparison.run._prepare", lambda config: None)
