"""Leakage: no model is tested on a patient that it, or the weights it began with, has been trained on."""

import json
import shutil
from dataclasses import dataclass, replace

import pytest
from made_up import made_up_cells, write_cells
from small_runs import LOGITS, changed, config, plan

from tfctc.cells import DatasetFacts
from tfctc.config import ModelConfig, RunConfig, SplitConfig, from_dict, to_dict
from tfctc.config.overrides import parse_assignment, with_changes
from tfctc.data.manifest import Manifest
from tfctc.errors import RunError, SplitError
from tfctc.io.files import write_json
from tfctc.runs.folder import RunFolder
from tfctc.runs.leakage import check_leakage, known_patients, training_cells
from tfctc.runs.patients import Person


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
    """The data set has lost patients since: the same seed splits the rest anew, and split.of keeps them."""

    def drop(rows):
        gone = sorted({row["patient_id"] for row in rows})[:3]
        rows[:] = [row for row in rows if row["patient_id"] not in gone]

    data = changed(tiny_dataset, tmp_path / "data", drop)
    with pytest.raises(RunError, match="keep its patients in their splits: --set split.of=") as refused:
        check(replace(heir, data=str(data)))
    key, value = parse_assignment(str(refused.value).rpartition("--set ")[2])
    check(from_dict(RunConfig, with_changes(to_dict(replace(heir, data=str(data))), {key: value})))


def test_other_weights_are_the_remedy_where_no_split_helps(heir, tmp_path, tiny_dataset, first):
    """All patients that are left have been trained on."""

    def keep(rows):
        rows[:] = [row for row in rows if first.record["patients"][row["patient_id"]] == "train"]

    data = changed(tiny_dataset, tmp_path / "data", keep)
    with pytest.raises(RunError, match="if not, leave out --init, or begin with the weights of another run"):
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
    earlier = {one["patient_id"]: one["split"] for one in between.record["earlier"] if one["population"] == ""}
    assert earlier == {name: split for name, split in first.record["patients"].items() if split != "test"}
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
    settings = config(tiny_dataset, distill=replace(LOGITS, folds=2))
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


def as_earlier_version(run):
    """Rewrites a run's record as early versions did: no sites, and patients of initial weights by population."""
    record = json.loads((run.folder / "run.json").read_text())
    elsewhere = {}
    for one in record.pop("earlier"):
        elsewhere.setdefault(one["population"], {})[one["patient_id"]] = one["split"]
    here = "" if not run.facts.simulated else run.config.data
    patients = record.pop("patients") | elsewhere.pop(here, {})
    write_json(run.folder / "run.json", {"patients": patients, "elsewhere": elsewhere})
    return RunFolder.open(run.folder)


def other_hospital(tiny_dataset, folder, site=None, prefix=""):
    """A data set of other people with the same ids, whose column site is set to `site` (None keeps it)."""

    def rename(rows):
        for row in rows:
            row["site"] = row["site"] if site is None else site
            row["patient_id"] = prefix + row["patient_id"]

    return changed(tiny_dataset, folder, rename)


def test_the_same_ids_at_other_sites_are_other_people(tiny_dataset, heir, first, tmp_path, caplog):
    data = other_hospital(tiny_dataset, tmp_path / "data", "elsewhere")
    with caplog.at_level("INFO", "tfctc"):
        record = check(replace(heir, data=str(data), seed=1))
    used = [name for name, split in first.record["patients"].items() if split != "test"]
    assert f"{len(used)} ids are in {first.folder} too, at other sites: they count as other people" in caplog.text
    assert set(map(tuple, record["sites"].values())) == {("elsewhere",)}
    assert {one["patient_id"] for one in record["earlier"]} == set(used)
    # The heir of both knows the people of both.
    between = Earlier(replace(heir, data=str(data), seed=1), tmp_path / "between").write()
    for place, own in ((str(data), between), (str(tiny_dataset), first)):
        with pytest.raises(RunError, match="between: has been trained on patient p.., whom"):
            check(begin_with(between.folder, replace(heir, data=place, seed=2)))
        held_out = {name for name, split in own.record["patients"].items() if split == "test"}
        found = training_cells(between).known_patients(Manifest.open(place))
        assert found == sorted(own.record["patients"].keys() - held_out)


@pytest.mark.parametrize(
    ("old", "site", "remedy"),
    [
        (False, "", "name their sites in column site of .*manifest.csv .tfctc import: --site-column., other than"),
        (False, None, "give them other ids in column patient_id of .*manifest.csv, such as tiny-p"),
        (True, "elsewhere", "give them other ids in column patient_id of .*manifest.csv, such as tiny-p"),
    ],
    ids=["no site here", "the same sites", "no site there"],
)
def test_namesakes_are_refused_with_a_remedy_that_works(tiny_dataset, heir, first, tmp_path, old, site, remedy):
    if old:
        as_earlier_version(first)
    data = other_hospital(tiny_dataset, tmp_path / "data", site)
    with pytest.raises(RunError, match=f"if they are other people, {remedy}"):
        check(replace(heir, data=str(data), seed=1))
    followed = {"site": "elsewhere"} if "site of" in remedy else {"prefix": "tiny-"}
    check(replace(heir, data=str(other_hospital(data, tmp_path / "followed", **followed)), seed=1))


def test_records_of_early_versions_are_read(tiny_dataset, heir, first, tmp_path):
    simulated = shutil.copytree(tiny_dataset, tmp_path / "simulated", ignore=shutil.ignore_patterns("tfrecords"))
    facts = json.loads((simulated / "dataset.json").read_text())
    write_json(simulated / "dataset.json", facts | {"simulated": True})
    between = Earlier(replace(heir, data=str(simulated), seed=1), tmp_path / "between").write()
    expected = known_patients(between).splits
    old = as_earlier_version(between)
    assert old.record["elsewhere"][""] and {
        (person.key, split) for person, split in known_patients(old).splits.items()
    } == {(person.key, split) for person, split in expected.items()}


def test_a_patient_at_two_sites_is_one_person():
    one, other = Person("", "P1", ("a", "b")), Person("", "p1", ("B", "c"))
    assert one.is_same(other) and other.is_same(one)
    assert one.is_same(Person("", "P1")) and one.is_same(Person("", "P1", ("", "c")))
    assert not one.is_same(Person("", "P1", ("c",))) and not one.is_same(Person("", "P2", ("a",)))
    assert not one.is_same(Person("simulated/a", "P1", ("a", "b")))


def test_where_sites_are_split_a_patient_at_two_is_refused_with_a_remedy_that_works(tiny_dataset, tmp_path):
    def move(rows):
        rows[0]["site"] = "site2"

    data = changed(tiny_dataset, tmp_path / "data", move)
    settings = config(data, "brightfield")
    with pytest.raises(SplitError, match="p00 has cells in site 'site2' and 'site0'; .*--set split.by=patient_id"):
        plan(replace(settings, split=SplitConfig("site", 0.3, 0.3)))
    assert len(plan(replace(settings, split=SplitConfig("patient_id", 0.3, 0.3))).splits.assignment) == 12
