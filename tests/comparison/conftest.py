"""A grid on a tiny data set, and runs without training."""

import pytest
from at_once import AtOnce

from tfctc.comparison.grid import Grid
from tfctc.comparison.plan import Arm, Plan
from tfctc.comparison.results import Outcome
from tfctc.data.manifest import Manifest

#: The student reads the logits of a teacher network in every step.
LOGITS = {"distill": {"losses": {"logits": {}}}}
ARMS = {
    "brightfield": Arm({"mode": "brightfield"}),
    "self-training": Arm({"mode": "self-training", **LOGITS}, teachers="brightfield"),
    "distilled": Arm(LOGITS),
}


@pytest.fixture
def pool():
    return AtOnce()


@pytest.fixture
def plan():
    return Plan(ARMS, budgets=(8, "all"), seeds=(0, 1), rivals=("self-training",), learning_rates=(1e-3, 3e-3))


@pytest.fixture(scope="session")
def manifest(tiny_dataset):
    return Manifest.open(tiny_dataset)


@pytest.fixture
def grid(plan, manifest, tmp_path):
    return Grid.open(plan, manifest, tmp_path)


@pytest.fixture
def untrained(monkeypatch):
    """Runs whose metrics depend on their settings alone; on validation the larger learning rate is better."""

    def run_job(config, folder, test):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run.json").write_text("{}")
        auroc = {"brightfield": 0.7, "self-training": 0.75, "distilled": 0.8}[config.mode] + 0.01 * config.seed
        teacher = [0.9, 0.45] if config.mode == "distilled" else []
        metrics = (auroc, auroc / 2, *teacher) if test else ()
        return Outcome("", auroc + config.training.learning_rate, 1, 2, 60.0, *metrics)

    monkeypatch.setattr("tfctc.comparison.scheduler._run_job", run_job)
    monkeypatch.setattr("tfctc.comparison.scheduler._prepare_data", lambda configs: None)
    return run_job
