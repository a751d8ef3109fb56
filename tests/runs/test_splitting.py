"""split.of: patients of an earlier run stay in their splits, new ones are assigned."""

import shutil
from collections import Counter
from dataclasses import replace

import pytest
from made_up import made_up_cells, write_cells
from small_runs import changed, config, plan

from tfctc.cells import DatasetFacts
from tfctc.config import SplitConfig, to_dict
from tfctc.data.manifest import Manifest
from tfctc.errors import SplitError
from tfctc.io.files import write_json
from tfctc.runs.folder import RunFolder
from tfctc.runs.splitting import make_splits


@pytest.fixture
def earlier(tiny_dataset, tmp_path):
    """A run of the tiny data set, without networks."""
    settings = replace(config(tiny_dataset, "brightfield"), seed=3)
    planned, folder = plan(settings), tmp_path / "earlier"
    write_json(folder / "config.json", to_dict(settings))
    write_json(folder / "dataset.json", to_dict(planned.manifest.facts))
    write_json(folder / "splits.json", planned.splits.to_dict())
    write_json(folder / "run.json", planned.record)
    return RunFolder.open(folder)


def splits_of(data, earlier, by="patient_id", seed=0):
    settings = config(data, "brightfield")
    return make_splits(
        Manifest.open(data), replace(settings, seed=seed, split=SplitConfig(by, 0.25, 0.25, of=str(earlier.folder)))
    )


def grown(tmp_path, site=None):
    """The cells of the tiny data set, and as many of patients n00 to n11."""
    facts = DatasetFacts("tiny", bit_depth=12, image_size=(16, 16), mpp=0.64)
    old = made_up_cells(facts)
    new = [
        replace(
            cell,
            cell_id=f"n{cell.cell_id}",
            patient_id=cell.patient_id.replace("p", "n"),
            brightfield=f"new/{cell.brightfield}",
            dapi=f"new/{cell.dapi}",
        )
        for cell in old
    ]
    old = [replace(cell, site=cell.site if site is None else site) for cell in old]
    return write_cells(tmp_path / "grown", facts, [*old, *new])


@pytest.mark.parametrize("seed", range(3))
def test_old_patients_stay_and_new_ones_are_assigned(earlier, tmp_path, seed):
    found = splits_of(grown(tmp_path), earlier, seed=seed).assignment
    assert found.items() >= earlier.splits.assignment.items() and len(found) == 24
    assert Counter(found.values()) == {"train": 12, "validation": 6, "test": 6}


def test_the_same_ids_at_other_sites_are_new_patients(earlier, tmp_path):
    with pytest.raises(SplitError, match="has split none of the patients of .*grown; leave out split.of"):
        splits_of(grown(tmp_path, site="elsewhere"), earlier)


def test_a_run_of_other_groups_classes_or_people_is_refused(earlier, tiny_dataset, tmp_path):
    with pytest.raises(SplitError, match="has split by patient_id, not by site; --set split.by=patient_id"):
        splits_of(tiny_dataset, earlier, by="site")

    def rename(rows):
        for row in rows:
            row["label"] = row["label"].replace("ctc", "tumour")

    for name, facts, message in (
        ("classes", {"classes": ["leukocyte", "tumour"]}, "has classes leukocyte, ctc, the data set has leukocyte, "),
        ("simulated", {"simulated": True}, r"other patients \(real patients\) than the data set has \(.*simulated\)"),
    ):
        data = changed(tiny_dataset, tmp_path / name, rename if name == "classes" else lambda rows: None)
        write_json(data / "dataset.json", to_dict(earlier.facts) | facts)
        with pytest.raises(SplitError, match=message):
            splits_of(data, earlier)


def test_the_column_split_and_an_earlier_run_contradict_each_other(earlier, tiny_dataset, tmp_path):
    data = shutil.copytree(tiny_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("tfrecords"))
    lines = (data / "manifest.csv").read_text().splitlines()
    rows = [f"{lines[0]},split", *(f"{line},train" for line in lines[1:])]
    (data / "manifest.csv").write_text("\n".join(rows))
    with pytest.raises(SplitError, match="its column split gives the splits, and split.of is set"):
        splits_of(data, earlier)
