"""Folds of a cross-validation: every patient once, nobody in two splits, both classes where a model learns."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from made_up import write_cells
from small_runs import changed

from tfctc.cells import SPLITS, Cell, DatasetFacts
from tfctc.config import CrossValidationConfig, RunConfig, SplitConfig
from tfctc.data.folds import describe_folds, make_folds
from tfctc.data.manifest import Manifest
from tfctc.data.splits import Splits
from tfctc.errors import ConfigError, SplitError

FACTS = DatasetFacts("few", bit_depth=8, image_size=(2, 2))


def cohort(folder, counts, sites=("",)):
    """A data set with so many (leukocytes, ctc, unlabelled cells) of each patient."""
    cells = []
    for i, (patient, numbers) in enumerate(counts.items()):
        for label, count in zip((*FACTS.classes, ""), numbers, strict=True):
            for k in range(count):
                name = f"{patient}-{label}{k}"
                cells.append(Cell(name, patient, sites[i % len(sites)], f"{name}.png", "", label))
    folder.mkdir()
    return Manifest.open(write_cells(folder, FACTS, cells))


def settings(folds, seed=0, repeats=1, **split):
    return RunConfig(seed=seed, split=SplitConfig(**split), cross_validation=CrossValidationConfig(folds, repeats))


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """40 patients with 3 to 30 cells; a quarter have leukocytes alone, and two have no label."""
    rng = np.random.default_rng(0)
    counts = {}
    for i in range(40):
        cells = int(rng.integers(3, 30))
        positive = 0 if i % 4 == 0 else int(cells * rng.uniform(0.2, 0.6))
        counts[f"p{i:02}"] = (cells - positive, positive, 1)
    counts |= {"u0": (0, 0, 4), "u1": (0, 0, 1)}
    return cohort(tmp_path_factory.mktemp("folds") / "data", counts, sites=("A", "B", "C"))


def holders(manifest, patients):
    """Classes among the cells of some patients, from the cells alone."""
    return {cell.label for cell in manifest.index if cell.patient_id in patients and cell.label}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(("folds", "number"), [(2, 2), (5, 5), ("patient", 40), ("site", 3)])
def test_every_labelled_patient_is_tested_once_by_a_model_that_has_not_seen_it(uneven, folds, number, seed):
    made = make_folds(uneven, settings(folds, seed))
    assert [fold.name for fold in made] == [f"0-{i}" for i in range(number)]
    labelled = {cell.patient_id for cell in uneven.index if cell.label}
    tested = Counter(name for fold in made for name in fold.patients("test"))
    assert tested == dict.fromkeys(labelled, 1) | ({"u0": 1, "u1": 1} if folds == "site" else {})
    for fold in made:
        assert fold.assignment.keys() == set(uneven.index.names["patient_id"])
        for split in ("train", "validation"):
            assert holders(uneven, fold.patients(split)) == set(FACTS.classes)


def test_folds_are_about_equal_and_stratified(uneven):
    groups = uneven.groups("patient_id")
    totals = sum(groups.values(), Counter())
    for fold in make_folds(uneven, settings(5)):
        for label in FACTS.classes:
            share = sum(groups[name][label] for name in fold.patients("test")) / totals[label]
            assert share == pytest.approx(0.2, abs=0.06)
            rest = sum(groups[name][label] for name in fold.patients("validation"))
            assert rest / totals[label] == pytest.approx(0.2 * 0.8, abs=0.06)


def test_sites_are_tested_whole(uneven):
    for fold, site in zip(make_folds(uneven, settings("site")), "ABC", strict=True):
        assert set(fold.patients("test")) == {cell.patient_id for cell in uneven.index if cell.site == site}
    # The same where whole sites are split.
    for fold in make_folds(uneven, settings("site", by="site")):
        sites = {split: {c.site for c in uneven.index if fold.assignment[c.patient_id] == split} for split in SPLITS}
        assert [len(names) for names in sites.values()] == [1, 1, 1]


def test_repeats_differ_and_the_first_stays_the_same(uneven):
    once, twice = make_folds(uneven, settings(3)), make_folds(uneven, settings(3, repeats=2))
    assert [fold.name for fold in twice] == ["0-0", "0-1", "0-2", "1-0", "1-1", "1-2"]
    assert [dict(fold.assignment) for fold in twice[:3]] == [dict(fold.assignment) for fold in once]
    parts = [{frozenset(fold.patients("test")) for fold in twice if fold.repeat == repeat} for repeat in (0, 1)]
    assert parts[0] != parts[1]
    assert [dict(fold.assignment) for fold in make_folds(uneven, settings(3))] == [dict(f.assignment) for f in once]
    assert make_folds(uneven, settings(3, seed=1))[0].patients("test") != once[0].patients("test")


def test_a_class_in_three_patients_is_kept_out_of_one_fold(tmp_path):
    """Otherwise a fold would have no such patient left for validation."""
    counts = {f"p{i}": (5, 4 if i < 3 else 0, 0) for i in range(9)}
    manifest = cohort(tmp_path / "data", counts)
    for seed in range(5):
        tested = [len({"p0", "p1", "p2"} & set(f.patients("test"))) for f in make_folds(manifest, settings(3, seed))]
        assert max(tested) == 1
    few = cohort(tmp_path / "few", {f"p{i}": (5, 4 if i < 2 else 0, 0) for i in range(9)})
    for folds in (3, "patient"):
        with pytest.raises(SplitError, match=r"fold 0-\d, which tests .*: \d patients .* [01] with ctc\) cannot"):
            make_folds(few, settings(folds))


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        (41, r"40 patient\(s\) with labels cannot be split into 41 folds; lower --folds to 40 or less"),
        ("site", r"1 fold\(s\) by site cannot test every patient; two or more"),
    ],
)
def test_folds_that_cannot_be_are_refused(uneven, tmp_path, folds, message):
    manifest = uneven if folds != "site" else cohort(tmp_path / "d", {f"p{i}": (3, 3, 0) for i in range(6)}, ("A", "A"))
    with pytest.raises(SplitError, match=message):
        make_folds(manifest, settings(folds))


def test_a_patient_at_two_sites_is_a_reason_to_leave_out_patients(tiny_dataset, tmp_path):
    data = Manifest.open(changed(tiny_dataset, tmp_path / "data", lambda rows: rows[0].update(site="site1")))
    with pytest.raises(SplitError, match="p00 has cells in site .* or choose --folds patient"):
        make_folds(data, settings("site"))
    assert len(make_folds(data, settings("patient"))) == 12


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"folds": 1}, 'whole number of 2 or more, "patient" or "site", got 1'),
        ({"folds": "block"}, "got 'block'"),
        ({"folds": True}, "got True"),
        ({"folds": "patient", "repeats": 2}, "repeats needs a number of folds, got folds 'patient'"),
        ({"fold": "0-1"}, "cross_validation.folds, which is not set"),
    ],
)
def test_settings_that_cannot_be_are_refused(values, message):
    with pytest.raises(ConfigError, match=message):
        CrossValidationConfig(**values)


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ({"test_site": "A"}, "tests every patient, and split.test_site says whom to test; leave out one of the two"),
        ({"file": "a.csv"}, "split.file says whom"),
        ({"by": "site"}, "patient folds need split.by patient_id, got site; --folds site"),
    ],
)
def test_folds_and_given_splits_contradict_each_other(split, message):
    with pytest.raises(ConfigError, match=message):
        settings("patient", **split)


def test_the_splits_of_a_fold_are_those_of_its_run(uneven):
    config = settings(5, seed=3)
    for fold in make_folds(uneven, config):
        own = replace(config, cross_validation=replace(config.cross_validation, fold=fold.name))
        assert Splits.make(uneven, own) == Splits("patient_id", fold.assignment)
    final = Splits.make(uneven, config)
    assert set(final.assignment.values()) == {"train", "validation"} and len(final.assignment) == 42
    with pytest.raises(ConfigError, match="'0-5' is no fold of the data set; choose one of: 0-0, 0-1"):
        Splits.make(uneven, replace(config, cross_validation=replace(config.cross_validation, fold="0-5")))


def test_the_description_counts_patients_and_cells(uneven):
    made = make_folds(uneven, settings(5))
    lines = describe_folds(uneven, made).splitlines()
    assert len(lines) == 5 and lines[0].startswith("fold 0-0")
    tested = set(made[0].patients("test"))
    ctc = sum(cell.label == "ctc" for cell in uneven.index if cell.patient_id in tested)
    assert f"tests {len(tested)} patients (" in lines[0] and f", {ctc} ctc)" in lines[0]
