"""Dealing: whole groups, both classes everywhere, the same for a seed."""

from collections import Counter

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from tfctc.cells import SPLITS, DatasetFacts
from tfctc.config import SplitConfig
from tfctc.data import splits
from tfctc.data.splits import deal, deal_folds
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
    """Also where cells are too many to be dealt one by one."""
    monkeypatch.setattr(splits, "MOST_ROWS", most_rows)
    groups = uneven_groups()
    assignment = deal(groups, FACTS, SplitConfig(), seed)
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
    assignment = deal(groups, FACTS, SplitConfig("patient_id", *shares), seed)
    cells = {group: counts["ctc"] + counts["leukocyte"] for group, counts in groups.items()}
    for split, share in zip(("validation", "test"), shares, strict=True):
        held = sum(n for group, n in cells.items() if assignment[group] == split)
        assert held / sum(cells.values()) == pytest.approx(share, abs=0.05)


@pytest.mark.parametrize("share", [0.2, 0.25, 0.33, 0.5])
def test_a_share_of_one_nth_is_one_fold_of_scikit_learns(share):
    """So that a deal once made is made again by every later version."""
    numbers, labels = np.repeat(np.arange(40), 5), np.tile([0, 1, 0, 0, 1], 40)
    splitter = StratifiedGroupKFold(round(1 / share), shuffle=True, random_state=3)
    expected = [set(numbers[held].tolist()) for _, held in splitter.split(numbers, labels, numbers)]
    found = list(splits._folds(numbers, labels, share, 3))
    assert found[: len(expected)] == expected


def test_cells_of_a_class_are_counted_in_steps_if_they_are_many(monkeypatch):
    numbers, labels, counts = np.array([[0, 0, 400], [0, 1, 3], [1, 0, 599], [2, 0, 1]]).T
    monkeypatch.setattr(splits, "MOST_ROWS", 100)
    rows = Counter(zip(*(column.tolist() for column in splits._rows(numbers, labels, counts)), strict=True))
    assert rows == {(0, 0): 40, (0, 1): 3, (1, 0): 60, (2, 0): 1}


def test_a_seed_decides():
    groups = uneven_groups()
    assert deal(groups, FACTS, SplitConfig(), 5) == deal(groups, FACTS, SplitConfig(), 5)
    assert len({tuple(deal(groups, FACTS, SplitConfig(), s).items()) for s in range(10)}) > 5


def test_groups_without_labels_only_teach():
    groups = uneven_groups(12) | {"u1": Counter({"": 50}), "u2": Counter({"": 1})}
    assignment = deal(groups, FACTS, SplitConfig(), 0)
    assert assignment["u1"] == assignment["u2"] == "train"


def test_folds_are_of_whole_groups_and_leave_none_out():
    """A group without labels has a fold too: its cells are taught by the teacher of that fold."""
    labelled, unlabelled = uneven_groups(12), {f"u{i}": Counter({"": 9}) for i in range(6)}
    folds = deal_folds(labelled | unlabelled, FACTS, 3, 0)
    assert folds.keys() == labelled.keys() | unlabelled.keys()
    assert Counter(folds[group] for group in unlabelled) == {0: 2, 1: 2, 2: 2}
    for fold in range(3):
        held = sum((labelled[group] for group in labelled if folds[group] == fold), Counter())
        assert held["ctc"] and held["leukocyte"]
    with pytest.raises(SplitError, match=r"12 training patient\(s\) with labels cannot be dealt to 13 folds"):
        deal_folds(labelled | unlabelled, FACTS, 13, 0)


def test_folds_need_as_many_cells_of_a_class_too():
    """scikit-learn's own answer is a ValueError."""
    few = {"a": Counter(ctc=1), "b": Counter(ctc=1), "c": Counter(leukocyte=1), "d": Counter(leukocyte=1)}
    with pytest.raises(SplitError, match=r"2 training cell\(s\) of a class cannot be dealt to 3 folds; lower .* to 2"):
        deal_folds(few, FACTS, 3, 0)
    assert sorted(deal_folds(few, FACTS, 2, 0).values()) == [0, 0, 1, 1]


@pytest.mark.parametrize("seed", range(10))
def test_three_groups_are_the_fewest(seed):
    both = Counter(ctc=5, leukocyte=5)
    assignment = deal({"a": both, "b": both, "c": both}, FACTS, SplitConfig(), seed)
    assert sorted(assignment.values()) == sorted(SPLITS)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"a": {"ctc": 9, "leukocyte": 9}}, r"1 patient\(s\) cannot be dealt"),
        ({g: {"leukocyte": 9} for g in "abcd"}, "class ctc has no cell"),
        ({g: {"leukocyte": 9, "ctc": int(g < "c")} for g in "abcd"}, r"class ctc occurs in 2 patient\(s\) only"),
        ({g: {"leukocyte": 9} for g in "abc"} | {g: {"ctc": 9} for g in "def"}, None),
    ],
)
def test_too_little_is_refused_or_dealt_whole(groups, message):
    if message:
        with pytest.raises(SplitError, match=message):
            deal(groups, FACTS, SplitConfig(), 0)
    else:
        assignment = deal(groups, FACTS, SplitConfig(), 0)
        for split in SPLITS:
            assert set().union(*(groups[g] for g, s in assignment.items() if s == split)) == {"leukocyte", "ctc"}
