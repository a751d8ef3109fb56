"""Leakage: no model is tested on a patient that it, or the weights it began with, has been trained on."""

import json
import shutil
from dataclasses import dataclass, replace

import pytest
from made_up import made_up_cells, write_cells
from small_runs import changed, config, plan

from tfctc.cells import DatasetFacts
from tfctc.config import DistillConfig, ModelConfig, RunConfig, SplitConfig, from_dict, to_dict
from tfctc.config.overrides import parse_assignment, with_changes
from tfctc.errors import RunError
from tfctc.io.files import write_json
from tfctc.runs.folder import RunFolder
from tfctc.runs.leakage import check_leakage


@dataclass
class Earlier:
    """A run folder of the settings, without networks: what a run leaves of the patients that it knows."""

    settings: object
    folder: object

    def write(self):
        planned, known = plan(self.settings), check(self.settings)
        self.folder.mkdir()
        write_json(self.folder / "config.json", to_dict(self.settings))
        write_json(self.folder / "dataset.json", to_dict(planned.manifest.facts))
        write_json(self.folder / "splits.json", planned.splits.to_dict())
        write_json(self.folder / "run.json", known)
        (self.folder / "student.keras").write_bytes(b"")
        return RunFolder.open(self.folder)


def check(settings):
    planned = plan(settings)
    initial = planned.recipe.initial_weights
    return check_leakage(planned.config, planned.manifest, planned.splits, initial, settings.distill.folds)


def begin_with(folder, settings, name="student.keras"):
    return replace(settings, student=ModelConfig("compact", weights=str(folder / name)))


@pytest.fixture
def first(tiny_dataset, tmp_path):
    return Earlier(config(tiny_dataset, "brightfield"), tmp_path / "first").write()


@pytest.fixture
def heir(tiny_dataset, first):
    """Settings of a run that begins with the first run's student."""
    return begin_with(first.folder, config(tiny_dataset, "brightfield"))


def test_initial_weights_that_know_the_patients_to_be_tested_are_refused(heir):
    with pytest.raises(RunError, match="trained on patient p.., whom this run would be tested or validated on"):
        check(replace(heir, seed=1))
    check(heir)


@pytest.mark.parametrize("split", [SplitConfig("patient_id", 0.25, 0.25, seed=3), SplitConfig("site", 0.3, 0.3)])
def test_the_remedy_helps_when_followed_to_the_letter(heir, split):
    """Whatever differs, the seed or the split: the message names the settings to fit with."""
    with pytest.raises(RunError, match="fit with the seed and split of that run: --seed 0") as refused:
        check(replace(heir, seed=1, split=split))
    _, _, remedy = str(refused.value).partition("--seed 0")
    changes = dict(parse_assignment(word) for word in remedy.split() if word != "--set")
    check(from_dict(RunConfig, with_changes(to_dict(replace(heir, seed=0, split=split)), changes)))


def test_no_seed_is_promised_where_none_helps(heir, tmp_path, tiny_dataset):
    """The data set has lost a patient since: the same seed splits the rest anew."""

    def drop(rows):
        gone = sorted({row["patient_id"] for row in rows})[:3]
        rows[:] = [row for row in rows if row["patient_id"] not in gone]

    data = changed(tiny_dataset, tmp_path / "data", drop)
    with pytest.raises(RunError, match="leave out --init, or begin with the weights of another run"):
        check(replace(heir, data=str(data)))


def test_patients_are_known_at_every_place(tiny_dataset, heir, tmp_path):
    moved = shutil.copytree(tiny_dataset, tmp_path / "moved", ignore=shutil.ignore_patterns("tfrecords"))
    with pytest.raises(RunError, match="would be tested or validated on"):
        check(replace(heir, data=str(moved), seed=1))


def test_patients_are_known_by_way_of_a_run_on_others(tiny_dataset, heir, tmp_path):
    def rename(rows):
        for row in rows:
            row["patient_id"] = f"x{row['patient_id']}"

    strangers = changed(tiny_dataset, tmp_path / "data", rename)
    between = Earlier(replace(heir, data=str(strangers)), tmp_path / "between").write()
    with pytest.raises(RunError, match="between: has been trained on patient p.., whom"):
        check(begin_with(between.folder, replace(heir, seed=1)))


@pytest.mark.parametrize("elsewhere", [shutil.copy, lambda source, place: place.symlink_to(source)])
def test_initial_weights_are_known_also_away_from_their_run(heir, first, tmp_path, elsewhere):
    elsewhere(first.folder / "student.keras", tmp_path / "best.keras")
    with pytest.raises(RunError, match="best.keras: does not tell which patients|trained on patient p.., whom"):
        check(replace(begin_with(tmp_path, heir, "best.keras"), seed=1))


def test_a_patient_spelt_in_another_way_is_the_same(tiny_dataset, heir, tmp_path):
    def capitals(rows):
        for row in rows:
            row["patient_id"] = row["patient_id"].upper()

    data = changed(tiny_dataset, tmp_path / "data", capitals)
    with pytest.raises(RunError, match="trained on patient P.., whom this run would be tested"):
        check(replace(heir, data=str(data), seed=1))


def test_patients_stay_known_by_way_of_simulated_cells(tiny_dataset, heir, first, tmp_path):
    simulated = shutil.copytree(tiny_dataset, tmp_path / "simulated", ignore=shutil.ignore_patterns("tfrecords"))
    facts = json.loads((simulated / "dataset.json").read_text())
    write_json(simulated / "dataset.json", facts | {"simulated": True})
    between = Earlier(replace(heir, data=str(simulated), seed=1), tmp_path / "between").write()
    assert between.record["elsewhere"][""].items() <= first.record["patients"].items()
    with pytest.raises(RunError, match="between: has been trained on patient p.., whom"):
        check(begin_with(between.folder, replace(heir, seed=1)))
    check(begin_with(between.folder, heir))


def test_two_simulations_share_no_patient(tmp_path):
    """Patients of both are called alike."""
    facts = DatasetFacts("made-up", bit_depth=12, image_size=(16, 16), mpp=0.64, simulated=True)
    one, other = (write_cells(tmp_path / name, facts, made_up_cells(facts)) for name in ("one", "other"))
    first = Earlier(config(one, "brightfield"), tmp_path / "first").write()
    check(begin_with(first.folder, replace(config(other, "brightfield"), seed=1)))
    with pytest.raises(RunError, match="has been trained on"):
        check(begin_with(first.folder, replace(config(one, "brightfield"), seed=1)))


def test_with_folds_no_teacher_begins_with_weights_that_know_the_patients(tiny_dataset, first):
    settings = config(tiny_dataset, distill=DistillConfig(folds=2))
    teacher = replace(settings.teacher, weights=str(first.folder / "student.keras"))
    with pytest.raises(RunError, match="with distill.folds a teacher must not know any.*--set student.weights="):
        check(replace(settings, teacher=teacher))
    check(begin_with(first.folder, settings))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda run: (run / "run.json").unlink(), "is not finished; continue it with: tfctc fit --resume"),
        (lambda run: write_json(run / "run.json", {}), "does not tell which patients it has been trained on"),
    ],
)
def test_initial_weights_of_a_run_that_does_not_tell_its_patients_are_refused(heir, first, spoil, message):
    spoil(first.folder)
    with pytest.raises(RunError, match=message):
        check(heir)
