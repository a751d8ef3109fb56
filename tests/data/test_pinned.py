"""Pinned splits: patients stay where a table, a column, a site or an earlier run puts them; the others are assigned."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from made_up import edit_manifest, made_up_cells, write_cells
from small_runs import changed

from tfctc.cells import SPLITS, DatasetFacts
from tfctc.config import RunConfig, SplitConfig
from tfctc.data.assignment import assign_rest, assign_validation
from tfctc.data.manifest import Manifest
from tfctc.data.splits import Splits
from tfctc.errors import ConfigError, ManifestError, SplitError

FACTS = DatasetFacts("few")
PATIENTS = [f"p{i:02}" for i in range(12)]
WANTED = dict(zip(PATIENTS, ["test"] * 3 + ["validation"] * 2 + ["train"] * 7, strict=True))


@pytest.fixture(scope="module")
def manifest(tiny_dataset):
    """48 cells of 12 patients at 3 sites."""
    return Manifest.open(tiny_dataset)


def table(path, splits, head="patient_id,split"):
    path.write_text("\n".join([head, *(f"{name},{split}" for name, split in splits.items())]) + "\n")
    return RunConfig(split=SplitConfig(file=str(path)))


def with_column(data, folder, splits):
    """A copy of the data set with the column `split`."""
    copied = changed(data, folder, lambda rows: None)
    lines = (copied / "manifest.csv").read_text().splitlines()
    patient = lines[0].split(",").index("patient_id")
    values = ["split", *(splits.get(line.split(",")[patient], "") for line in lines[1:])]
    rows = [f"{line},{value}" for line, value in zip(lines, values, strict=True)]
    (copied / "manifest.csv").write_text("\n".join(rows) + "\n")
    return copied


def test_a_table_gives_the_splits(manifest, tmp_path):
    listed = {name.upper(): split for name, split in WANTED.items()} | {"stranger": "test"}
    assert Splits.make(manifest, table(tmp_path / "splits.csv", listed)).assignment == WANTED


def test_a_patient_with_an_empty_split_is_assigned(manifest, tmp_path):
    some = {name: split if i % 2 else "" for i, (name, split) in enumerate(WANTED.items())}
    made = [Splits.make(manifest, replace(table(tmp_path / "splits.csv", some), seed=seed)) for seed in range(5)]
    for splits in made:
        assert splits.assignment.keys() == WANTED.keys()
        assert all(splits.assignment[name] == split for name, split in some.items() if split)
        sizes = Counter(splits.assignment.values())
        assert sizes["train"] == 7 and sorted(sizes.values()) == [2, 3, 7]  # Shares of 0.6, 0.2, 0.2 of 12 patients.
    assert len({splits.digest for splits in made}) > 1
    assert Splits.make(manifest, replace(table(tmp_path / "splits.csv", some), seed=4)) == made[4]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda splits: splits.pop("p03"), r"1 patient of .* not listed: p03; add a line for each"),
        (lambda splits: splits.update(p03="dev"), r"line 5 has split 'dev'; use train, validation, test, or leave it"),
        (lambda splits: splits.update(P03="test"), r"P03 is in split validation on line 5, and in test on line 14"),
        (lambda splits: splits.update(p03="train", p04="train"), r"validation split would have no cell of class leuk"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(manifest, tmp_path, change, message):
    splits = dict(WANTED)
    change(splits)
    with pytest.raises(SplitError, match=message):
        Splits.make(manifest, table(tmp_path / "splits.csv", splits))


def test_the_column_of_a_manifest_gives_the_splits(tiny_dataset, manifest, tmp_path):
    some = {name: split for name, split in WANTED.items() if name != "p05"}
    pinned = Manifest.open(with_column(tiny_dataset, tmp_path / "data", some))
    assert pinned.pinned == some and [cell.cell_id for cell in pinned.index] == [c.cell_id for c in manifest.index]
    assert Splits.make(pinned, RunConfig()).assignment == WANTED
    assert pinned.digest != manifest.digest
    # An empty column changes nothing.
    empty = Manifest.open(with_column(tiny_dataset, tmp_path / "empty", {}))
    assert not empty.pinned and empty.digest == manifest.digest
    for config, named in (
        (table(tmp_path / "splits.csv", WANTED), "split.file"),
        (RunConfig(split=SplitConfig(test_site="site1")), "split.test_site"),
    ):
        with pytest.raises(SplitError, match=f"its column split gives the splits, and {named} is set; leave out one"):
            Splits.make(pinned, config)
    with pytest.raises(SplitError, match=r"splits are given by patient, and split.by is site; --set split.by=patient"):
        Splits.make(pinned, RunConfig(split=SplitConfig("site")))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("Testing", r"line 3 \(cell .*\) has split 'Testing'; use train, validation, test, or leave it empty"),
        ("train", r"patient p00 is in split test on line 2, and in train on line 3; write one split on all lines"),
        ("", r"patient p00 is in split test on line 2, and in none on line 3"),
    ],
)
def test_a_column_that_contradicts_itself_is_refused(tiny_dataset, tmp_path, value, message):
    data = with_column(tiny_dataset, tmp_path / "data", WANTED)
    edit_manifest(data, lambda rows: rows[1].update(split=value))
    with pytest.raises(ManifestError, match=message):
        Manifest.open(data)


@pytest.mark.parametrize("by", ["patient_id", "site"])
def test_a_test_site_is_tested_alone(manifest, by):
    found = Splits.make(manifest, RunConfig(split=SplitConfig(by, 0.25, 0.5, test_site="Site1")))
    for cell in manifest.index:
        assert (found.of(cell) == "test") == (cell.site == "site1")
    groups = Counter(found.assignment.values())
    assert groups == ({"train": 4, "validation": 4, "test": 4} if by == "patient_id" else dict.fromkeys(SPLITS, 1))


def test_a_patient_of_the_test_site_who_has_cells_elsewhere_is_tested(tiny_dataset, tmp_path):
    data = changed(tiny_dataset, tmp_path / "data", lambda rows: rows[0].update(site="site1"))
    found = Splits.make(Manifest.open(data), RunConfig(split=SplitConfig(test_site="site1")))
    assert {name for name, split in found.assignment.items() if split == "test"} == {"p00", "p01", "p04", "p07", "p10"}


def test_sites_that_cannot_be_tested_are_refused(manifest, tmp_path):
    with pytest.raises(SplitError, match="has no site 'site9'; its sites are site0, site1, site2"):
        Splits.make(manifest, RunConfig(split=SplitConfig(test_site="site9")))
    facts = DatasetFacts("tiny", bit_depth=12, image_size=(16, 16))
    cells = [replace(c, label="" if c.site == "site1" and c.label == "ctc" else c.label) for c in made_up_cells(facts)]
    one_class = Manifest.open(write_cells(tmp_path / "data", facts, cells))
    with pytest.raises(SplitError, match="test split would have no cell of class ctc; patients with such cells: p00"):
        Splits.make(one_class, RunConfig(split=SplitConfig(test_site="site1")))


def test_splits_are_given_in_one_way():
    with pytest.raises(ConfigError, match="given in one way, got split.file and split.test_site; leave out split.file"):
        SplitConfig(file="splits.csv", test_site="A")


@pytest.mark.parametrize("seed", range(10))
def test_the_shares_come_out_around_the_patients_who_stay(seed):
    """A cohort that has grown to twice its size: the old patients are split in another way than is wanted."""
    rng = np.random.default_rng(seed)
    groups = {}
    for i in range(60):
        cells = int(rng.integers(20, 60))
        positive = int(cells * rng.uniform(0.1, 0.5)) if i % 5 else 0
        groups[f"p{i}"] = Counter({"ctc": positive, "leukocyte": cells - positive})
    old = [f"p{i}" for i in range(30)]
    pinned = dict(zip(old, rng.permutation(["train"] * 20 + ["validation"] * 3 + ["test"] * 7).tolist(), strict=True))
    assignment = assign_rest(groups, pinned, FACTS, SplitConfig(), seed)
    assert assignment.keys() == groups.keys() and assignment.items() >= pinned.items()
    for label in FACTS.classes:
        total = sum(counts[label] for counts in groups.values())
        for split, share in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
            held = sum(counts[label] for name, counts in groups.items() if assignment[name] == split)
            assert held / total == pytest.approx(share, abs=0.06)


def test_train_and_validation_alone():
    groups = {name: Counter(ctc=3, leukocyte=5) for name in PATIENTS} | {"u": Counter({"": 9})}
    assignment = assign_validation(groups, FACTS, 0.25, 0)
    assert Counter(assignment.values()) == {"train": 10, "validation": 3} and assignment["u"] == "train"
    lacking = {"a": Counter(ctc=3, leukocyte=5), "b": Counter(leukocyte=5), "c": Counter(leukocyte=5)}
    with pytest.raises(SplitError, match=r"3 patients \(3 with leukocyte and 1 with ctc\) cannot be split"):
        assign_validation(lacking, FACTS, 0.25, 0)
