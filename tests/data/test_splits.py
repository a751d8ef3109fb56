"""Splits: whole groups, both classes everywhere, the same for a seed."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from tfctc.cells import SPLITS, DatasetFacts
from tfctc.config import RunConfig, SplitConfig, TrainingConfig
from tfctc.data import assignment as assigning
from tfctc.data.assignment import assign_folds, assign_groups
from tfctc.data.manifest import Manifest
from tfctc.data.splits import Splits
from tfctc.errors import SplitError

FACTS = DatasetFacts("few")


def uneven_groups(n=40, seed=0):
    """Patients with 5 to 100 cells; some have one class only, as donors do."""
    rng = np.random.default_rng(seed)
    groups = {}
    for i in range(n):
        cells, share = int(rng.integers(5, 100)), (0.0 if i % 4 == 0 else rng.uniform(0.1, 0.5))
        positive = int(cells * share)
        groups[f"p{i}"] = Counter({"ctc": positive, "leukocyte": cells - positive, "": 30})
    return groups


@pytest.mark.parametrize("most_rows", [100, 50_000])
@pytest.mark.parametrize("seed", range(20))
def test_shares_and_strata_come_out(seed, most_rows, monkeypatch):
    """Also where cells are too many to be split one by one."""
    monkeypatch.setattr(assigning, "MOST_ROWS", most_rows)
    groups = uneven_groups()
    assignment = assign_groups(groups, FACTS, SplitConfig(), seed)
    assert assignment.keys() == groups.keys()
    totals = {split: Counter() for split in SPLITS}
    for group, split in assignment.items():
        totals[split] += groups[group]
    labelled = sum(g["ctc"] + g["leukocyte"] for g in groups.values())
    overall = sum(g["ctc"] for g in groups.values()) / labelled
    for split, share in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
        cells = totals[split]["ctc"] + totals[split]["leukocyte"]
        assert cells / labelled == pytest.approx(share, abs=0.08)
        assert totals[split]["ctc"] / cells == pytest.approx(overall, abs=0.1)


@pytest.mark.parametrize("shares", [(0.2, 0.7), (0.3, 0.3), (0.1, 0.4), (0.6, 0.2), (0.05, 0.05)])
@pytest.mark.parametrize("seed", range(5))
def test_any_share_is_come_near_to(seed, shares):
    groups = uneven_groups(80)
    assignment = assign_groups(groups, FACTS, SplitConfig("patient_id", *shares), seed)
    cells = {group: counts["ctc"] + counts["leukocyte"] for group, counts in groups.items()}
    for split, share in zip(("validation", "test"), shares, strict=True):
        held = sum(n for group, n in cells.items() if assignment[group] == split)
        assert held / sum(cells.values()) == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("share", [0.2, 0.25, 0.33, 0.5])
def test_a_share_of_one_nth_is_one_fold_of_scikit_learns(share):
    """So that every later version makes the same split."""
    numbers, labels = np.repeat(np.arange(40), 5), np.tile([0, 1, 0, 0, 1], 40)
    splitter = StratifiedGroupKFold(round(1 / share), shuffle=True, random_state=3)
    expected = [set(numbers[held].tolist()) for _, held in splitter.split(numbers, labels, numbers)]
    found = list(assigning.held_out_sets(numbers, labels, share, 3))
    assert found[: len(expected)] == expected


def test_cells_of_a_class_are_counted_in_steps_if_they_are_many(monkeypatch):
    numbers, labels, counts = np.array([[0, 0, 400], [0, 1, 3], [1, 0, 599], [2, 0, 1]]).T
    monkeypatch.setattr(assigning, "MOST_ROWS", 100)
    rows = Counter(zip(*(column.tolist() for column in assigning._rows(numbers, labels, counts)), strict=True))
    assert rows == {(0, 0): 40, (0, 1): 3, (1, 0): 60, (2, 0): 1}


def test_a_seed_decides():
    groups = uneven_groups()
    assert assign_groups(groups, FACTS, SplitConfig(), 5) == assign_groups(groups, FACTS, SplitConfig(), 5)
    assert len({tuple(assign_groups(groups, FACTS, SplitConfig(), s).items()) for s in range(10)}) > 5


def test_groups_without_labels_only_teach():
    groups = uneven_groups(12) | {"u1": Counter({"": 50}), "u2": Counter({"": 1})}
    assignment = assign_groups(groups, FACTS, SplitConfig(), 0)
    assert assignment["u1"] == assignment["u2"] == "train"


def test_folds_are_of_whole_groups_and_leave_none_out():
    """A group without labels has a fold too: the teacher of that fold teaches its cells."""
    labelled, unlabelled = uneven_groups(12), {f"u{i}": Counter({"": 9}) for i in range(6)}
    folds = assign_folds(labelled | unlabelled, FACTS, 3, 0)
    assert folds.keys() == labelled.keys() | unlabelled.keys()
    assert Counter(folds[group] for group in unlabelled) == {0: 2, 1: 2, 2: 2}
    for fold in range(3):
        held = sum((labelled[group] for group in labelled if folds[group] == fold), Counter())
        assert held["ctc"] and held["leukocyte"]
    with pytest.raises(SplitError, match=r"12 training patient\(s\) with labels cannot be split into 13 folds"):
        assign_folds(labelled | unlabelled, FACTS, 13, 0)


def test_folds_need_as_many_cells_of_a_class_too():
    """scikit-learn's own answer is a ValueError."""
    few = {"a": Counter(ctc=1), "b": Counter(ctc=1), "c": Counter(leukocyte=1), "d": Counter(leukocyte=1)}
    with pytest.raises(
        SplitError, match=r"2 training cell\(s\) of a class cannot be split into 3 folds; lower .* to 2"
    ):
        assign_folds(few, FACTS, 3, 0)
    assert sorted(assign_folds(few, FACTS, 2, 0).values()) == [0, 0, 1, 1]


