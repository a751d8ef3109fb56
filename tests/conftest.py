"""What every test may use."""

import numpy as np
import pytest
from PIL import Image

from tfctc.cells import Cell, DatasetFacts

PATIENTS, CELLS_EACH, SIZE = 12, 4, 16


def pytest_configure():
    """Two logical CPUs, for MirroredStrategy; to be asked for before TensorFlow's first operation."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)


def write_cells(folder, facts, cells):
    """A data set of made-up cells: noise, a disc in the positive class's bright-field, a brighter one in its DAPI."""
    from tfctc.data.manifest import write_manifest

    rng = np.random.default_rng(0)
    rows, columns = np.indices(facts.image_size)
    height, width = facts.image_size
    disc = np.hypot(rows - height / 2, columns - width / 2) < min(facts.image_size) / 4
    for cell in cells:
        positive = cell.label == facts.positive
        for path, contrast in ((cell.brightfield, 0.15), (cell.dapi, 0.4)):
            if path:
                image = 0.3 + contrast * disc * positive + rng.normal(0, 0.05, facts.image_size)
                counts = np.clip(image * facts.full_scale, 0, facts.full_scale).astype(facts.dtype)
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(counts).save(folder / path)
    write_manifest(folder, facts, cells)
    return folder


def made_up_cells(facts):
    """48 cells of 12 patients at 3 sites, both classes in each patient."""
    return [
        Cell(
            cell_id=f"p{p:02}-{i}",
            patient_id=f"p{p:02}",
            site=f"site{p % 3}",
            brightfield=f"images/p{p:02}-{i}_bf.png",
            dapi=f"images/p{p:02}-{i}_dapi.png",
            label=facts.classes[i % 2],
        )
        for p in range(PATIENTS)
        for i in range(CELLS_EACH)
    ]


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory):
    """A data set folder that the tests share: 48 made-up cells, 16 px, 12 bits in 16. Copy it before you change it."""
    facts = DatasetFacts("tiny", bit_depth=12, image_size=(SIZE, SIZE), mpp=0.64)
    return write_cells(tmp_path_factory.mktemp("tiny"), facts, made_up_cells(facts))
