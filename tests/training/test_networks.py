"""The networks of a run, and the schedules of their distillation losses."""

import numpy as np
import pytest
from small_runs import config, plan

from tfctc.training.networks import SCHEDULES, build_networks, model_to_train


@pytest.mark.parametrize(
    ("name", "factors"), [("constant", [1, 1, 1]), ("fade-in", [0, 0.5, 1]), ("fade-out", [1, 0.5, 0])]
)
def test_a_schedule_goes_the_way_its_name_says(name, factors):
    found = [float(SCHEDULES[name](np.float32(done))) for done in (0, 0.5, 1)]
    np.testing.assert_allclose(found, factors, atol=1e-6)


def test_networks_are_the_same_in_every_session(tiny_dataset):
    """A run that is resumed after its teacher begins with the same student."""
    recipe = plan(config(tiny_dataset)).recipe
    statistics = {"brightfield": (0.4, 0.2), "dapi": (0.3, 0.1)}
    first, again = (build_networks(recipe, (16, 16), statistics) for _ in range(2))
    assert list(first) == list(again) == ["teacher", "student"]
    for name, network in first.items():
        for one, two in zip(network.get_weights(), again[name].get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)


def test_a_stage_without_losses_trains_the_network_itself(tiny_dataset):
    recipe = plan(config(tiny_dataset)).recipe
    networks = build_networks(recipe, (16, 16), {"brightfield": (0.4, 0.2), "dapi": (0.3, 0.1)})
    teacher, student = recipe.stages
    assert model_to_train(recipe, teacher, networks, 10) is networks["teacher"]
    assert model_to_train(recipe, student, networks, 10) is not networks["student"]