@pytest.mark.parametrize("seed", range(10))
def test_three_groups_are_the_fewest(seed):
    both = Counter(ctc=5, leukocyte=5)
    assignment = assign_groups({"a": both, "b": both, "c": both}, FACTS, SplitConfig(), seed)
    assert sorted(assignment.values()) == sorted(SPLITS)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"a": {"ctc": 9, "leukocyte": 9}}, r"1 patient\(s\) cannot be split into train, validation, test; 3 or more"),
        ({g: {"leukocyte": 9} for g in "abcd"}, "class ctc has no cell"),
        ({g: {"leukocyte": 9, "ctc": int(g < "c")} for g in "abcd"}, r"class ctc occurs in 2 patient\(s\) only"),
        ({g: {"leukocyte": 9} for g in "abc"} | {g: {"ctc": 9} for g in "def"}, None),
    ],
)
def test_too_little_is_refused_or_split_whole(groups, message):
    if message:
        with pytest.raises(SplitError, match=message):
            assign_groups(groups, FACTS, SplitConfig(), 0)
    else:
        assignment = assign_groups(groups, FACTS, SplitConfig(), 0)
        for split in SPLITS:
            assert set().union(*(groups[g] for g, s in assignment.items() if s == split)) == {"leukocyte", "ctc"}


def test_groups_that_are_no_patients_have_their_own_words():
    facts = DatasetFacts("few", group="block of cells")
    for groups in ({"a": {"ctc": 9}}, {g: {"leukocyte": 9, "ctc": int(g < "c")} for g in "abcd"}):
        with pytest.raises(SplitError, match=r"(3|more) blocks of cells"):
            assign_groups(groups, facts, SplitConfig(), 0)


@pytest.fixture(scope="module")
def manifest(tiny_dataset):
    """48 cells of 12 patients at 3 sites."""
    return Manifest.open(tiny_dataset)


