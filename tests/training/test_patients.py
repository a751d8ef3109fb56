"""Whom first weights may know."""

import json
import shutil
from dataclasses import replace

import pytest
from small_runs import changed, config, quiet

from tfctc.config import ModelConfig, SplitConfig
from tfctc.errors import RunError
from tfctc.files import write_json
from tfctc.training.fit import fit


@pytest.fixture(scope="module")
def first(tiny_dataset, tmp_path_factory):
    return fit(config(tiny_dataset, "brightfield"), tmp_path_factory.mktemp("first") / "run", quiet)


def test_first_weights_that_have_seen_the_patients_to_be_tested_are_refused(tiny_dataset, first, tmp_path):
    earlier = ModelConfig("compact", weights=str(first.folder / "student.keras"))
    other = replace(config(tiny_dataset, "brightfield"), student=earlier, seed=1)
    with pytest.raises(RunError, match="trained on patient p.., that this run would be judged by.*--seed 0"):
        fit(other, tmp_path / "run", quiet)
    assert not (tmp_path / "run").exists()
    fit(replace(other, seed=0), tmp_path / "run", quiet)
    # Nor at another place, nor dealt by something else, nor by way of a run on other patients.
    moved = shutil.copytree(tiny_dataset, tmp_path / "moved", ignore=shutil.ignore_patterns("tfrecords"))
    for change in ({"data": str(moved)}, {"split": SplitConfig("site", 0.3, 0.3)}):
        with pytest.raises(RunError, match="would be judged by"):
            fit(replace(other, **change), tmp_path / "again", quiet)
    strangers = changed(
        tiny_dataset, tmp_path / "data", lambda rows: [row.update(patient_id=f"x{row['patient_id']}") for row in rows]
    )
    between = fit(replace(other, data=str(strangers)), tmp_path / "between", quiet)
    heir = replace(other, student=replace(earlier, weights=str(between.folder / "student.keras")))
    with pytest.raises(RunError, match="between: has been trained on patient p.., that"):
        fit(heir, tmp_path / "again", quiet)


@pytest.mark.parametrize("elsewhere", [shutil.copy, lambda source, place: place.symlink_to(source)])
def test_first_weights_are_known_also_away_from_their_run(tiny_dataset, first, tmp_path, elsewhere):
    best = tmp_path / "best.keras"
    elsewhere(first.folder / "student.keras", best)
    settings = replace(config(tiny_dataset, "brightfield"), student=ModelConfig("compact", weights=str(best)), seed=1)
    with pytest.raises(RunError, match="best.keras: does not say whom it|trained on patient p.., that this run"):
        fit(settings, tmp_path / "run", quiet)


def test_a_patient_spelt_in_another_way_is_the_same(tiny_dataset, first, tmp_path):
    capitals = changed(
        tiny_dataset, tmp_path / "data", lambda rows: [row.update(patient_id=row["patient_id"].upper()) for row in rows]
    )
    earlier = ModelConfig("compact", weights=str(first.folder / "student.keras"))
    with pytest.raises(RunError, match="trained on patient P.., that this run would be judged by"):
        fit(replace(config(capitals, "brightfield"), student=earlier, seed=1), tmp_path / "run", quiet)


def test_patients_stay_known_by_way_of_simulated_cells(tiny_dataset, first, tmp_path):
    def begin_with(run, data, **settings):
        student = ModelConfig("compact", weights=str(run.folder / "student.keras"))
        return replace(config(data, "brightfield"), student=student, **settings)

    simulated = shutil.copytree(tiny_dataset, tmp_path / "simulated", ignore=shutil.ignore_patterns("tfrecords"))
    facts = json.loads((simulated / "dataset.json").read_text())
    write_json(simulated / "dataset.json", facts | {"simulated": True})
    between = fit(begin_with(first, simulated, seed=1), tmp_path / "between", quiet)
    assert between.record["elsewhere"][""].items() <= first.record["patients"].items()
    with pytest.raises(RunError, match="between: has been trained on patient p.., that this run would be judged by"):
        fit(begin_with(between, tiny_dataset, seed=1), tmp_path / "run", quiet)
    fit(begin_with(between, tiny_dataset), tmp_path / "run", quiet)


@pytest.mark.parametrize(
    "spoil,message",
    [
        (lambda run: (run / "run.json").unlink(), "is not finished; continue it with: tfctc fit --resume"),
        (lambda run: write_json(run / "run.json", {}), "does not say whom it has been trained on"),
    ],
)
def test_first_weights_of_a_run_that_does_not_say_whom_it_knows_are_refused(
    tiny_dataset, first, tmp_path, spoil, message
):
    earlier = shutil.copytree(first.folder, tmp_path / "earlier")
    spoil(earlier)
    settings = replace(
        config(tiny_dataset, "brightfield"), student=ModelConfig("compact", weights=str(earlier / "student.keras"))
    )
    with pytest.raises(RunError, match=message):
        fit(settings, tmp_path / "run", quiet)
