"""Simulated cells: decided by seed and index alone, and as the options say."""

import itertools
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

from tfctc.data.simulate import SimulationOptions, simulate_cells
from tfctc.errors import ConfigError

FEW = SimulationOptions(patients=3, sites=2)


@pytest.fixture(scope="module")
def cells():
    """200 simulated cells."""
    return list(simulate_cells(200, seed=0, options=FEW))


def test_a_cell_depends_on_seed_and_index_only():
    short = list(simulate_cells(12, seed=5, options=FEW))
    long = list(itertools.islice(simulate_cells(10_000, seed=5, options=FEW), 12))
    for a, b in zip(short, long, strict=True):
        assert (a.cell, a.truth) == (b.cell, b.truth)
        np.testing.assert_array_equal(a.brightfield, b.brightfield)
        np.testing.assert_array_equal(a.dapi, b.dapi)
    other = next(simulate_cells(12, seed=6, options=FEW))
    assert (other.brightfield != short[0].brightfield).mean() > 0.9
    assert len({c.brightfield.tobytes() for c in short}) == 12


def test_hiding_labels_and_dapi_leaves_the_images_alone(cells):
    hidden = list(simulate_cells(200, seed=0, options=replace(FEW, unlabelled=0.3, without_dapi=0.6)))
    assert 0.2 < np.mean([c.cell.label == "" for c in hidden]) < 0.4
    assert 0.5 < np.mean([c.cell.dapi == "" for c in hidden]) < 0.7
    for a, b in zip(cells, hidden, strict=True):
        assert a.truth == b.truth and (b.dapi is None) == (b.cell.dapi == "")
        np.testing.assert_array_equal(a.brightfield, b.brightfield)


def test_every_patient_has_both_classes_and_one_site():
    options = SimulationOptions(patients=4, sites=2, positive=0.1)
    labels, sites = defaultdict(list), defaultdict(set)
    for one in simulate_cells(200, seed=0, options=options):
        labels[one.cell.patient_id].append(one.cell.label)
        sites[one.cell.patient_id].add(one.cell.site)
    assert len(labels) == 4 and {len(s) for s in sites.values()} == {1} and len(set.union(*sites.values())) == 2
    for mine in labels.values():
        assert all("ctc" in mine[i : i + 10] for i in range(len(mine) - 9))
        assert abs(mine.count("ctc") - 5) <= 1


@pytest.mark.parametrize("size, mpp", [(64, 0.64), (48, 1.0), (100, 0.3)])
def test_images_show_the_nucleus_at_its_true_size(size, mpp):
    options = SimulationOptions(patients=3, sites=2, size=size, mpp=mpp)
    ratios = []
    for one in itertools.islice(simulate_cells(100, seed=2, options=options), 30):
        for image in (one.brightfield, one.dapi):
            assert image.shape == (size, size) and image.dtype == np.uint16 and image.max() <= 4095
        if not one.truth.neighbour:
            signal = one.dapi - np.median(one.dapi)
            area = (signal > signal.max() / 4).sum() * mpp**2
            ratios.append(np.sqrt(4 / np.pi * area) / one.truth.nucleus_diameter_um)
    assert 0.85 < np.median(ratios) < 1.2


def test_a_cell_is_a_lens_that_gathers_light_behind_its_focus(cells):
    peaks = {"near": [], "behind": []}
    for one in cells:
        peak = one.brightfield[20:44, 20:44].max() / np.median(one.brightfield)
        if abs(one.truth.defocus_um) < 1:
            peaks["near"].append(peak)
        elif one.truth.defocus_um > 4:
            peaks["behind"].append(peak)
    assert len(peaks["near"]) > 10 and np.median(peaks["near"]) < 1.3 < 1.45 < np.median(peaks["behind"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"sites": 0},
        {"sites": 41},
        {"positive": 0.0},
        {"positive": 1.0},
        {"unlabelled": 1.1},
        {"without_dapi": -0.1},
        {"size": 24},
        {"mpp": 0.0},
    ],
)
def test_impossible_options_are_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        SimulationOptions(**wrong)


def test_too_few_cells_and_negative_seeds_are_refused():
    with pytest.raises(ConfigError, match="80 cells or more, got 79"):
        simulate_cells(79, seed=0)
    with pytest.raises(ConfigError, match="seed"):
        simulate_cells(80, seed=-1)