def test_the_splits_of_a_run_are_those_of_its_seed(manifest):
    groups = manifest.groups("patient_id")
    for config, seed in ((RunConfig(seed=4), 4), (RunConfig(seed=4, split=SplitConfig(seed=9)), 9)):
        made = Splits.make(manifest, config)
        assert made == Splits("patient_id", assign_groups(groups, manifest.facts, config.split, seed))
        assert made == Splits.make(manifest, config)
    shares = SplitConfig(validation=0.25, test=0.5)
    assert Counter(Splits.make(manifest, RunConfig(split=shares)).assignment.values()) == {
        "train": 3, "validation": 3, "test": 6,
    }  # fmt: skip


def test_folds_are_those_of_the_training_groups(manifest):
    one, several = Splits.make(manifest, RunConfig()), Splits.make(manifest, RunConfig(), folds=3)
    assert one.folds == {} and several.assignment == one.assignment
    training = {group for group, split in one.assignment.items() if split == "train"}
    assert several.folds.keys() == training and set(several.folds.values()) == {0, 1, 2}


def test_the_split_of_a_cell_and_the_mask_agree_with_the_assignment(manifest):
    for by in ("patient_id", "site"):
        made = Splits.make(manifest, RunConfig(split=SplitConfig(by)))
        expected = [made.assignment[getattr(cell, by)] for cell in manifest.cells()]
        assert [made.of(cell) for cell in manifest.cells()] == expected and set(expected) == set(SPLITS)
        for split in SPLITS:
            mask = made.mask(manifest, split)
            assert mask.dtype == bool and mask.tolist() == [name == split for name in expected]


def test_the_digest_is_of_the_assignment_and_the_folds(manifest):
    made = Splits.make(manifest, RunConfig(), folds=2)
    group = next(iter(made.folds))
    others = [
        replace(made, assignment=dict(made.assignment) | {group: "test"}),
        replace(made, folds=dict(made.folds) | {group: 1 - made.folds[group]}),
        replace(made, folds={}),
        replace(made, by="site"),
    ]
    assert len({made.digest, *(other.digest for other in others)}) == 5
    turned = replace(made, assignment=dict(reversed(made.assignment.items())))
    budget = RunConfig(training=TrainingConfig(label_budget=8))
    assert turned.digest == Splits.make(manifest, budget, folds=2).digest == made.digest


@pytest.mark.parametrize("folds", [1, 2])
def test_splits_survive_json(manifest, folds):
    made = Splits.make(manifest, RunConfig(), folds)
    values = json.loads(json.dumps(made.to_dict()))
    assert values.keys() == {"by", "groups"} | ({"folds"} if folds > 1 else set())
    again = Splits.from_dict(values)
    assert again == made and again.digest == made.digest


def test_a_file_of_an_earlier_version_is_read():
    """Written before folds, and with them."""
    old = {"by": "site", "groups": {"s1": "train", "s2": "validation", "s3": "test", "s4": "train"}}
    assert Splits.from_dict(old) == Splits("site", old["groups"])
    assert Splits.from_dict(old | {"folds": {"s1": 0, "s4": 1}}).folds == {"s1": 0, "s4": 1}
    assert Splits.from_dict(old).to_dict() == old


@pytest.mark.parametrize("seed", range(10))
def test_every_split_has_the_third_class_where_three_groups_have_it(seed):
    three = DatasetFacts("x", other=True)
    groups = {f"p{i:02}": Counter(leukocyte=10, ctc=10, other=5 * (i in (2, 7, 11, 12))) for i in range(15)}
    home = assign_groups(groups, three, SplitConfig(), seed)
    assert {home[name] for name in ("p02", "p07", "p11", "p12")} == set(SPLITS)
    assert {home[name] for name in groups} == set(SPLITS)
    two = {name: Counter({k: n for k, n in own.items() if k != "other"}) for name, own in groups.items()}
    few = {name: own + Counter(other=5 * (name == "p02")) for name, own in two.items()}
    plain = assign_groups(two, DatasetFacts("x"), SplitConfig(), seed)
    assert assign_groups(few, three, SplitConfig(), seed) == plain
    alone = assign_groups(two | {"q": Counter(other=4)}, three, SplitConfig(), seed)
    assert alone == plain | {"q": "train"}
