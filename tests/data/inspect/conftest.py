from dataclasses import replace

import pytest
from check_inspection import inspected, planted, write

from tfctc.api.simulating import simulate
from tfctc.cells import BRIGHTFIELD, DAPI, Cell, DatasetFacts
from tfctc.data.inspect import CHECKS, take_survey
from tfctc.data.manifest import Manifest, write_manifest


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """A data set of 360 simulated cells without any planted fault."""
    folder = tmp_path_factory.mktemp("simulated") / "cells"
    simulate(folder, 360, seed=3, patients=12, sites=3, size=48)
    return folder


@pytest.fixture(scope="session")
def clean(simulated, tmp_path_factory):
    """inspection.json of the simulated cells."""
    folder = tmp_path_factory.mktemp("clean") / "cells"
    planted(simulated, folder, "none", share=0.0, shifted=0.0, seed=0)
    return inspected(folder)


@pytest.fixture
def data(tmp_path):
    """Writes a data set of given images; returns its manifest.

    Images are a list of pairs: bright-field and DAPI or None, float ``(H, W)`` in [0, 1]. Cell i has the i-th of the
    `labels`, `patients` and `sites`.
    """

    def make(pixels, labels=(), patients=(), sites=()):
        facts = DatasetFacts("made-up", bit_depth=12, image_size=pixels[0][0].shape)
        cells = []
        for i, (brightfield, dapi) in enumerate(pixels):
            cell = Cell(f"c{i}", f"p{i % 4}", "", write(tmp_path / f"{i}_bf.png", brightfield, facts, BRIGHTFIELD))
            if dapi is not None:
                cell = replace(cell, dapi=write(tmp_path / f"{i}_dapi.png", dapi, facts, DAPI))
            for name, values in (("label", labels), ("patient_id", patients), ("site", sites)):
                if len(values):
                    cell = replace(cell, **{name: str(values[i])})
            cells.append(cell)
        write_manifest(tmp_path, facts, cells)
        return Manifest.open(tmp_path)

    return make


@pytest.fixture
def survey(data):
    """A survey of given images, by all checks; arguments as for `data`."""

    def make(*arguments, **options):
        return take_survey(data(*arguments, **options), [CHECKS[name]() for name in CHECKS], 10**6, 0)

    return make
